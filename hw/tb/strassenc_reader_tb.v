// Self-checking testbench of strassenc_reader: many shapes side by side, each with several frames
// in a row under random gaps, stalls and clken, and with resets in mid-frame. The words are
// compared with a plain model, and so are s_ready and m_valid in every clock.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_reader_check #(
    parameter HEIGHT   = 1,
    parameter WIDTH    = 1,
    parameter WORDS    = 1,
    parameter K_H      = 1,
    parameter K_W      = 1,
    parameter STRIDE_H = 1,
    parameter STRIDE_W = 1,
    parameter PAD_H    = 0,
    parameter PAD_W    = 0,
    parameter ROWS     = 1,
    parameter COLUMNS  = 1,
    parameter GROUPS   = 1,
    parameter REPEATS  = 1,
    parameter LANES    = 1,
    parameter ROUNDS   = 1,
    parameter AGAIN    = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam       FRAMES    = 3;
    localparam       WORD_BITS = 5 * LANES;
    localparam       ROW       = WIDTH * WORDS;
    localparam       GIVEN     = HEIGHT * ROW;
    localparam       PART      = WORDS / GROUPS;
    localparam       WINDOW    = ROUNDS * GROUPS * REPEATS * K_H * K_W * PART;
    localparam       TAKEN     = ROWS * AGAIN * COLUMNS * WINDOW;
    localparam       SLOTS     = K_H + STRIDE_H;
    localparam [4:0] FILL      = 5'h16;

    reg                  rst;
    reg                  clken;
    reg                  s_valid;
    wire                 s_ready;
    reg  [WORD_BITS-1:0] s_data;
    reg                  s_user;
    wire                 m_valid;
    reg                  m_ready;
    wire [WORD_BITS-1:0] m_data;
    wire                 m_user;

    strassenc_reader #(
        .ELEMENT_BITS(5),
        .FILL        (FILL),
        .LANES       (LANES),
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
        .SLOTS       (SLOTS),
        .GROUPS      (GROUPS),
        .REPEATS     (REPEATS),
        .ROUNDS      (ROUNDS),
        .ROW_REPEATS (AGAIN)
    ) dut (
        .clk    (clk & !done),
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

    integer             seed = HEIGHT + 100 * WIDTH + 10000 * K_H + 1000 * K_W + STRIDE_W + PAD_W
        + WORDS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    reg [WORD_BITS-1:0] image [0:FRAMES*GIVEN-1];
    reg [FRAMES-1:0]    users;
    reg [WORD_BITS-1:0] expected;
    integer             round, mode, limit, i, clocks, quiet, sent, taken, gap, stall, finished;
    reg                 pending;

    // The next word.
    task expect_word;
        integer frame, y, x, g, ky, kx, w, row, column, rest;
        begin
            frame = taken / TAKEN;
            rest = taken % TAKEN;
            y = rest / (COLUMNS * WINDOW) / AGAIN;
            x = rest / WINDOW % COLUMNS;
            g = rest / (REPEATS * K_H * K_W * PART) % GROUPS;
            ky = rest / (K_W * PART) % K_H;
            kx = rest / PART % K_W;
            w = rest % PART;
            row = y * STRIDE_H - PAD_H + ky;
            column = x * STRIDE_W - PAD_W + kx;
            if (row < 0 || row >= HEIGHT || column < 0 || column >= WIDTH) expected = {LANES{FILL}};
            else expected = image[frame*GIVEN + row*ROW + column*WORDS + g*PART + w];
        end
    endtask

    // The timing, as it is meant: occupied rows, complete pixels and words of the next one, group,
    // how often it has left, and window, words of the window issued, and what is at the output.
    integer occupied, column, word, group, pass, window, issued_words, base, needed, last_column;
    reg     at_output, issued;

    function integer base_of(input integer y);
        base_of = y == ROWS ? HEIGHT : y * STRIDE_H < PAD_H ? 0 : y * STRIDE_H - PAD_H;
    endfunction

    task reset;
        begin
            rst = 1'b1;
            s_valid = 1'b0;
            @(negedge clk) rst = 1'b0;
            occupied = 0;
            column = 0;
            word = 0;
            group = 0;
            pass = 0;
            window = 0;
            issued_words = 0;
            at_output = 1'b0;
            sent = 0;
            taken = 0;
            gap = 0;
            stall = 0;
            pending = 1'b0;
            for (i = 0; i < FRAMES * GIVEN; i = i + 1) image[i] = {$random(seed), $random(seed)};
            users = $random(seed);
            expect_word;
        end
    endtask

    task model;
        begin
            if (!at_output || m_ready) begin
                base = base_of(group);
                needed = group * STRIDE_H - PAD_H + K_H - 1 - base;
                if (needed > HEIGHT - 1 - base) needed = HEIGHT - 1 - base;
                last_column = window * STRIDE_W - PAD_W + K_W - 1;
                if (last_column > WIDTH - 1) last_column = WIDTH - 1;
                issued = issued_words > 0 || occupied > needed
                    || (occupied == needed && column > last_column);
                at_output = issued;
                if (issued) issued_words = issued_words + 1;
                if (issued_words == WINDOW) begin
                    issued_words = 0;
                    window = window + 1;
                    if (window == COLUMNS) begin
                        window = 0;
                        pass = pass + 1;
                        if (pass == AGAIN) begin
                            pass = 0;
                            occupied = occupied - (base_of(group + 1) - base_of(group));
                            group = (group + 1) % ROWS;
                        end
                    end
                end
            end
            if (s_valid && s_ready) begin
                word = word + 1;
                if (word == WORDS) begin
                    word = 0;
                    column = column + 1;
                    if (column == WIDTH) begin
                        column = 0;
                        occupied = occupied + 1;
                    end
                end
            end
        end
    endtask

    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = {WORD_BITS{1'b0}};
        s_user = 1'b0;
        reset;
        // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: both random, and
        // clken too; 5: bursts.
        // Every other round a reset comes somewhere before the end.
        for (round = 0; round < 12; round = round + 1) begin
            mode = round / 2;
            reset;
            limit = FRAMES * GIVEN;
            if (round & 1) limit = $unsigned($random(seed)) % limit;
            clocks = 0;
            quiet = 0;
            finished = 0;
            while (sent < limit || (!(round & 1) && quiet < 4 * (WIDTH + K_W))) begin
                // A giver may not withdraw a word.
                if (!pending) begin
                    s_valid = sent < limit
                        && ((mode == 0 || mode == 2) || ($random(seed) & 1) == 0);
                    if (mode == 5) begin
                        if (gap > 0) gap = gap - 1;
                        else if (($random(seed) & 15) == 0)
                            gap = $unsigned($random(seed)) % (2 * ROW + 2);
                        s_valid = sent < limit && gap == 0;
                    end
                end
                m_ready = (mode == 0 || mode == 1) || ($random(seed) & 1) == 0;
                if (mode == 5) begin
                    if (stall > 0) stall = stall - 1;
                    else if (($random(seed) & 31) == 0)
                        stall = $unsigned($random(seed)) % (3 * ROW + 2);
                    m_ready = stall == 0;
                end
                clken  = mode != 4 || ($random(seed) & 3) != 0;
                s_data = s_valid ? image[sent] : $random(seed);
                s_user = sent % GIVEN == 0 ? users[sent / GIVEN] : $random(seed);
                @(posedge clk);
                if (s_ready !== (occupied < SLOTS) || m_valid !== at_output) begin
                    failures = failures + 1;
                    $display("%m round %0d, clock %0d: s_ready %b, m_valid %b", round, clocks,
                             s_ready, m_valid);
                end
                if (m_valid) begin
                    if (taken == FRAMES * TAKEN) begin
                        failures = failures + 1;
                        $display("%m round %0d: a word too many", round);
                    end else if (m_data !== expected
                        || m_user !== (taken % TAKEN == 0 && users[taken / TAKEN])) begin
                        failures = failures + 1;
                        $display("%m round %0d, word %0d: %h, user %b came out instead of %h",
                                 round, taken, m_data, m_user, expected);
                    end
                end
                pending = s_valid && !(clken && s_ready);
                if (clken && m_valid && m_ready && taken < FRAMES * TAKEN) begin
                    taken = taken + 1;
                    expect_word;
                    if (taken % TAKEN == 0) begin
                        // From the third frame on all is steady; where reading takes at least as
                        // long as the input, it has no gap.
                        if (mode == 0 && taken > 2 * TAKEN
                            && AGAIN * COLUMNS * WINDOW >= STRIDE_H * ROW && TAKEN >= GIVEN
                            && clocks - finished != TAKEN) begin
                            failures = failures + 1;
                            $display("%m round %0d: a frame in %0d clocks", round,
                                     clocks - finished);
                        end
                        finished = clocks;
                    end
                end
                if (clken) begin
                    model;
                    if (s_valid && s_ready) sent = sent + 1;
                end
                clocks = clocks + 1;
                if (taken == FRAMES * TAKEN && sent == limit) quiet = quiet + 1;
                if (clocks > 100 * FRAMES * (GIVEN + TAKEN + 10)) begin
                    failures = failures + 1;
                    $display("%m round %0d: stuck after %0d words, %0d read", round, sent, taken);
                    sent = limit;
                    quiet = 4 * (WIDTH + K_W);
                end
                @(negedge clk);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_reader_tb;
    localparam CHECKS = 30;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;

    // Parameters in order: HEIGHT, WIDTH, WORDS, K_H, K_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W, ROWS,
    // COLUMNS, GROUPS, REPEATS, LANES, ROUNDS, ROW_REPEATS.
    strassenc_reader_check #(1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1)          element   (clk, done[0],
        failures[32*0 +: 32]);
    strassenc_reader_check #(1, 1, 6, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 2) vector    (clk, done[1],
        failures[32*1 +: 32]);
    strassenc_reader_check #(1, 1, 6, 1, 1, 1, 1, 0, 0, 1, 1, 3, 2, 1, 3) repeated (clk, done[2],
        failures[32*2 +: 32]);
    strassenc_reader_check #(5, 4, 1, 3, 3, 1, 1, 1, 1, 5, 4)          same_3    (clk, done[3],
        failures[32*3 +: 32]);
    strassenc_reader_check #(3, 4, 4, 3, 3, 1, 1, 1, 1, 3, 4, 2, 2, 3) groups_3  (clk, done[4],
        failures[32*4 +: 32]);
    strassenc_reader_check #(3, 3, 2, 3, 3, 2, 2, 1, 1, 2, 2, 2, 3)    half_3    (clk, done[5],
        failures[32*5 +: 32]);
    strassenc_reader_check #(6, 5, 3, 1, 1, 1, 1, 0, 0, 6, 5, 1, 1, 2) point     (clk, done[6],
        failures[32*6 +: 32]);
    strassenc_reader_check #(6, 6, 2, 2, 2, 2, 2, 0, 0, 3, 3)          pool_2    (clk, done[7],
        failures[32*7 +: 32]);
    strassenc_reader_check #(5, 5, 1, 4, 4, 2, 2, 1, 1, 3, 3)          patch_2   (clk, done[8],
        failures[32*8 +: 32]);
    strassenc_reader_check #(7, 7, 1, 5, 5, 3, 3, 1, 1, 3, 3)          patch_3   (clk, done[9],
        failures[32*9 +: 32]);
    strassenc_reader_check #(7, 4, 1, 7, 7, 3, 3, 2, 2, 3, 2)          patch_3_5 (clk, done[10],
        failures[32*10 +: 32]);
    strassenc_reader_check #(1, 1, 2, 7, 7, 1, 1, 3, 3, 1, 1)          dot_7     (clk, done[11],
        failures[32*11 +: 32]);
    strassenc_reader_check #(8, 7, 3, 1, 1, 3, 3, 0, 0, 3, 3)          skip_1    (clk, done[12],
        failures[32*12 +: 32]);
    strassenc_reader_check #(8, 8, 2, 2, 2, 3, 3, 1, 1, 3, 3)          skip_2    (clk, done[13],
        failures[32*13 +: 32]);
    strassenc_reader_check #(9, 8, 1, 1, 1, 3, 3, 0, 0, 2, 2, 1, 2)    crop_1    (clk, done[14],
        failures[32*14 +: 32]);
    strassenc_reader_check #(9, 9, 1, 3, 3, 1, 1, 0, 0, 2, 3)          crop_3    (clk, done[15],
        failures[32*15 +: 32]);
    strassenc_reader_check #(3, 2, 2, 3, 3, 1, 1, 2, 2, 5, 4)          full_3    (clk, done[16],
        failures[32*16 +: 32]);
    strassenc_reader_check #(2, 1, 1, 5, 5, 1, 1, 4, 4, 6, 5)          full_5    (clk, done[17],
        failures[32*17 +: 32]);
    strassenc_reader_check #(1, 9, 2, 1, 5, 1, 1, 0, 2, 1, 9, 2, 2)    row_5     (clk, done[18],
        failures[32*18 +: 32]);
    strassenc_reader_check #(9, 1, 2, 5, 1, 1, 1, 2, 0, 9, 1)          column_5  (clk, done[19],
        failures[32*19 +: 32]);
    strassenc_reader_check #(1, 11, 1, 1, 4, 1, 2, 0, 1, 1, 5, 1, 3)   row_half  (clk, done[20],
        failures[32*20 +: 32]);
    strassenc_reader_check #(1, 8, 3, 1, 2, 1, 2, 0, 0, 1, 4)          row_pool  (clk, done[21],
        failures[32*21 +: 32]);
    strassenc_reader_check #(6, 5, 2, 6, 5, 6, 5, 0, 0, 1, 1)          all       (clk, done[22],
        failures[32*22 +: 32]);
    strassenc_reader_check #(7, 6, 1, 5, 2, 1, 1, 2, 0, 7, 5)          tall      (clk, done[23],
        failures[32*23 +: 32]);
    strassenc_reader_check #(5, 6, 2, 2, 5, 3, 1, 0, 2, 2, 6, 2, 1, 1, 2) flat   (clk, done[24],
        failures[32*24 +: 32]);
    strassenc_reader_check #(8, 5, 1, 1, 4, 3, 2, 0, 3, 3, 4, 1, 2)    far       (clk, done[25],
        failures[32*25 +: 32]);

    strassenc_reader_check #(3, 4, 2, 1, 1, 1, 1, 0, 0, 3, 4, 1, 2, 2, 1, 2) twice (clk, done[26],
        failures[32*26 +: 32]);
    strassenc_reader_check #(1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 3) down_3 (clk, done[27],
        failures[32*27 +: 32]);
    strassenc_reader_check #(2, 3, 1, 1, 1, 1, 1, 0, 0, 2, 3, 1, 3)    across    (clk, done[28],
        failures[32*28 +: 32]);
    strassenc_reader_check #(5, 4, 1, 3, 3, 2, 1, 1, 1, 3, 4, 1, 1, 1, 2, 2) again_3 (clk, done[29],
        failures[32*29 +: 32]);

    integer i;
    reg     failed;
    initial begin
        wait (&done);
        failed = 1'b0;
        for (i = 0; i < CHECKS; i = i + 1) if (failures[32*i +: 32] != 0) failed = 1'b1;
        if (!failed) $display("PASS strassenc_reader");
        else begin
            $display("FAIL strassenc_reader");
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
