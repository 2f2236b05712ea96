// strassenc_array: each word meets the weights of its place and is part of one result, SUMS words
// to each, counted, or with TOLD as s_last tells; none is lost or counted twice; something can
// always move.
`default_nettype none

module prove_array #(
    parameter SUMS  = 2,
    parameter DEPTH = 2,
    parameter TOLD  = 0
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire m_ready,
    output wire bad
);
    localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam RESULTS      = DEPTH / SUMS;

    wire                    rst, s_valid, s_ready, m_valid, m_user, enable, taker_bad, stuck_bad;
    wire [1:0]              s_data;
    wire [4*SUMS-1:0]       m_data;
    wire [5:0]              held;
    wire [ADDRESS_BITS-1:0] address;

    // Row r adds up the r-th of the words alone, and takes it away in every other result.
    reg  [2*SUMS-1:0] fetched;
    wire [1:0]        weight = address / SUMS % 2 == 0 ? 2'b01 : 2'b11;
    always @(posedge clk) if (enable) fetched <= weight << (2 * (address % SUMS));

    reg  [2:0] result;
    always @(posedge clk)
        if (rst) result <= 3'd0;
        else if (clken & m_valid & m_ready) result <= result == RESULTS - 1 ? 3'd0 : result + 3'd1;

    reg  [2:0] place;
    wire       s_last = place == SUMS - 1;
    always @(posedge clk)
        if (rst) place <= 3'd0;
        else if (clken & s_valid & s_ready) place <= s_last ? 3'd0 : place + 3'd1;

    wire [2*SUMS-1:0] colours;
    wire [SUMS-1:0]   wrong;
    genvar i;
    generate
        for (i = 0; i < SUMS; i = i + 1) begin : row
            wire [3:0] sum  = m_data[4*i+:4];
            wire [3:0] word = result[0] ? -sum : sum;
            assign colours[2*i+:2] = word[1:0];
            assign wrong[i]        = |word[3:2];
        end
    endgenerate

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(3'd0),
        .items(3'd1), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker #(.ITEMS(SUMS)) taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready),
        .items(SUMS[2:0]), .data(colours), .bad(taker_bad)
    );
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, s_valid & s_ready}),
        .leave(m_valid & m_ready ? SUMS[2:0] : 3'd0), .held(held)
    );
    stuck stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(s_valid & m_ready), .moves(s_ready),
        .bad(stuck_bad)
    );
    strassenc_array #(
        .LANES   (1),
        .X_BITS  (2),
        .X_SIGNED(0),
        .ROWS    (SUMS),
        .SUMS    (TOLD != 0 ? 0 : SUMS),
        .DEPTH   (DEPTH),
        .U_BITS  (4)
    ) dut (
        .clk        (clk),
        .clken      (clken),
        .rst        (rst),
        .s_valid    (s_valid),
        .s_ready    (s_ready),
        .s_data     (s_data),
        .s_user     (s_data[0]),
        .s_last     (s_last),
        .m_valid    (m_valid),
        .m_ready    (m_ready),
        .m_data     (m_data),
        .m_user     (m_user),
        .rom_enable (enable),
        .rom_address(address),
        .rom_data   (fetched)
    );

    assign bad = taker_bad | stuck_bad | (!rst & m_valid & (|wrong | held < SUMS
        | m_user != colours[0]));
endmodule

`default_nettype wire
