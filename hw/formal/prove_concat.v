// strassenc_concat: the words of both streams leave in their order, A_WORDS of the one and B_WORDS
// of the other in turn, or one of each together; none is lost, doubled or changed.
`default_nettype none

module prove_concat #(
    parameter TOGETHER = 0,
    parameter A_WORDS  = 2,
    parameter B_WORDS  = 1
) (
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
    localparam ITEMS = TOGETHER != 0 ? 2 : 1;

    wire               rst, a_valid, a_ready, b_valid, b_ready, m_valid, m_user, a_bad, b_bad;
    wire [1:0]         a_data, b_data;
    wire [2*ITEMS-1:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver_a (
        .clk(clk), .clken(clken), .rst(rst), .offer(a_offer), .paint(a_paint), .place(3'd0),
        .items(3'd1), .valid(a_valid), .ready(a_ready), .data(a_data)
    );
    giver giver_b (
        .clk(clk), .clken(clken), .rst(rst), .offer(b_offer), .paint(b_paint), .place(3'd0),
        .items(3'd1), .valid(b_valid), .ready(b_ready), .data(b_data)
    );

    // Whose word leaves next.
    reg  [2:0] word;
    wire       of_a = TOGETHER != 0 || word < A_WORDS;
    wire       of_b = TOGETHER != 0 || word >= A_WORDS;
    always @(posedge clk)
        if (rst) word <= 3'd0;
        else if (clken & m_valid & m_ready)
            word <= word == A_WORDS + B_WORDS - 1 ? 3'd0 : word + 3'd1;

    taker taker_a (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid & of_a), .ready(m_ready),
        .items(3'd1), .data(m_data[1:0]), .bad(a_bad)
    );
    taker taker_b (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid & of_b), .ready(m_ready),
        .items(3'd1), .data(m_data[2*ITEMS-1-:2]), .bad(b_bad)
    );
    wire [5:0] a_held, b_held;
    count count_a (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, a_valid & a_ready}),
        .leave({2'd0, m_valid & of_a & m_ready}), .held(a_held)
    );
    count count_b (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, b_valid & b_ready}),
        .leave({2'd0, m_valid & of_b & m_ready}), .held(b_held)
    );
    strassenc_concat #(
        .TOGETHER(TOGETHER),
        .A_WORDS (A_WORDS),
        .B_WORDS (B_WORDS),
        .A_BITS  (2),
        .A_SIGNED(0),
        .B_BITS  (2),
        .B_SIGNED(0),
        .Z_BITS  (2),
        .Z_SIGNED(0)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .a_valid(a_valid),
        .a_ready(a_ready),
        .a_data (a_data),
        .a_user (1'b1),
        .b_valid(b_valid),
        .b_ready(b_ready),
        .b_data (b_data),
        .b_user (1'b0),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    assign bad = a_bad | b_bad | (!rst & (a_held > 6'd2 | b_held > 6'd2
        | (m_valid & (m_user != of_a | (of_a & a_held == 6'd0) | (of_b & b_held == 6'd0)))
        // Something can move: what is asked for next is taken.
        | (a_valid & b_valid & m_ready & !a_ready & !b_ready)));
endmodule

`default_nettype wire
