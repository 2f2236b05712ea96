// strassenc_multiplier_bank: each word meets the coefficient of its place, and its product leaves
// in order; none is lost or doubled; something can always move.
`default_nettype none

module prove_multiplier_bank #(
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
    localparam M_BITS       = 2 * DEPTH + 1;

    wire                    rst, s_valid, s_ready, m_valid, m_user, enable, streams_bad;
    wire [1:0]              s_data;
    wire [M_BITS-1:0]       m_data;
    wire [5:0]              held;
    wire [ADDRESS_BITS-1:0] address;
    // The coefficient of place k is 4^k.
    reg  [M_BITS-1:0]       fetched;
    always @(posedge clk) if (enable) fetched <= 1 << (2 * address);

    reg  [2:0] place;
    always @(posedge clk)
        if (rst) place <= 3'd0;
        else if (clken & m_valid & m_ready) place <= place == DEPTH - 1 ? 3'd0 : place + 3'd1;
    wire [1:0] colour = m_data >> (2 * place);

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    one_by_one streams (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .s_valid(s_valid),
        .s_ready(s_ready), .s_data(s_data), .m_valid(m_valid), .m_ready(m_ready),
        .m_data(colour), .held(held), .bad(streams_bad)
    );
    strassenc_multiplier_bank #(
        .LANES           (1),
        .U_BITS          (2),
        .U_SIGNED        (0),
        .COEFFICIENT_BITS(M_BITS),
        .M_BITS          (M_BITS),
        .DEPTH           (DEPTH)
    ) dut (
        .clk        (clk),
        .clken      (clken),
        .rst        (rst),
        .s_valid    (s_valid),
        .s_ready    (s_ready),
        .s_data     (s_data),
        .s_user     (s_data[0]),
        .m_valid    (m_valid),
        .m_ready    (m_ready),
        .m_data     (m_data),
        .m_user     (m_user),
        .rom_enable (enable),
        .rom_address(address),
        .rom_data   (fetched)
    );

    assign bad = streams_bad | (!rst & (held > 6'd3 | (m_valid & (held == 6'd0
        | m_data != colour << (2 * place) | m_user != colour[0]))));
endmodule

`default_nettype wire
