// strassenc_patches: each word of an image leaves in its place in raster order, none lost, doubled
// or of another image; what lies beyond the image is dropped; something can always move.
`default_nettype none

module prove_patches #(
    parameter P_H    = 2,
    parameter P_W    = 2,
    parameter HEIGHT = 3,
    parameter WIDTH  = 3,
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
    localparam ROWS    = (HEIGHT + P_H - 1) / P_H;
    localparam COLUMNS = (WIDTH + P_W - 1) / P_W;
    localparam PATCH   = P_H * P_W * WORDS;

    wire       rst, s_valid, s_ready, s_user, m_valid, m_user, taker_bad, stuck_bad;
    wire [2:0] s_data, m_data;
    // Any, and always the same.
    reg  [4:0] shown;
    always @(posedge clk) shown <= shown;

    // The word of the image that leaves next, and its number among the words of the patches.
    reg  [2:0] y, x, word;
    wire       first = {y, x, word} == 9'd0;
    wire       word_last = word == WORDS - 1;
    wire       x_last    = x == WIDTH - 1;
    wire       y_last    = y == HEIGHT - 1;
    wire [4:0] number    = ((y / P_H * COLUMNS + x / P_W) * P_H * P_W
                           + y % P_H * P_W + x % P_W) * WORDS + word;
    always @(posedge clk)
        if (rst) {y, x, word} <= 9'd0;
        else if (clken & m_valid & m_ready) begin
            word <= word_last ? 3'd0 : word + 3'd1;
            if (word_last) x <= x_last ? 3'd0 : x + 3'd1;
            if (word_last & x_last) y <= y_last ? 3'd0 : y + 3'd1;
        end

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    frame_giver #(.WORDS(ROWS * COLUMNS * PATCH)) giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .any_user(any_user),
        .shown(shown), .valid(s_valid), .ready(s_ready), .data(s_data), .user(s_user)
    );
    frame_taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .shown(shown),
        .number(number), .outside(1'b0), .first(first), .last(y_last & x_last & word_last),
        .data(m_data), .user(m_user), .bad(taker_bad)
    );
    stuck stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(s_valid & m_ready),
        .moves((s_valid & s_ready) | m_valid), .bad(stuck_bad)
    );
    strassenc_patches #(
        .BITS   (3),
        .P_H    (P_H),
        .P_W    (P_W),
        .ROWS   (ROWS),
        .COLUMNS(COLUMNS),
        .HEIGHT (HEIGHT),
        .WIDTH  (WIDTH),
        .WORDS  (WORDS)
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
