// Self-checking testbench of strassenc_rows: every clock compared with row numbers that are counted
// on over all frames, at full rate, under gaps and late ends of groups, clken and resets; pads,
// rows that groups share, rows that none covers.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_rows_check #(
    parameter HEIGHT = 1,
    parameter WIDTH  = 1,
    parameter WORDS  = 1,
    parameter K      = 1,
    parameter STRIDE = 1,
    parameter PAD    = 0,
    parameter ROWS   = 1,
    parameter SLOTS  = K + STRIDE
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam CLOCKS = 3000;
    // Frames whose user bits are kept: more than are ever under way.
    localparam KEPT   = 64;

    reg                                        clken;
    reg                                        rst;
    reg                                        s_valid;
    wire                                       s_ready;
    reg                                        s_user;
    wire                                       write;
    wire [(SLOTS > 1 ? $clog2(SLOTS) : 1)-1:0] slot;
    wire [(WIDTH > 1 ? $clog2(WIDTH) : 1)-1:0] column;
    reg                                        next;
    wire                                       whole;
    wire                                       forming;
    wire [(SLOTS > 1 ? $clog2(SLOTS) : 1)-1:0] top_slot;
    wire [K-1:0]                               outside;
    wire                                       last;
    wire                                       user;
    wire                                       completes;
    wire                                       ends;

    strassenc_rows #(
        .HEIGHT(HEIGHT),
        .WIDTH (WIDTH),
        .WORDS (WORDS),
        .K     (K),
        .STRIDE(STRIDE),
        .PAD   (PAD),
        .ROWS  (ROWS),
        .SLOTS (SLOTS)
    ) dut (
        .clk     (clk),
        .clken   (clken),
        .rst     (rst),
        .s_valid (s_valid),
        .s_ready (s_ready),
        .s_user  (s_user),
        .write   (write),
        .slot    (slot),
        .column  (column),
        .pixel   (completes),
        .row_end (ends),
        .next    (next),
        .whole   (whole),
        .forming (forming),
        .top_slot(top_slot),
        .outside (outside),
        .last    (last),
        .user    (user)
    );

    integer       seed = HEIGHT + 100 * WIDTH + 10000 * K + STRIDE + PAD + WORDS;
    // Seeds are nothing to Verilator.
    wire          unused = &{1'b0, seed};
    integer       mode, clocks, ky, groups, full;
    // Rows that are complete since reset, the pixel and the word that come next; the group at hand.
    integer       rows, pixel, word, frame, group;
    // The first row of the group within its frame; its base, counted on over all frames; the rows
    // from the base on that are there.
    integer       top, base, needed, occupied;
    reg           ready, row_end;
    reg [K-1:0]   outer;
    reg           users [0:KEPT-1];

    // What the group at hand is.
    task look;
        begin
            top = group * STRIDE - PAD;
            base = frame * HEIGHT + (top < 0 ? 0 : top);
            needed = (top + K > HEIGHT ? HEIGHT : top + K) - (top < 0 ? 0 : top) - 1;
            for (ky = 0; ky < K; ky = ky + 1) outer[ky] = top + ky < 0 || top + ky >= HEIGHT;
            occupied = rows - base;
            ready = occupied < SLOTS;
            row_end = s_valid && ready && clken && pixel == WIDTH - 1 && word == WORDS - 1;
        end
    endtask

    // One more failure; the first ones are told.
    task fail(input integer what);
        begin
            failures = failures + 1;
            if (failures < 10)
                $display(
                    "HEIGHT %0d WIDTH %0d K %0d STRIDE %0d PAD %0d, mode %0d, clock %0d: check %0d",
                    HEIGHT, WIDTH, K, STRIDE, PAD, mode, clocks, what);
        end
    endtask

    task forget;
        begin
            rows = 0;
            pixel = 0;
            word = 0;
            frame = 0;
            group = 0;
        end
    endtask

    // mode 0: full rate; 1: slow giver; 2: groups end late; 3: both; 4: clken and resets too.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        s_valid = 1'b0;
        s_user = 1'b0;
        next = 1'b0;
        for (mode = 0; mode < 5; mode = mode + 1) begin
            clocks = 0;
            groups = 0;
            full = 0;
            rst = 1'b1;
            next = 1'b0;
            s_valid = 1'b0;
            clken = 1'b1;
            repeat (2) @(negedge clk);
            rst = 1'b0;
            forget;
            for (clocks = 0; clocks < CLOCKS; clocks = clocks + 1) begin
                s_valid = mode == 0 || mode == 2 || ($random(seed) & 3) == 0;
                s_user  = $random(seed) & 1;
                clken   = mode != 4 || ($random(seed) & 3) != 0;
                rst     = mode == 4 && ($random(seed) & 255) == 0;
                look;
                // A group ends once all of its rows are there, at the earliest with the last word.
                next = clken && (occupied > needed || occupied == needed && row_end)
                    && (mode == 0 || mode == 1 || ($random(seed) & 7) == 0);
                @(posedge clk);
                if (s_ready !== ready) fail(0);
                if (write !== (s_valid && ready && clken)) fail(1);
                if (slot !== rows % SLOTS) fail(2);
                if (column !== pixel) fail(3);
                if (completes !== (write && word == WORDS - 1)) fail(11);
                if (ends !== (completes && pixel == WIDTH - 1)) fail(12);
                if (whole !== (occupied > needed)) fail(4);
                if (forming !== (occupied == needed)) fail(5);
                if (top_slot !== (frame * HEIGHT + top + PAD * SLOTS) % SLOTS) fail(6);
                if (outside !== outer) fail(7);
                if (last !== (group == ROWS - 1)) fail(8);
                // Known once the first row of the frame is there.
                if (group > 0) begin
                    if (user !== 1'b0) fail(9);
                end else if (occupied > 0 && user !== users[frame % KEPT]) fail(10);
                if (!ready) full = full + 1;
                // What this edge does.
                if (rst) forget;
                else begin
                    if (s_valid && ready && clken) begin
                        if (rows % HEIGHT == 0 && pixel == 0 && word == 0)
                            users[rows / HEIGHT % KEPT] = s_user;
                        word = word + 1;
                        if (word == WORDS) begin
                            word = 0;
                            pixel = pixel + 1;
                        end
                        if (pixel == WIDTH) begin
                            pixel = 0;
                            rows = rows + 1;
                        end
                    end
                    if (next) begin
                        groups = groups + 1;
                        group = group + 1;
                        if (group == ROWS) begin
                            group = 0;
                            frame = frame + 1;
                        end
                    end
                end
                @(negedge clk);
            end
            if (groups < 3 * ROWS) begin
                failures = failures + 1;
                $display("HEIGHT %0d WIDTH %0d, mode %0d: %0d groups", HEIGHT, WIDTH, mode, groups);
            end
            if (mode == 2 && full == 0) begin
                failures = failures + 1;
                $display("HEIGHT %0d WIDTH %0d: the slots are never full", HEIGHT, WIDTH);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_rows_tb;
    localparam CHECKS = 10;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;

    //                    HEIGHT, WIDTH, WORDS, K, STRIDE, PAD, ROWS, SLOTS
    strassenc_rows_check #(1, 1, 1, 1, 1, 0, 1, 2)  least   (clk, done[0], failures[32*0 +: 32]);
    strassenc_rows_check #(1, 3, 1, 1, 1, 0, 1, 1)  one_slot(clk, done[1], failures[32*1 +: 32]);
    strassenc_rows_check #(4, 3, 1, 3, 1, 1, 4, 4)  same    (clk, done[2], failures[32*2 +: 32]);
    strassenc_rows_check #(5, 2, 3, 3, 2, 1, 3, 5)  strided (clk, done[3], failures[32*3 +: 32]);
    strassenc_rows_check #(6, 3, 1, 2, 3, 0, 2, 5)  apart   (clk, done[4], failures[32*4 +: 32]);
    strassenc_rows_check #(7, 1, 2, 5, 1, 2, 7, 6)  five    (clk, done[5], failures[32*5 +: 32]);
    strassenc_rows_check #(3, 4, 1, 3, 1, 2, 5, 4)  all     (clk, done[6], failures[32*6 +: 32]);
    // Rows that no group covers, rows below the last one, a group of the whole image and more.
    strassenc_rows_check #(9, 2, 1, 1, 4, 0, 2, 3)  sparse  (clk, done[7], failures[32*7 +: 32]);
    strassenc_rows_check #(11, 2, 2, 2, 2, 0, 4, 4) cropped (clk, done[8], failures[32*8 +: 32]);
    strassenc_rows_check #(2, 2, 1, 5, 1, 1, 1, 6)  beyond  (clk, done[9], failures[32*9 +: 32]);

    integer i;
    reg     failed;
    initial begin
        wait (&done);
        failed = 1'b0;
        for (i = 0; i < CHECKS; i = i + 1) if (failures[32*i +: 32] != 0) failed = 1'b1;
        if (!failed) $display("PASS strassenc_rows");
        else begin
            $display("FAIL strassenc_rows");
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
