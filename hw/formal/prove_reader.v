// strassenc_reader, strassenc_rows: each word of each window is that of its place in its image, or
// FILL outside of it; no image is lost, doubled or overtaken; something can always move.
`default_nettype none

module prove_reader #(
    parameter HEIGHT   = 2,
    parameter WIDTH    = 2,
    parameter WORDS    = 1,
    parameter K_H      = 1,
    parameter K_W      = 1,
    parameter STRIDE_H = 1,
    parameter STRIDE_W = 1,
    parameter PAD_H    = 0,
    parameter PAD_W    = 0,
    parameter ROWS     = 2,
    parameter COLUMNS  = 2,
    parameter GROUPS   = 1,
    parameter REPEATS  = 1,
    parameter ROUNDS   = 1,
    parameter AGAIN    = 1
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
    localparam PART = WORDS / GROUPS;

    wire       rst, s_valid, s_ready, s_user, m_valid, m_user, taker_bad, stuck_bad;
    wire [2:0] s_data, m_data;
    // Any, and always the same.
    reg  [4:0] shown;
    always @(posedge clk) shown <= shown;

    // The word that leaves next.
    reg  [2:0] y, pass, x, round, part, repeated, ky, kx, word;
    wire       first      = {y, pass, x, round, part, repeated, ky, kx, word} == 27'd0;
    wire       word_end   = word == PART - 1;
    wire       kx_end     = word_end & kx == K_W - 1;
    wire       ky_end     = kx_end & ky == K_H - 1;
    wire       repeat_end = ky_end & repeated == REPEATS - 1;
    wire       part_end   = repeat_end & part == GROUPS - 1;
    wire       round_end  = part_end & round == ROUNDS - 1;
    wire       x_end      = round_end & x == COLUMNS - 1;
    wire       pass_end   = x_end & pass == AGAIN - 1;
    wire       y_end      = pass_end & y == ROWS - 1;
    always @(posedge clk)
        if (rst) {y, pass, x, round, part, repeated, ky, kx, word} <= 27'd0;
        else if (clken & m_valid & m_ready) begin
            word <= word_end ? 3'd0 : word + 3'd1;
            if (word_end)   kx       <= kx_end ? 3'd0 : kx + 3'd1;
            if (kx_end)     ky       <= ky_end ? 3'd0 : ky + 3'd1;
            if (ky_end)     repeated <= repeat_end ? 3'd0 : repeated + 3'd1;
            if (repeat_end) part     <= part_end ? 3'd0 : part + 3'd1;
            if (part_end)   round    <= round_end ? 3'd0 : round + 3'd1;
            if (round_end)  x        <= x_end ? 3'd0 : x + 3'd1;
            if (x_end)      pass     <= pass_end ? 3'd0 : pass + 3'd1;
            if (pass_end)   y        <= y_end ? 3'd0 : y + 3'd1;
        end
    // Its pixel, PAD_H rows and PAD_W columns further on.
    wire [4:0] row     = y * STRIDE_H + ky;
    wire [4:0] column  = x * STRIDE_W + kx;
    wire       outside = row < PAD_H | row >= PAD_H + HEIGHT | column < PAD_W
                         | column >= PAD_W + WIDTH;
    wire [4:0] number  = ((row - PAD_H) * WIDTH + column - PAD_W) * WORDS + part * PART + word;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    frame_giver #(.WORDS(HEIGHT * WIDTH * WORDS)) giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .any_user(any_user),
        .shown(shown), .valid(s_valid), .ready(s_ready), .data(s_data), .user(s_user)
    );
    frame_taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .shown(shown),
        .number(number), .outside(outside), .first(first), .last(y_end), .data(m_data),
        .user(m_user), .bad(taker_bad)
    );
    stuck stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(s_valid & m_ready),
        .moves((s_valid & s_ready) | m_valid), .bad(stuck_bad)
    );
    strassenc_reader #(
        .ELEMENT_BITS(3),
        .FILL        (3'd4),
        .LANES       (1),
        .HEIGHT      (HEIGHT),
        .WIDTH       (WIDTH),
        .WORDS       (WORDS),
        .K_H         (K_H),
        .K_W         (K_W),
        .STRIDE_H    (STRIDE_H),
        .STRIDE_W    (STRIDE_W),
        .PAD_H       (PAD_H),
        .PAD_W       (PAD_W),
        .ROWS        (ROWS),
        .COLUMNS     (COLUMNS),
        .GROUPS      (GROUPS),
        .REPEATS     (REPEATS),
        .ROUNDS      (ROUNDS),
        .ROW_REPEATS (AGAIN)
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
