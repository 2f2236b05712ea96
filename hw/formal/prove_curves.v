// strassenc_curves: the value of each word leaves in order, with its user bit; none is lost or
// doubled; something can always move.
`default_nettype none

module prove_curves (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire m_ready,
    output wire bad
);
    wire       rst, s_valid, s_ready, m_valid, m_user, enable, streams_bad;
    wire [1:0] s_data, address;
    wire [3:0] m_data;
    wire [5:0] held;
    // A table of k at k, of which words read the other half.
    reg  [2:0] fetched;
    always @(posedge clk) if (enable) fetched <= address;
    wire [3:0] colour = -m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    one_by_one streams (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .s_valid(s_valid),
        .s_ready(s_ready), .s_data(s_data), .m_valid(m_valid), .m_ready(m_ready),
        .m_data(colour[1:0]), .held(held), .bad(streams_bad)
    );
    strassenc_curves #(
        .V_BITS(3),
        .FRAC  (2)
    ) dut (
        .clk         (clk),
        .clken       (clken),
        .rst         (rst),
        .s_valid     (s_valid),
        .s_ready     (s_ready),
        .s_data      (-{1'b0, s_data}),
        .s_user      (s_data[0]),
        .m_valid     (m_valid),
        .m_ready     (m_ready),
        .m_data      (m_data),
        .m_user      (m_user),
        .table_enable(enable),
        .table_address(address),
        .table_data   (fetched)
    );

    assign bad = streams_bad | (!rst & (held > 6'd3
        | (m_valid & (held == 6'd0 | colour[3:2] != 2'd0 | m_user != colour[0]))));
endmodule

`default_nettype wire
