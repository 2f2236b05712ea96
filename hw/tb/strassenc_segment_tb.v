// Self-checking testbench of strassenc_segment around a pipeline of its own, clock by clock against
// a plain queue: what is under way or waits, when a word is seen, full rate, filling up and running
// empty, clken, reset in mid-stream.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_segment_check #(
    parameter integer STAGES   = 4,
    parameter integer DEPTH    = 5,
    parameter integer INTERVAL = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg         rst;
    reg         clken;
    reg         s_valid;
    wire        s_ready;
    reg         s_user;
    reg  [11:0] s_data;
    wire        m_valid;
    reg         m_ready;
    wire        m_user;
    wire [11:0] m_data;

    // Boundary k + 1 of the pipeline, and what comes out in front of its last register.
    reg  [11:0] boundaries [0:STAGES];
    wire [11:0] result = STAGES == 1 ? s_data : boundaries[STAGES-2];
    integer     k;
    always @(posedge clk)
        if (clken) begin
            boundaries[0] <= s_data;
            for (k = 1; k < STAGES; k = k + 1) boundaries[k] <= boundaries[k-1];
        end

    strassenc_segment #(
        .STAGES  (STAGES),
        .BITS    (12),
        .DEPTH   (DEPTH),
        .INTERVAL(INTERVAL)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_user (s_user),
        .result (result),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_user (m_user),
        .m_data (m_data)
    );

    integer seed = STAGES + 100 * DEPTH;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer    mode, clocks, now, given, taken, room, rest;
    integer    count, head, greatest;
    // Until the first edge without reset it is not ready.
    reg        in_reset;
    // A word was taken at the last edge.
    reg        taken_last;
    reg        pending, give_fast, take_fast, ready, accept, take, arrived;
    reg [12:0] queue  [0:63];
    // The clock, of those with clken, in which it is seen if none waits before it.
    integer    seen   [0:63];

    // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: filled and emptied in
    // turns; 5: the same with clken.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = 12'd0;
        s_user = 1'b0;
        for (mode = 0; mode < 6; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            repeat (2) @(negedge clk);
            given = 0;
            taken = 0;
            now = 0;
            rest = 0;
            count = 0;
            head = 0;
            greatest = 0;
            pending = 1'b0;
            in_reset = 1'b1;
            taken_last = 1'b0;
            for (clocks = 0; clocks < 600; clocks = clocks + 1) begin
                give_fast = mode == 0 || mode == 2 || (mode >= 4 && (clocks & 128) == 0);
                take_fast = mode == 0 || mode == 1 || (mode >= 4 && (clocks & 128) != 0);
                // A giver may not withdraw a word. What it does not offer may be anything.
                if (!pending) begin
                    s_valid = give_fast ? mode < 4 || ($random(seed) & 7) != 0
                                        : ($random(seed) & 3) == 0;
                    s_data = $random(seed);
                    s_user = $random(seed);
                end
                m_ready = take_fast ? mode < 4 || ($random(seed) & 7) != 0
                                    : ($random(seed) & 3) == 0;
                clken = mode != 5 || ($random(seed) & 3) != 0;
                rst = mode >= 3 && ($random(seed) & 127) == 0;
                #1;
                arrived = count > 0 && now >= seen[head];
                ready = count + taken_last < DEPTH && !in_reset && rest == 0;
                if (s_ready !== ready || m_valid !== arrived
                        || (arrived && {m_user, m_data} !== queue[head])) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("STAGES %0d, DEPTH %0d, mode %0d, clock %0d, %0d words: %b %b, %h",
                                 STAGES, DEPTH, mode, clocks, count, s_ready, m_valid,
                                 {m_user, m_data});
                end
                @(posedge clk);
                pending = s_valid && !(clken && ready) && !rst;
                // Both are decided by what was inside before this clock.
                accept = s_valid && ready;
                take = m_ready && arrived;
                if (clken) now = now + 1;
                in_reset = rst || (in_reset && !clken);
                if (rst) taken_last = 1'b0;
                else if (clken) taken_last = take;
                if (rst) rest = 0;
                else if (clken) rest = accept ? INTERVAL - 1 : rest - (rest > 0);
                if (rst) count = 0;
                else if (clken) begin
                    if (accept) begin
                        queue[(head+count)&63] = {s_user, s_data};
                        seen[(head+count)&63] = now + STAGES - 1;
                        given = given + 1;
                    end
                    count = count + accept - take;
                    head = (head + take) & 63;
                    taken = taken + take;
                end
                if (count > greatest) greatest = count;
                @(negedge clk);
            end
            // One word per clock from a depth of STAGES + 2 on, the first one STAGES clocks late
            // behind the clock after reset; else as many as there is room for in that time. One
            // every INTERVAL clocks where they are as far apart as that.
            room = 600 * DEPTH / (STAGES + 2);
            if (mode == 0 && (DEPTH * INTERVAL > STAGES + 1
                              ? taken != (599 - STAGES + INTERVAL - 1) / INTERVAL
                              : taken > room || taken + DEPTH < room)) begin
                failures = failures + 1;
                $display("STAGES %0d, DEPTH %0d, full rate: %0d words", STAGES, DEPTH, taken);
            end
            if (given < 10
                    || (INTERVAL == 1 && (mode == 2 || mode >= 4) && greatest != DEPTH)) begin
                failures = failures + 1;
                $display("STAGES %0d, DEPTH %0d, mode %0d: %0d words given, at most %0d held",
                         STAGES, DEPTH, mode, given, greatest);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_segment_tb;
    localparam CHECKS = 15;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    // STAGES, DEPTH and INTERVAL of each, in decimal.
    localparam [24*CHECKS-1:0] SIZES = {
        8'd1, 8'd1, 8'd1, 8'd1, 8'd3, 8'd1, 8'd2, 8'd1, 8'd1, 8'd2, 8'd4, 8'd1,
        8'd3, 8'd2, 8'd1, 8'd4, 8'd6, 8'd1, 8'd4, 8'd8, 8'd1, 8'd9, 8'd1, 8'd1,
        8'd9, 8'd4, 8'd1, 8'd9, 8'd11, 8'd1, 8'd20, 8'd30, 8'd1, 8'd36, 8'd38, 8'd1,
        8'd3, 8'd4, 8'd2, 8'd9, 8'd4, 8'd5, 8'd20, 8'd3, 8'd16
    };

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;
    genvar               g;
    generate
        for (g = 0; g < CHECKS; g = g + 1) begin : checks
            strassenc_segment_check #(
                .STAGES  (SIZES[24*g+16+:8]),
                .DEPTH   (SIZES[24*g+8+:8]),
                .INTERVAL(SIZES[24*g+:8])
            ) check (
                .clk     (clk),
                .done    (done[g]),
                .failures(failures[32*g+:32])
            );
        end
    endgenerate

    always @(negedge clk)
        if (&done) begin
            if (failures == {32 * CHECKS{1'b0}}) $display("PASS strassenc_segment");
            else begin
                $display("FAIL strassenc_segment");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
