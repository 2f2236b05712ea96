// Self-checking testbench of strassenc_window: many shapes side by side, each with several frames
// in a row under random gaps, stalls and clken, and with resets in mid-frame. The windows are
// compared with a plain model, and so are s_ready and m_valid in every clock.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_window_check #(
    parameter HEIGHT   = 1,
    parameter WIDTH    = 1,
    parameter ELEMENTS = 1,
    parameter K_H      = 1,
    parameter K_W      = 1,
    parameter STRIDE_H = 1,
    parameter STRIDE_W = 1,
    parameter PAD_H    = 0,
    parameter PAD_W    = 0,
    parameter ROWS     = 1,
    parameter COLUMNS  = 1,
    // Clocks that a frame takes at full rate; 0: not checked.
    parameter RATE     = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam       FRAMES     = 3;
    localparam       PIXEL_BITS = 5 * ELEMENTS;
    localparam       PIXELS     = HEIGHT * WIDTH;
    localparam       WINDOWS    = ROWS * COLUMNS;
    localparam       SLOTS      = K_H + STRIDE_H;
    localparam [4:0] FILL       = 5'h16;

    reg                           rst;
    reg                           clken;
    reg                           s_valid;
    wire                          s_ready;
    reg  [PIXEL_BITS-1:0]         s_data;
    reg                           s_user;
    wire                          m_valid;
    reg                           m_ready;
    wire [K_H*K_W*PIXEL_BITS-1:0] m_data;
    wire                          m_user;

    strassenc_window #(
        .ELEMENT_BITS(5),
        .FILL        (FILL),
        .HEIGHT      (HEIGHT),
        .WIDTH       (WIDTH),
        .ELEMENTS    (ELEMENTS),
        .K_H         (K_H),
        .K_W         (K_W),
        .STRIDE_H    (STRIDE_H),
        .STRIDE_W    (STRIDE_W),
        .PAD_H       (PAD_H),
        .PAD_W       (PAD_W),
        .ROWS        (ROWS),
        .COLUMNS     (COLUMNS),
        .SLOTS       (SLOTS)
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

    integer                       seed = HEIGHT + 100 * WIDTH + 10000 * K_H + 1000 * K_W + STRIDE_W
        + PAD_W;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    reg [PIXEL_BITS-1:0]          image [0:FRAMES*PIXELS-1];
    reg [FRAMES-1:0]              users;
    reg [K_H*K_W*PIXEL_BITS-1:0]  expected;
    integer                       round, mode, limit, i, clocks, quiet, sent, taken, gap, stall,
        finished;
    reg                           pending;

    // The next window.
    task expect_window;
        integer frame, y, x, ky, kx, row, column;
        begin
            frame = taken / WINDOWS;
            y = taken % WINDOWS / COLUMNS;
            x = taken % COLUMNS;
            for (ky = 0; ky < K_H; ky = ky + 1)
                for (kx = 0; kx < K_W; kx = kx + 1) begin
                    row = y * STRIDE_H - PAD_H + ky;
                    column = x * STRIDE_W - PAD_W + kx;
                    if (row < 0 || row >= HEIGHT || column < 0 || column >= WIDTH)
                        expected[(ky*K_W+kx)*PIXEL_BITS +: PIXEL_BITS] = {ELEMENTS{FILL}};
                    else
                        expected[(ky*K_W+kx)*PIXEL_BITS +: PIXEL_BITS] =
                            image[frame*PIXELS + row*WIDTH + column];
                end
        end
    endtask

    // The timing, as it is meant: occupied rows and columns, group, next column, columns still due
    // to the group before, next window, and what is under way.
    integer occupied, column, group, c, due, window, base, needed, ahead, real_columns, pushes,
        last_end;
    reg     under_way, at_output, moves, issued, pushed, completes;

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
            group = 0;
            c = 0;
            due = 0;
            window = 0;
            under_way = 1'b0;
            at_output = 1'b0;
            sent = 0;
            taken = 0;
            gap = 0;
            stall = 0;
            pending = 1'b0;
            for (i = 0; i < FRAMES * PIXELS; i = i + 1) image[i] = {$random(seed), $random(seed)};
            users = $random(seed);
            expect_window;
        end
    endtask

    task model;
        begin
            moves = !at_output || m_ready;
            issued = 1'b0;
            if (moves) begin
                base = base_of(group);
                needed = group * STRIDE_H - PAD_H + K_H - 1 - base;
                if (needed > HEIGHT - 1 - base) needed = HEIGHT - 1 - base;
                ahead = due > 1 ? c + due - 1 : c;
                if (ahead > real_columns - 1) ahead = real_columns - 1;
                issued = c >= real_columns || occupied > needed
                    || (occupied == needed && column > ahead);
                pushed = issued || due > 0;
                completes = pushed
                    && window * STRIDE_W + K_W - 1 - PAD_W == (due > 0 ? last_end + 1 - due : c);
                at_output = under_way;
                under_way = completes;
                if (completes) window = (window + 1) % COLUMNS;
                if (due > 0) due = due - 1;
                if (issued) c = c + 1;
                if (c == pushes) begin
                    c = 0;
                    due = last_end + 1 - pushes;
                    occupied = occupied - (base_of(group + 1) - base_of(group));
                    group = (group + 1) % ROWS;
                end
            end
            if (s_valid && s_ready) begin
                column = column + 1;
                if (column == WIDTH) begin
                    column = 0;
                    occupied = occupied + 1;
                end
            end
        end
    endtask

    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = {PIXEL_BITS{1'b0}};
        s_user = 1'b0;
        reset;
        last_end = (COLUMNS - 1) * STRIDE_W - PAD_W + K_W - 1;
        real_columns = WIDTH < last_end + 1 ? WIDTH : last_end + 1;
        pushes = real_columns;
        if (pushes < (COLUMNS - 1) * STRIDE_W + 1) pushes = (COLUMNS - 1) * STRIDE_W + 1;
        if (pushes < (last_end + 2) / 2) pushes = (last_end + 2) / 2;
        // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: both random, and
        // clken too; 5: bursts.
        // Every other round a reset comes somewhere before the end.
        for (round = 0; round < 12; round = round + 1) begin
            mode = round / 2;
            reset;
            limit = FRAMES * PIXELS;
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
                            gap = $unsigned($random(seed)) % (2 * WIDTH + 2);
                        s_valid = sent < limit && gap == 0;
                    end
                end
                m_ready = (mode == 0 || mode == 1) || ($random(seed) & 1) == 0;
                if (mode == 5) begin
                    if (stall > 0) stall = stall - 1;
                    else if (($random(seed) & 31) == 0)
                        stall = $unsigned($random(seed)) % (3 * WIDTH + 2);
                    m_ready = stall == 0;
                end
                clken  = mode != 4 || ($random(seed) & 3) != 0;
                s_data = s_valid ? image[sent] : $random(seed);
                s_user = sent % PIXELS == 0 ? users[sent / PIXELS] : $random(seed);
                @(posedge clk);
                if (s_ready !== (occupied < SLOTS) || m_valid !== at_output) begin
                    failures = failures + 1;
                    $display("%m round %0d, clock %0d: s_ready %b, m_valid %b", round, clocks,
                             s_ready, m_valid);
                end
                if (m_valid) begin
                    if (taken == FRAMES * WINDOWS) begin
                        failures = failures + 1;
                        $display("%m round %0d: a window too many", round);
                    end else if (m_data !== expected
                        || m_user !== (taken % WINDOWS == 0 && users[taken / WINDOWS])) begin
                        failures = failures + 1;
                        $display("%m round %0d, window %0d: %h, user %b came out instead of %h",
                                 round, taken, m_data, m_user, expected);
                    end
                end
                pending = s_valid && !(clken && s_ready);
                if (clken && m_valid && m_ready && taken < FRAMES * WINDOWS) begin
                    taken = taken + 1;
                    expect_window;
                    if (taken % WINDOWS == 0) begin
                        // From the third frame on all is steady.
                        if (RATE != 0 && mode == 0 && taken > 2 * WINDOWS
                            && clocks - finished != RATE) begin
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
                if (taken == FRAMES * WINDOWS && sent == limit) quiet = quiet + 1;
                if (clocks > 100 * FRAMES * (PIXELS + ROWS * pushes + WINDOWS + 10)) begin
                    failures = failures + 1;
                    $display("%m round %0d: stuck after %0d words, %0d windows", round, sent,
                             taken);
                    sent = limit;
                    quiet = 4 * (WIDTH + K_W);
                end
                @(negedge clk);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_window_tb;
    localparam CHECKS = 34;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;

    // Parameters in order: HEIGHT, WIDTH, ELEMENTS, K_H, K_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W,
    // ROWS, COLUMNS, RATE.
    strassenc_window_check #(6, 7, 2, 3, 3, 1, 1, 1, 1, 6, 7, 42)  same_3    (clk, done[0],
        failures[32*0 +: 32]);
    strassenc_window_check #(6, 8, 1, 5, 5, 1, 1, 2, 2, 6, 8, 48)  same_5    (clk, done[1],
        failures[32*1 +: 32]);
    strassenc_window_check #(8, 9, 1, 7, 7, 1, 1, 3, 3, 8, 9, 72)  same_7    (clk, done[2],
        failures[32*2 +: 32]);
    strassenc_window_check #(5, 6, 2, 1, 1, 1, 1, 0, 0, 5, 6, 30)  point     (clk, done[3],
        failures[32*3 +: 32]);
    strassenc_window_check #(6, 6, 1, 2, 2, 2, 2, 0, 0, 3, 3, 36)  pool_2    (clk, done[4],
        failures[32*4 +: 32]);
    strassenc_window_check #(7, 7, 1, 3, 3, 2, 2, 1, 1, 4, 4, 49)  half_3    (clk, done[5],
        failures[32*5 +: 32]);
    strassenc_window_check #(6, 8, 1, 3, 3, 2, 2, 0, 0, 2, 3, 48)  valid_3   (clk, done[6],
        failures[32*6 +: 32]);
    strassenc_window_check #(9, 8, 1, 7, 7, 2, 2, 3, 3, 5, 4, 72)  half_7    (clk, done[7],
        failures[32*7 +: 32]);
    strassenc_window_check #(5, 5, 1, 4, 4, 2, 2, 1, 1, 3, 3)      patch_2   (clk, done[8],
        failures[32*8 +: 32]);
    strassenc_window_check #(7, 7, 1, 5, 5, 3, 3, 1, 1, 3, 3)      patch_3   (clk, done[9],
        failures[32*9 +: 32]);
    strassenc_window_check #(7, 4, 1, 7, 7, 3, 3, 2, 2, 3, 2)      patch_3_5 (clk, done[10],
        failures[32*10 +: 32]);
    strassenc_window_check #(1, 1, 3, 1, 1, 1, 1, 0, 0, 1, 1)      vector    (clk, done[11],
        failures[32*11 +: 32]);
    strassenc_window_check #(1, 1, 1, 7, 7, 1, 1, 3, 3, 1, 1)      dot_7     (clk, done[12],
        failures[32*12 +: 32]);
    strassenc_window_check #(1, 1, 1, 3, 3, 1, 1, 2, 2, 3, 3)      dot_full  (clk, done[13],
        failures[32*13 +: 32]);
    strassenc_window_check #(8, 7, 1, 1, 1, 3, 3, 0, 0, 3, 3)      skip_1    (clk, done[14],
        failures[32*14 +: 32]);
    strassenc_window_check #(8, 8, 1, 2, 2, 3, 3, 1, 1, 3, 3)      skip_2    (clk, done[15],
        failures[32*15 +: 32]);
    strassenc_window_check #(7, 8, 1, 1, 1, 3, 3, 0, 0, 2, 2)      crop_1    (clk, done[16],
        failures[32*16 +: 32]);
    strassenc_window_check #(9, 9, 1, 3, 3, 1, 1, 0, 0, 2, 3)      crop_3    (clk, done[17],
        failures[32*17 +: 32]);
    strassenc_window_check #(5, 4, 1, 3, 3, 1, 1, 2, 2, 7, 6)      full_3    (clk, done[18],
        failures[32*18 +: 32]);
    strassenc_window_check #(3, 2, 1, 7, 7, 1, 1, 6, 6, 9, 8)      full_7    (clk, done[19],
        failures[32*19 +: 32]);
    strassenc_window_check #(1, 9, 1, 5, 5, 1, 1, 2, 2, 1, 9)      one_row   (clk, done[20],
        failures[32*20 +: 32]);
    strassenc_window_check #(9, 1, 1, 5, 5, 1, 1, 2, 2, 9, 1)      one_column(clk, done[21],
        failures[32*21 +: 32]);
    strassenc_window_check #(3, 3, 1, 6, 6, 1, 1, 2, 2, 3, 3)      wide_6    (clk, done[22],
        failures[32*22 +: 32]);
    strassenc_window_check #(4, 5, 1, 6, 6, 3, 3, 0, 0, 2, 2)      beyond_6  (clk, done[23],
        failures[32*23 +: 32]);
    strassenc_window_check #(1, 9, 2, 1, 5, 1, 1, 0, 2, 1, 9, 9)   row_5     (clk, done[24],
        failures[32*24 +: 32]);
    strassenc_window_check #(9, 1, 2, 5, 1, 1, 1, 2, 0, 9, 1)      column_5  (clk, done[25],
        failures[32*25 +: 32]);
    strassenc_window_check #(1, 11, 1, 1, 4, 1, 2, 0, 1, 1, 5, 11) row_half  (clk, done[26],
        failures[32*26 +: 32]);
    strassenc_window_check #(1, 8, 1, 1, 2, 1, 2, 0, 0, 1, 4, 8)   row_pool  (clk, done[27],
        failures[32*27 +: 32]);
    strassenc_window_check #(1, 9, 1, 1, 9, 1, 9, 0, 0, 1, 1, 9)   row_all   (clk, done[28],
        failures[32*28 +: 32]);
    strassenc_window_check #(7, 6, 1, 5, 2, 1, 1, 2, 0, 7, 5, 42)  tall      (clk, done[29],
        failures[32*29 +: 32]);
    strassenc_window_check #(7, 6, 1, 2, 5, 3, 1, 0, 2, 2, 6)      flat      (clk, done[30],
        failures[32*30 +: 32]);
    strassenc_window_check #(6, 9, 1, 3, 2, 1, 3, 1, 1, 6, 4)      apart     (clk, done[31],
        failures[32*31 +: 32]);
    strassenc_window_check #(8, 5, 1, 1, 4, 3, 1, 0, 3, 3, 8)      far       (clk, done[32],
        failures[32*32 +: 32]);
    strassenc_window_check #(3, 1, 1, 1, 5, 1, 5, 0, 4, 3, 1)      end_5     (clk, done[33],
        failures[32*33 +: 32]);

    integer i;
    reg     failed;
    initial begin
        wait (&done);
        failed = 1'b0;
        for (i = 0; i < CHECKS; i = i + 1) if (failures[32*i +: 32] != 0) failed = 1'b1;
        if (!failed) $display("PASS strassenc_window");
        else begin
            $display("FAIL strassenc_window");
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
