// strassenc_positions: the windows of a word leave as often as there are blocks, each character in
// its place, no frame lost, doubled or overtaken; something can always move.
`default_nettype none

module prove_positions #(
    parameter CHARACTERS = 2,
    parameter WORDS      = 1,
    parameter TAPS       = 2,
    parameter POSITIONS  = 2,
    parameter BLOCKS     = 1,
    parameter LAST       = 0
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
    wire       rst, s_valid, s_ready, s_user, m_valid, m_user, m_last, taker_bad, stuck_bad;
    wire [2:0] s_data, m_data;
    // Any, and always the same.
    reg  [4:0] shown;
    always @(posedge clk) shown <= shown;

    // Two steps: BLOCKS blocks of TAPS characters that are done at position LAST, and one of single
    // characters that goes on.
    reg        step;
    reg  [2:0] block, position, tap, word;
    wire [4:0] here           = (!step && position > LAST ? LAST : position) + tap;
    wire       first          = {step, block, position, tap, word} == 13'd0;
    wire       word_end       = word == WORDS - 1;
    wire       tap_end        = word_end & (step | tap == TAPS - 1);
    wire       position_end   = tap_end & position == POSITIONS - 1;
    wire       block_end      = position_end & (step | block == BLOCKS - 1);
    always @(posedge clk)
        if (rst) {step, block, position, tap, word} <= 13'd0;
        else if (clken & m_valid & m_ready) begin
            word <= word_end ? 3'd0 : word + 3'd1;
            if (word_end)     tap      <= tap_end ? 3'd0 : tap + 3'd1;
            if (tap_end)      position <= position_end ? 3'd0 : position + 3'd1;
            if (position_end) block    <= block_end ? 3'd0 : block + 3'd1;
            if (block_end)    step     <= !step;
        end

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    frame_giver #(.WORDS(CHARACTERS * WORDS)) giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .any_user(any_user),
        .shown(shown), .valid(s_valid), .ready(s_ready), .data(s_data), .user(s_user)
    );
    frame_taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .shown(shown),
        .number(here * WORDS + word), .outside(1'b0), .first(first), .last(block_end & step),
        .data(m_data), .user(m_user), .bad(taker_bad)
    );
    stuck stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(s_valid & m_ready),
        .moves((s_valid & s_ready) | m_valid), .bad(stuck_bad)
    );
    strassenc_positions #(
        .BITS      (3),
        .CHARACTERS(CHARACTERS),
        .WORDS     (WORDS),
        .POSITIONS (POSITIONS),
        .STEPS     (2),
        .BLOCKS    ({32'd1, BLOCKS[31:0]}),
        .TAPS      ({32'd1, TAPS[31:0]}),
        .LAST      ({POSITIONS[31:0] - 32'd1, LAST[31:0]})
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
        .m_user (m_user),
        .m_last (m_last)
    );

    assign bad = taker_bad | stuck_bad | (!rst & m_valid & m_last != tap_end);
endmodule

`default_nettype wire
