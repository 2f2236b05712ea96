// strassenc_widen: WORDS words become one, in order, none lost or doubled, with the first one's
// user bit.
`default_nettype none

module prove_widen #(
    parameter WORDS = 3
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire s_user,
    input  wire m_ready,
    output wire bad
);
    wire               rst, s_valid, s_ready, m_valid, m_user, taker_bad;
    wire [1:0]         s_data;
    wire [2*WORDS-1:0] m_data;
    wire [5:0]         held;
    wire               accept = s_valid & s_ready;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(3'd0),
        .items(3'd1), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker #(.ITEMS(WORDS)) taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready),
        .items(WORDS[2:0]), .data(m_data), .bad(taker_bad)
    );
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, accept}),
        .leave(m_valid & m_ready ? WORDS[2:0] : 3'd0), .held(held)
    );
    strassenc_widen #(
        .BITS (2),
        .WORDS(WORDS)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .s_user (s_user),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    reg  first_user;
    wire user = held == 6'd0 ? s_user : first_user;
    always @(posedge clk) if (clken & accept) first_user <= user;

    wire last = held == WORDS - 1;
    assign bad = taker_bad | (!rst & (m_valid != (s_valid & last) | s_ready != (m_ready | !last)
        | (m_valid & m_user != user)));
endmodule

`default_nettype wire
