// strassenc_window, strassenc_rows: each pixel of each window is that of its place in its image, or
// FILL outside of it; no image is lost, doubled or overtaken; something can always move.
`default_nettype none

module prove_window #(
    parameter HEIGHT   = 1,
    parameter WIDTH    = 2,
    parameter K_H      = 1,
    parameter K_W      = 1,
    parameter STRIDE_H = 1,
    parameter STRIDE_W = 1,
    parameter PAD_H    = 0,
    parameter PAD_W    = 0,
    parameter ROWS     = 1,
    parameter COLUMNS  = 2
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
    wire                   rst, s_valid, s_ready, s_user, m_valid, m_user, stuck_bad;
    wire [2:0]             s_data;
    wire [3*K_H*K_W-1:0]   m_data;
    wire [K_H*K_W-1:0]     taker_bad;
    // Any, and always the same.
    reg  [4:0] shown;
    always @(posedge clk) shown <= shown;

    // The window that leaves next.
    reg  [2:0] y, x;
    wire       first = {y, x} == 6'd0;
    wire       x_end = x == COLUMNS - 1;
    wire       y_end = x_end & y == ROWS - 1;
    always @(posedge clk)
        if (rst) {y, x} <= 6'd0;
        else if (clken & m_valid & m_ready) begin
            x <= x_end ? 3'd0 : x + 3'd1;
            if (x_end) y <= y_end ? 3'd0 : y + 3'd1;
        end

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    frame_giver #(.WORDS(HEIGHT * WIDTH)) giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .any_user(any_user),
        .shown(shown), .valid(s_valid), .ready(s_ready), .data(s_data), .user(s_user)
    );
    genvar i;
    generate
        for (i = 0; i < K_H * K_W; i = i + 1) begin : pixel
            // PAD_H rows and PAD_W columns further on.
            wire [4:0] row     = y * STRIDE_H + i / K_W;
            wire [4:0] column  = x * STRIDE_W + i % K_W;
            wire       outside = row < PAD_H | row >= PAD_H + HEIGHT | column < PAD_W
                                 | column >= PAD_W + WIDTH;
            frame_taker taker (
                .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready),
                .shown(shown), .number((row - PAD_H) * WIDTH + column - PAD_W), .outside(outside),
                .first(first), .last(y_end), .data(m_data[3*i+:3]), .user(m_user),
                .bad(taker_bad[i])
            );
        end
    endgenerate
    stuck #(.CLOCKS(4)) stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(s_valid & m_ready),
        .moves((s_valid & s_ready) | m_valid), .bad(stuck_bad)
    );
    strassenc_window #(
        .ELEMENT_BITS(3),
        .FILL        (3'd4),
        .ELEMENTS    (1),
        .HEIGHT      (HEIGHT),
        .WIDTH       (WIDTH),
        .K_H         (K_H),
        .K_W         (K_W),
        .STRIDE_H    (STRIDE_H),
        .STRIDE_W    (STRIDE_W),
        .PAD_H       (PAD_H),
        .PAD_W       (PAD_W),
        .ROWS        (ROWS),
        .COLUMNS     (COLUMNS)
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

    assign bad = |taker_bad | stuck_bad;
endmodule

`default_nettype wire
