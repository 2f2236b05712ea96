// strassenc_add: the words of both streams leave as sums, one of each in each, in their order; none
// is lost, doubled or joined to another; something can always move.
`default_nettype none

module prove_add (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire a_offer,
    input  wire a_paint,
    input  wire b_offer,
    input  wire b_paint,
    input  wire m_ready,
    output wire bad
);
    wire       rst, a_valid, a_ready, b_valid, b_ready, m_valid, m_user, a_bad, b_bad, stuck_bad;
    wire [1:0] a_data, b_data;
    // A word of b four times in the sum, so that both can be read from it.
    wire [3:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver_a (
        .clk(clk), .clken(clken), .rst(rst), .offer(a_offer), .paint(a_paint), .place(3'd0),
        .items(3'd1), .valid(a_valid), .ready(a_ready), .data(a_data)
    );
    giver giver_b (
        .clk(clk), .clken(clken), .rst(rst), .offer(b_offer), .paint(b_paint), .place(3'd0),
        .items(3'd1), .valid(b_valid), .ready(b_ready), .data(b_data)
    );
    taker taker_a (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .items(3'd1),
        .data(m_data[1:0]), .bad(a_bad)
    );
    taker taker_b (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .items(3'd1),
        .data(m_data[3:2]), .bad(b_bad)
    );
    wire [5:0] held;
    wire       taken = a_valid & a_ready;
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, taken}),
        .leave({2'd0, m_valid & m_ready}), .held(held)
    );
    stuck stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(a_valid & b_valid & m_ready),
        .moves(taken), .bad(stuck_bad)
    );
    strassenc_add #(
        .A_BITS  (2),
        .A_SIGNED(0),
        .B_BITS  (2),
        .B_SIGNED(0),
        .B_SHIFT (2),
        .Z_BITS  (4),
        .Z_SIGNED(0)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .a_valid(a_valid),
        .a_ready(a_ready),
        .a_data (a_data),
        .a_user (a_data[0]),
        .b_valid(b_valid),
        .b_ready(b_ready),
        .b_data (b_data),
        .b_user (b_data[1]),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    assign bad = a_bad | b_bad | stuck_bad | (!rst & (taken != (b_valid & b_ready) | held > 6'd2
        | (m_valid & (held == 6'd0 | m_user != m_data[0]))));
endmodule

`default_nettype wire
