// strassenc_requantise: each word meets the ROM's word of its place, and leaves in order; none is
// lost or doubled; something can always move.
`default_nettype none

module prove_requantise #(
    parameter DEPTH = 2
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

    wire                    rst, s_valid, s_ready, m_valid, m_user, enable, streams_bad;
    wire [1:0]              s_data;
    wire [3:0]              m_data;
    wire [5:0]              held;
    wire [ADDRESS_BITS-1:0] address;
    // The constant of each place is its number.
    reg  [3:0]              fetched;
    always @(posedge clk) if (enable) fetched <= address;

    reg  [3:0] place;
    always @(posedge clk)
        if (rst) place <= 4'd0;
        else if (clken & m_valid & m_ready) place <= place == DEPTH - 1 ? 4'd0 : place + 4'd1;
    wire [3:0] colour = m_data - place;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    one_by_one streams (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .s_valid(s_valid),
        .s_ready(s_ready), .s_data(s_data), .m_valid(m_valid), .m_ready(m_ready),
        .m_data(colour[1:0]), .held(held), .bad(streams_bad)
    );
    strassenc_requantise #(
        .LANES        (1),
        .Y_BITS       (3),
        .CONSTANT_BITS(4),
        .BASE         (0),
        .SUM_BITS     (5),
        .Z_BITS       (4),
        .Z_SIGNED     (0),
        .DEPTH        (DEPTH)
    ) dut (
        .clk        (clk),
        .clken      (clken),
        .rst        (rst),
        .s_valid    (s_valid),
        .s_ready    (s_ready),
        .s_data     ({1'b0, s_data}),
        .s_user     (s_data[0]),
        .m_valid    (m_valid),
        .m_ready    (m_ready),
        .m_data     (m_data),
        .m_user     (m_user),
        .rom_enable (enable),
        .rom_address(address),
        .rom_data   (fetched)
    );

    assign bad = streams_bad | (!rst & (held > 6'd4
        | (m_valid & (held == 6'd0 | colour[3:2] != 2'd0 | m_user != colour[0]))));
endmodule

`default_nettype wire
