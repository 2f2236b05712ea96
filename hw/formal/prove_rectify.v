// strassenc_rectify: the value of each word leaves in order, with its user bit; none is lost or
// doubled; something can always move.
`default_nettype none

module prove_rectify (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire m_ready,
    output wire bad
);
    wire       rst, s_valid, s_ready, m_valid, m_user, streams_bad;
    wire [1:0] s_data;
    wire [3:0] m_data;
    wire [5:0] held;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    one_by_one streams (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .s_valid(s_valid),
        .s_ready(s_ready), .s_data(s_data), .m_valid(m_valid), .m_ready(m_ready),
        .m_data(m_data[1:0]), .held(held), .bad(streams_bad)
    );
    strassenc_rectify #(
        .BITS  (4),
        .SIGNED(1),
        .MAX   (4'd2)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data ({2'd0, s_data}),
        .s_user (s_data[0]),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    assign bad = streams_bad | (!rst & (held > 6'd1
        | (m_valid & (held == 6'd0 | m_data[3:2] != 2'd0 | m_user != m_data[0]))));
endmodule

`default_nettype wire
