// Self-checking testbench of strassenc_fork: both sides get every word once, in order, each as soon
// as it is ready; random stalls of the giver and both takers, clken, reset in mid-stream.
// Random numbers and integers are cut to what they go to.
// verilator lint_off WIDTH
`default_nettype none

module strassenc_fork_tb;
    reg         clk = 1'b0;
    reg         clken;
    reg         rst = 1'b1;
    reg         s_valid = 1'b0;
    wire        s_ready;
    reg  [11:0] s_data;
    wire        a_valid;
    reg         a_ready = 1'b0;
    wire [11:0] a_data;
    wire        b_valid;
    reg         b_ready = 1'b0;
    wire [11:0] b_data;

    initial forever #5 clk = !clk;

    strassenc_fork #(
        .BITS(12)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .a_valid(a_valid),
        .a_ready(a_ready),
        .a_data (a_data),
        .b_valid(b_valid),
        .b_ready(b_ready),
        .b_data (b_data)
    );

    integer seed = 1;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer failures = 0;
    integer mode, clocks, given, taken_a, taken_b;
    reg     pending, has_a, has_b;

    // mode 0: full rate; 1: a is slow; 2: b is slow; 3: all random; 4: all random, and clken and
    // reset too.
    initial begin
        clken = 1'b1;
        s_data = 12'd0;
        repeat (2) @(negedge clk);
        for (mode = 0; mode < 5; mode = mode + 1) begin
            given = 0;
            taken_a = 0;
            taken_b = 0;
            pending = 1'b0;
            rst = 1'b1;
            s_valid = 1'b0;
            @(negedge clk);
            for (clocks = 0; clocks < 1000; clocks = clocks + 1) begin
                if (!pending) begin
                    s_valid = mode < 3 || ($random(seed) & 1) == 0;
                    s_data = $random(seed);
                end
                a_ready = mode == 0 || mode == 2 || ($random(seed) & 1) == 0;
                b_ready = mode == 0 || mode == 1 || ($random(seed) & 1) == 0;
                clken = mode != 4 || ($random(seed) & 3) != 0;
                rst = mode == 4 && ($random(seed) & 31) == 0;
                #1;
                // Who has had the word at hand.
                has_a = taken_a > given;
                has_b = taken_b > given;
                if (a_valid !== (s_valid && !has_a) || b_valid !== (s_valid && !has_b)
                    || a_data !== s_data
                        || b_data !== s_data
                            || s_ready !== ((has_a || a_ready) && (has_b || b_ready))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("mode %0d, clock %0d, had %b %b: s %b %b, a %b %b, b %b %b", mode,
                                 clocks, has_a, has_b, s_valid, s_ready, a_valid, a_ready, b_valid,
                                 b_ready);
                end
                @(posedge clk);
                pending = s_valid && !(clken && s_ready) && !rst;
                if (rst) begin
                    // The word at hand is forgotten, whoever has had it.
                    given = 0;
                    taken_a = 0;
                    taken_b = 0;
                end else if (clken) begin
                    if (a_valid && a_ready) taken_a = taken_a + 1;
                    if (b_valid && b_ready) taken_b = taken_b + 1;
                    if (s_valid && s_ready) given = given + 1;
                    if (taken_a < given || taken_b < given || taken_a > given + 1
                        || taken_b > given + 1) begin
                        failures = failures + 1;
                        if (failures < 10)
                            $display("mode %0d, clock %0d: %0d given, %0d and %0d taken", mode,
                                     clocks, given, taken_a, taken_b);
                    end
                end
                @(negedge clk);
            end
            if (mode < 4 && given < (mode == 0 ? 1000 : 200)) begin
                failures = failures + 1;
                $display("mode %0d: only %0d words", mode, given);
            end
        end
        if (failures == 0) $display("PASS strassenc_fork");
        else begin
            $display("FAIL strassenc_fork: %0d failures", failures);
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
