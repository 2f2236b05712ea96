// Self-checking testbench of strassenc_last: frames of one pixel and of several, in one word and in
// several; clock by clock under random stalls of giver and taker, clken, reset in mid-frame.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_last_check #(
    parameter BITS   = 8,
    parameter PIXELS = 2,
    parameter WORDS  = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg             rst;
    reg             clken;
    reg             s_valid;
    wire            s_ready;
    reg  [BITS-1:0] s_data;
    reg             s_user;
    wire            m_valid;
    reg             m_ready;
    wire [BITS-1:0] m_data;
    wire            m_user;
    strassenc_last #(.BITS(BITS), .PIXELS(PIXELS), .WORDS(WORDS)) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user)
    );

    integer seed = BITS + 64 * PIXELS + 4096 * WORDS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer mode, clocks, word, taken;
    reg     pending, shown, user;

    // mode 0: full rate; 1: slow taker; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            s_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            pending = 1'b0;
            word = 0;
            taken = 0;
            for (clocks = 0; clocks < 1000; clocks = clocks + 1) begin
                if (!pending) begin
                    s_valid = mode < 2 || ($random(seed) & 3) != 0;
                    s_data = $random(seed);
                    // What is on the other words is not read.
                    s_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 63) == 0;
                shown = word >= (PIXELS - 1) * WORDS;
                if (word == 0) user = s_user;
                #1;
                if (s_ready !== (m_ready || !shown) || m_valid !== (s_valid && shown)
                        || (m_valid && (m_data !== s_data
                            || m_user !== (user && word == (PIXELS - 1) * WORDS)))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("PIXELS %0d WORDS %0d, mode %0d, %0d, word %0d: %b %b, %h %b",
                                 PIXELS, WORDS, mode, clocks, word, s_ready, m_valid, m_data,
                                 m_user);
                end
                @(posedge clk);
                pending = s_valid && !(clken && s_ready) && !rst;
                if (rst) word = 0;
                else if (clken && s_valid && s_ready) begin
                    if (shown) taken = taken + 1;
                    word = (word + 1) % (PIXELS * WORDS);
                end
                @(negedge clk);
            end
            // A word a clock.
            if (mode == 0 ? taken < 1000 / PIXELS - WORDS : taken < 20) begin
                failures = failures + 1;
                $display("PIXELS %0d WORDS %0d, mode %0d: %0d words", PIXELS, WORDS, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_last_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [3:0] done;
    wire [31:0] failures [0:3];
    strassenc_last_check #(.BITS(8), .PIXELS(2), .WORDS(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_last_check #(.BITS(3), .PIXELS(1), .WORDS(3))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_last_check #(.BITS(5), .PIXELS(5), .WORDS(2))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_last_check #(.BITS(1), .PIXELS(1), .WORDS(1))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3]) == 0)
                $display("PASS strassenc_last");
            else begin
                $display("FAIL strassenc_last");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
