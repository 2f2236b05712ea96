// strassenc_fifo: when it is full and empty, that no word is lost, doubled, changed or overtaken.
`default_nettype none

module prove_fifo #(
    parameter DEPTH   = 3,
    parameter AT_ONCE = 64
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire m_ready,
    output wire bad
);
    wire       rst, s_valid, s_ready, m_valid, taker_bad;
    wire [1:0] s_data, m_data;
    wire [5:0] held;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(3'd0),
        .items(3'd1), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .items(3'd1),
        .data(m_data), .bad(taker_bad)
    );
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, s_valid & s_ready}),
        .leave({2'd0, m_valid & m_ready}), .held(held)
    );
    strassenc_fifo #(
        .BITS   (2),
        .DEPTH  (DEPTH),
        .AT_ONCE(AT_ONCE)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data)
    );

    assign bad = taker_bad | (!rst & (s_ready != (held < DEPTH) | m_valid != (held != 6'd0)));
endmodule

`default_nettype wire
