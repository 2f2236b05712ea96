// Self-checking testbench of strassenc_fifo with depths from 1 to 70, clock by clock
// against a plain queue: what it holds, when a word is seen, full rate, filling up and running
// empty, clken, reset in mid-stream.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_fifo_check #(
    parameter integer DEPTH = 2
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg         rst;
    reg         clken;
    reg         s_valid;
    wire        s_ready;
    reg  [11:0] s_data;
    wire        m_valid;
    reg         m_ready;
    wire [11:0] m_data;

    strassenc_fifo #(
        .BITS (12),
        .DEPTH(DEPTH)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data)
    );

    integer    seed = DEPTH;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer    mode, clocks, given, taken;
    integer    count, head, greatest;
    reg        pending, give_fast, take_fast;
    reg [11:0] queue [0:127];

    // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: filled and emptied in
    // turns; 5: the same with clken.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = 12'd0;
        for (mode = 0; mode < 6; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            repeat (2) @(negedge clk);
            given = 0;
            taken = 0;
            count = 0;
            head = 0;
            greatest = 0;
            pending = 1'b0;
            for (clocks = 0; clocks < 1200; clocks = clocks + 1) begin
                give_fast = mode == 0 || mode == 2 || (mode >= 4 && (clocks & 256) == 0);
                take_fast = mode == 0 || mode == 1 || (mode >= 4 && (clocks & 256) != 0);
                // A giver may not withdraw a word.
                if (!pending) begin
                    s_valid = give_fast
                        ? mode < 4 || ($random(seed) & 7) != 0 : ($random(seed) & 3) == 0;
                    s_data = $random(seed);
                end
                m_ready = take_fast
                    ? mode < 4 || ($random(seed) & 7) != 0 : ($random(seed) & 3) == 0;
                clken = mode != 5 || ($random(seed) & 3) != 0;
                rst = mode >= 3 && ($random(seed) & 255) == 0;
                #1;
                if (s_ready !== (count < DEPTH) || m_valid !== (count > 0)
                        || (count > 0 && m_data !== queue[head])) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "DEPTH %0d, mode %0d, clock %0d, %0d words: %b %b, %h instead of %h",
                            DEPTH, mode, clocks, count, s_ready, m_valid, m_data, queue[head]);
                end
                @(posedge clk);
                pending = s_valid && !(clken && count < DEPTH) && !rst;
                if (rst) count = 0;
                else if (clken) begin
                    // Both are decided by what was inside before this clock.
                    if (s_valid && count < DEPTH) begin
                        queue[(head+count)&127] = s_data;
                        given = given + 1;
                        if (!(m_ready && count > 0)) count = count + 1;
                        else begin
                            head = (head + 1) & 127;
                            taken = taken + 1;
                        end
                    end else if (m_ready && count > 0) begin
                        head = (head + 1) & 127;
                        taken = taken + 1;
                        count = count - 1;
                    end
                end
                if (count > greatest) greatest = count;
                @(negedge clk);
            end
            // One word per clock, the first one a clock late; at depth 1 every other clock.
            if (mode == 0 && (taken != (DEPTH == 1 ? 600 : 1199))) begin
                failures = failures + 1;
                $display("DEPTH %0d, full rate: %0d words in 1200 clocks", DEPTH, taken);
            end
            if (given < 50 || (mode != 0 && mode != 1 && mode != 3 && greatest != DEPTH)) begin
                failures = failures + 1;
                $display("DEPTH %0d, mode %0d: %0d words given, at most %0d held", DEPTH, mode,
                         given, greatest);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_fifo_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    localparam CHECKS = 9;
    localparam [8*CHECKS-1:0] DEPTHS = {8'd1, 8'd2, 8'd3, 8'd4, 8'd5, 8'd16, 8'd37, 8'd64, 8'd70};

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;
    genvar               g;
    generate
        for (g = 0; g < CHECKS; g = g + 1) begin : checks
            strassenc_fifo_check #(
                .DEPTH(DEPTHS[8*g+:8])
            ) check (
                .clk     (clk),
                .done    (done[g]),
                .failures(failures[32*g+:32])
            );
        end
    endgenerate

    always @(negedge clk)
        if (&done) begin
            if (failures == {32 * CHECKS{1'b0}}) $display("PASS strassenc_fifo");
            else begin
                $display("FAIL strassenc_fifo");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
