// strassenc_reverse: each word of a frame leaves in its place, the last pixel first and the words
// of a pixel in their order, none lost, doubled or of another frame; something can always move.
`default_nettype none

module prove_reverse #(
    parameter PIXELS = 3,
    parameter WORDS  = 1
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire any_user,
    input  wire m_ready,
    output wire bad
);
    wire       rst, s_valid, s_ready, s_user, m_valid, m_user, taker_bad, stuck_bad;
    wire [2:0] s_data, m_data;
    // Any, and always the same.
    reg  [4:0] shown;
    always @(posedge clk) shown <= shown;

    // The pixels of the frame that leave behind the next word's, and the place of that word.
    reg  [2:0] behind, word;
    reg        first;
    wire       word_last = word == WORDS - 1;
    wire       last      = word_last & behind == 3'd0;
    wire [4:0] number    = behind * WORDS + word;
    always @(posedge clk)
        if (rst) begin
            behind <= PIXELS - 1;
            word   <= 3'd0;
            first  <= 1'b1;
        end else if (clken & m_valid & m_ready) begin
            word  <= word_last ? 3'd0 : word + 3'd1;
            first <= last;
            if (word_last) behind <= last ? PIXELS - 1 : behind - 3'd1;
        end

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    frame_giver #(.WORDS(PIXELS * WORDS)) giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .any_user(any_user),
        .shown(shown), .valid(s_valid), .ready(s_ready), .data(s_data), .user(s_user)
    );
    frame_taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .shown(shown),
        .number(number), .outside(1'b0), .first(first), .last(last), .data(m_data), .user(m_user),
        .bad(taker_bad)
    );
    stuck stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(s_valid & m_ready),
        .moves((s_valid & s_ready) | m_valid), .bad(stuck_bad)
    );
    strassenc_reverse #(
        .BITS  (3),
        .PIXELS(PIXELS),
        .WORDS (WORDS)
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

    assign bad = taker_bad | stuck_bad;
endmodule

`default_nettype wire
