// Self-checking testbench of strassenc_patches: patches of 2 and 3 pixels, whole and cropped
// images, single pixels, 1 and 3 words; clock by clock against a model that counts words alone,
// under random gaps and stalls, user bits, clken, reset in mid-frame; pixels leave before their
// stripe is complete.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_patches_check #(
    parameter P_H    = 2,
    parameter P_W    = 2,
    parameter HEIGHT = 2,
    parameter WIDTH  = 2,
    parameter WORDS  = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam ROWS    = (HEIGHT + P_H - 1) / P_H;
    localparam COLUMNS = (WIDTH + P_W - 1) / P_W;
    localparam PATCH   = P_H * P_W * WORDS;
    localparam STRIPE  = COLUMNS * PATCH;
    localparam FRAME   = ROWS * STRIPE;
    localparam IMAGE   = HEIGHT * WIDTH * WORDS;
    localparam CLOCKS  = 1200;

    reg         rst;
    reg         clken;
    reg         s_valid;
    wire        s_ready;
    reg  [11:0] s_data;
    reg         s_user;
    wire        m_valid;
    reg         m_ready;
    wire [11:0] m_data;
    wire        m_user;

    strassenc_patches #(
        .BITS   (12),
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

    integer seed = P_H + 4 * P_W + 16 * WIDTH + 256 * WORDS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer mode, clocks, slow, early, total;
    // Words accepted and words issued since reset; the place of the word that is issued next.
    integer given, issued, place, frame, y, x, source, stripes, patches;
    reg     pending, advance, issue, ready, valid, full;
    reg [11:0] data;
    reg        user;
    // All that was accepted.
    reg [12:0] words [0:CLOCKS-1];

    // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: the same in turns, with
    // clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = 12'd0;
        s_user = 1'b0;
        for (mode = 0; mode < 5; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            repeat (2) @(negedge clk);
            given = 0;
            issued = 0;
            early = 0;
            total = 0;
            valid = 1'b0;
            full = 1'b0;
            pending = 1'b0;
            for (clocks = 0; clocks < CLOCKS; clocks = clocks + 1) begin
                slow = mode == 4 ? (clocks >> 6) & 3 : mode;
                if (!pending) begin
                    s_valid = slow == 0 || slow == 2 || ($random(seed) & 3) == 0;
                    s_data = $random(seed);
                    s_user = $random(seed);
                end
                m_ready = slow == 0 || slow == 1 || ($random(seed) & 3) == 0;
                clken = mode != 4 || ($random(seed) & 3) != 0;
                rst = mode == 4 && ($random(seed) & 511) == 0;
                // The word that is issued next.
                frame = issued / IMAGE;
                place = issued % IMAGE;
                y = place / (WIDTH * WORDS);
                x = place / WORDS % WIDTH;
                source = frame * FRAME + y / P_H * STRIPE + x / P_W * PATCH
                    + ((y % P_H) * P_W + x % P_W) * WORDS + place % WORDS;
                stripes = given / STRIPE - (frame * ROWS + y / P_H);
                patches = given % STRIPE / PATCH;
                ready = stripes < 2;
                advance = !valid || m_ready;
                issue = advance && (stripes > 0 || x / P_W < patches);
                #1;
                if (s_ready !== ready || m_valid !== valid
                    || (valid && (m_data !== data || m_user !== user))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("%m, mode %0d, clock %0d, %0d in: %b %b, %h %b, not %b %b, %h %b",
                                 mode, clocks, given, s_ready, m_valid, m_data, m_user, ready,
                                 valid, data, user);
                end
                @(posedge clk);
                pending = s_valid && !(clken && ready) && !rst;
                if (!ready) full = 1'b1;
                if (rst) begin
                    given = 0;
                    issued = 0;
                    valid = 1'b0;
                end else if (clken) begin
                    if (advance) begin
                        valid = issue;
                        data = words[source][11:0];
                        user = place == 0 && words[frame*FRAME][12];
                    end
                    if (issue) begin
                        // Nothing is issued that has not been accepted.
                        if (source >= given) begin
                            failures = failures + 1;
                            $display("%m: the model is wrong");
                        end
                        if (stripes == 0) early = early + 1;
                        issued = issued + 1;
                        total = total + 1;
                    end
                    if (s_valid && ready) begin
                        words[given] = {s_user, s_data};
                        given = given + 1;
                    end
                end
                @(negedge clk);
            end
            // At full rate the giver never waits; pixels of all patches but the last in a row leave
            // early.
            if (mode == 0
                && (given != CLOCKS
                || early < (COLUMNS - 1) * P_W * WORDS * (CLOCKS / STRIPE - 1))) begin
                failures = failures + 1;
                $display("%m, full rate: %0d words in %0d clocks, %0d early", given, CLOCKS, early);
            end
            if (total < 20 || (mode == 2 && !full && IMAGE * 2 > FRAME)) begin
                failures = failures + 1;
                $display("%m, mode %0d: only %0d words", mode, total);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_patches_tb;
    localparam CHECKS = 18;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;

    // Parameters in order: P_H, P_W, HEIGHT, WIDTH, WORDS.
    strassenc_patches_check #(2, 2, 1, 1, 1)   check_0  (clk, done[0], failures[32*0 +: 32]);
    strassenc_patches_check #(2, 2, 1, 1, 3)   check_1  (clk, done[1], failures[32*1 +: 32]);
    strassenc_patches_check #(2, 2, 4, 6, 1)   check_2  (clk, done[2], failures[32*2 +: 32]);
    strassenc_patches_check #(2, 2, 5, 7, 3)   check_3  (clk, done[3], failures[32*3 +: 32]);
    strassenc_patches_check #(2, 2, 3, 1, 1)   check_4  (clk, done[4], failures[32*4 +: 32]);
    strassenc_patches_check #(3, 3, 1, 1, 3)   check_5  (clk, done[5], failures[32*5 +: 32]);
    strassenc_patches_check #(3, 3, 7, 8, 1)   check_6  (clk, done[6], failures[32*6 +: 32]);
    strassenc_patches_check #(3, 3, 6, 9, 3)   check_7  (clk, done[7], failures[32*7 +: 32]);
    strassenc_patches_check #(3, 3, 4, 2, 1)   check_8  (clk, done[8], failures[32*8 +: 32]);
    strassenc_patches_check #(3, 3, 2, 10, 1)  check_9  (clk, done[9], failures[32*9 +: 32]);
    strassenc_patches_check #(4, 4, 5, 9, 1)   check_10 (clk, done[10], failures[32*10 +: 32]);
    strassenc_patches_check #(1, 2, 1, 7, 1)   check_11 (clk, done[11], failures[32*11 +: 32]);
    strassenc_patches_check #(1, 3, 4, 6, 2)   check_12 (clk, done[12], failures[32*12 +: 32]);
    strassenc_patches_check #(1, 4, 1, 1, 1)   check_13 (clk, done[13], failures[32*13 +: 32]);
    strassenc_patches_check #(2, 1, 5, 4, 1)   check_14 (clk, done[14], failures[32*14 +: 32]);
    strassenc_patches_check #(3, 1, 4, 1, 2)   check_15 (clk, done[15], failures[32*15 +: 32]);
    strassenc_patches_check #(2, 3, 5, 7, 2)   check_16 (clk, done[16], failures[32*16 +: 32]);
    strassenc_patches_check #(3, 2, 4, 5, 1)   check_17 (clk, done[17], failures[32*17 +: 32]);

    always @(negedge clk)
        if (&done) begin
            if (failures == 0) $display("PASS strassenc_patches");
            else begin
                $display("FAIL strassenc_patches");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
