// strassenc_serialiser: a vector of BEATS beats leaves beat by beat, none lost or doubled, and is
// taken with its last one; a user bit stands on its first.
`default_nettype none

module prove_serialiser #(
    parameter BEATS = 3
) (
    input  wire       clk,
    input  wire       clken,
    input  wire       free_reset,
    input  wire       offer,
    input  wire       paint,
    input  wire [2:0] place,
    input  wire       s_user,
    input  wire       m_ready,
    output wire       bad
);
    wire               rst, s_valid, s_ready, m_valid, m_last, m_user, taker_bad;
    wire [2*BEATS-1:0] s_data;
    wire [1:0]         m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver #(.ITEMS(BEATS)) giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(place),
        .items(BEATS[2:0]), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .items(3'd1),
        .data(m_data), .bad(taker_bad)
    );
    strassenc_serialiser #(
        .BEAT_BITS(2),
        .BEATS    (BEATS)
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
        .m_last (m_last),
        .m_user (m_user)
    );

    // Beats of the vector at hand that have left.
    reg  [2:0] left;
    wire       last = left == BEATS - 1;
    always @(posedge clk)
        if (rst) left <= 3'd0;
        else if (clken & m_valid & m_ready) left <= last ? 3'd0 : left + 3'd1;

    assign bad = taker_bad | (!rst & (m_valid != s_valid | s_ready != (m_ready & last)
        | (m_valid & (m_last != last | m_user != (s_user & left == 3'd0)))));
endmodule

`default_nettype wire
