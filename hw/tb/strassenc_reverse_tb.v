// Self-checking testbench of strassenc_reverse: frames of one pixel and of several, in one word and
// in several; clock by clock against a model that counts words alone, under random gaps and stalls,
// user bits, clken, reset in mid-frame; a word a clock at full rate.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_reverse_check #(
    parameter PIXELS = 2,
    parameter WORDS  = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam FRAME  = PIXELS * WORDS;
    localparam CLOCKS = 1200;

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

    strassenc_reverse #(.BITS(12), .PIXELS(PIXELS), .WORDS(WORDS)) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user)
    );

    integer seed = PIXELS + 64 * WORDS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer mode, clocks, slow, total;
    // Words accepted and words issued since reset; the place of the word that is issued next.
    integer given, issued, place, frame, source;
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
                frame = issued / FRAME;
                place = issued % FRAME;
                source = frame * FRAME + (PIXELS - 1 - place / WORDS) * WORDS + place % WORDS;
                ready = given - issued < FRAME + WORDS;
                advance = !valid || m_ready;
                issue = advance && given >= (frame + 1) * FRAME;
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
            // At full rate the giver never waits, and a word leaves at each clock behind the first
            // frame.
            if (mode == 0 && (given != CLOCKS || issued != CLOCKS - FRAME)) begin
                failures = failures + 1;
                $display("%m, full rate: %0d words in %0d clocks, %0d out", given, CLOCKS, issued);
            end
            if (total < 20 || (mode == 2 && !full)) begin
                failures = failures + 1;
                $display("%m, mode %0d: only %0d words", mode, total);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_reverse_tb;
    localparam CHECKS = 6;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;

    // Parameters in order: PIXELS, WORDS.
    strassenc_reverse_check #(1, 1) check_0 (clk, done[0], failures[32*0 +: 32]);
    strassenc_reverse_check #(2, 1) check_1 (clk, done[1], failures[32*1 +: 32]);
    strassenc_reverse_check #(7, 1) check_2 (clk, done[2], failures[32*2 +: 32]);
    strassenc_reverse_check #(1, 3) check_3 (clk, done[3], failures[32*3 +: 32]);
    strassenc_reverse_check #(4, 2) check_4 (clk, done[4], failures[32*4 +: 32]);
    strassenc_reverse_check #(5, 3) check_5 (clk, done[5], failures[32*5 +: 32]);

    always @(negedge clk)
        if (&done) begin
            if (failures == 0) $display("PASS strassenc_reverse");
            else begin
                $display("FAIL strassenc_reverse");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
