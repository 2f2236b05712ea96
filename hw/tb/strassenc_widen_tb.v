// Self-checking testbench of strassenc_widen with 1, 2, 3 and 8 words: data, user bit, full rate,
// random stalls, clken, reset in the middle of a word.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_widen_check #(
    parameter BITS  = 8,
    parameter WORDS = 2
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg                   rst;
    reg                   clken;
    reg                   s_valid;
    wire                  s_ready;
    reg  [BITS-1:0]       s_data;
    reg                   s_user;
    wire                  m_valid;
    reg                   m_ready;
    wire [WORDS*BITS-1:0] m_data;
    wire                  m_user;

    strassenc_widen #(
        .BITS (BITS),
        .WORDS(WORDS)
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

    integer              seed = WORDS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer              mode, clocks, word, taken;
    reg                  pending, user, last;
    reg [WORDS*BITS-1:0] expected;

    // mode 0: full rate; 1: random; 2: random, with clken and reset. User bits of words other than
    // the first are anything.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = {BITS{1'b0}};
        s_user = 1'b0;
        for (mode = 0; mode < 3; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            repeat (2) @(negedge clk);
            word = 0;
            taken = 0;
            pending = 1'b0;
            for (clocks = 0; clocks < 960; clocks = clocks + 1) begin
                if (!pending) begin
                    s_valid = mode == 0 || ($random(seed) & 3) != 0;
                    s_data = $random(seed);
                    s_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 2 || ($random(seed) & 3) != 0;
                rst = mode == 2 && ($random(seed) & 63) == 0;
                last = word == WORDS - 1;
                expected[word*BITS +: BITS] = s_data;
                if (word == 0) user = s_user;
                #1;
                if (m_valid !== (s_valid && last) || s_ready !== (m_ready || !last)
                        || (s_valid && last && (m_data !== expected || m_user !== user))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "WORDS %0d, mode %0d, clock %0d, word %0d: %b %b, %h %b, not %h %b",
                            WORDS, mode, clocks, word, m_valid, s_ready, m_data, m_user, expected,
                            user);
                end
                @(posedge clk);
                pending = s_valid && !(clken && s_ready) && !rst;
                if (rst) word = 0;
                else if (clken && s_valid && (m_ready || !last)) begin
                    if (last) taken = taken + 1;
                    word = last ? 0 : word + 1;
                end
                @(negedge clk);
            end
            if (taken < (mode == 0 ? 960 / WORDS : 20)) begin
                failures = failures + 1;
                $display("WORDS %0d, mode %0d: only %0d words", WORDS, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_widen_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [3:0] done;
    wire [31:0] failures [0:3];
    strassenc_widen_check #(.BITS(8), .WORDS(1)) check_0 (.clk(clk), .done(done[0]),
        .failures(failures[0]));
    strassenc_widen_check #(.BITS(8), .WORDS(2)) check_1 (.clk(clk), .done(done[1]),
        .failures(failures[1]));
    strassenc_widen_check #(.BITS(5), .WORDS(3)) check_2 (.clk(clk), .done(done[2]),
        .failures(failures[2]));
    strassenc_widen_check #(.BITS(8), .WORDS(8)) check_3 (.clk(clk), .done(done[3]),
        .failures(failures[3]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3]) == 0)
                $display("PASS strassenc_widen");
            else begin
                $display("FAIL strassenc_widen");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
