// Self-checking testbench of strassenc_patches: patches of 2 and 3 pixels, whole and cropped images, single pixels, 1 and 3
// words; clock by clock against a model that counts words alone, under random gaps and stalls, user bits, clken, reset in
// mid-frame; pixels leave before their stripe is complete.
`default_nettype none

module strassenc_patches_check #(
    parameter P      = 2,
    parameter HEIGHT = 2,
    parameter WIDTH  = 2,
    parameter WORDS  = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam ROWS    = (HEIGHT + P - 1) / P;
    localparam COLUMNS = (WIDTH + P - 1) / P;
    localparam PATCH   = P * P * WORDS;
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
        .P      (P),
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

    integer seed = P + 16 * WIDTH + 256 * WORDS;
    integer mode, clocks, slow, early, total;
    // Words accepted and words issued since reset; the place of the word that is issued next.
    integer given, issued, place, frame, y, x, source, stripes, patches;
    reg     pending, advance, issue, ready, valid, full;
    reg [11:0] data;
    reg        user;
    // All that was accepted.
    reg [12:0] words [0:CLOCKS-1];

    // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: the same in turns, with clken and reset.
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
                source = frame * FRAME + y / P * STRIPE + x / P * PATCH + ((y % P) * P + x % P) * WORDS + place % WORDS;
                stripes = given / STRIPE - (frame * ROWS + y / P);
                patches = given % STRIPE / PATCH;
                ready = stripes < 2;
                advance = !valid || m_ready;
                issue = advance && (stripes > 0 || x / P < patches);
                #1;
                if (s_ready !== ready || m_valid !== valid || (valid && (m_data !== data || m_user !== user))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("P %0d, %0d x %0d, mode %0d, clock %0d, %0d in: %b %b, %h %b instead of %b %b, %h %b", P,
                                 HEIGHT, WIDTH, mode, clocks, given, s_ready, m_valid, m_data, m_user, ready, valid, data,
                                 user);
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
                            $display("P %0d, %0d x %0d: the model is wrong", P, HEIGHT, WIDTH);
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
            // At full rate the giver never waits; pixels of all patches but the last in a row leave early.
            if (mode == 0 && (given != CLOCKS || early < (COLUMNS - 1) * P * WORDS * (CLOCKS / STRIPE - 1))) begin
                failures = failures + 1;
                $display("P %0d, %0d x %0d, full rate: %0d words in %0d clocks, %0d early", P, HEIGHT, WIDTH, given, CLOCKS,
                         early);
            end
            if (total < 20 || (mode == 2 && !full && IMAGE * 2 > FRAME)) begin
                failures = failures + 1;
                $display("P %0d, %0d x %0d, mode %0d: only %0d words", P, HEIGHT, WIDTH, mode, total);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_patches_tb;
    reg clk = 1'b0;
    always #5 clk = !clk;

    wire [10:0] done;
    wire [31:0] failures [0:10];
    strassenc_patches_check #(.P(2), .HEIGHT(1), .WIDTH(1), .WORDS(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_patches_check #(.P(2), .HEIGHT(1), .WIDTH(1), .WORDS(3))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_patches_check #(.P(2), .HEIGHT(4), .WIDTH(6), .WORDS(1))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_patches_check #(.P(2), .HEIGHT(5), .WIDTH(7), .WORDS(3))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_patches_check #(.P(2), .HEIGHT(3), .WIDTH(1), .WORDS(1))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_patches_check #(.P(3), .HEIGHT(1), .WIDTH(1), .WORDS(3))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_patches_check #(.P(3), .HEIGHT(7), .WIDTH(8), .WORDS(1))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    strassenc_patches_check #(.P(3), .HEIGHT(6), .WIDTH(9), .WORDS(3))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));
    strassenc_patches_check #(.P(3), .HEIGHT(4), .WIDTH(2), .WORDS(1))
        check_8 (.clk(clk), .done(done[8]), .failures(failures[8]));
    strassenc_patches_check #(.P(3), .HEIGHT(2), .WIDTH(10), .WORDS(1))
        check_9 (.clk(clk), .done(done[9]), .failures(failures[9]));
    strassenc_patches_check #(.P(4), .HEIGHT(5), .WIDTH(9), .WORDS(1))
        check_10 (.clk(clk), .done(done[10]), .failures(failures[10]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] | failures[5] | failures[6]
                    | failures[7] | failures[8] | failures[9] | failures[10]) == 0) $display("PASS strassenc_patches");
            else begin
                $display("FAIL strassenc_patches");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
