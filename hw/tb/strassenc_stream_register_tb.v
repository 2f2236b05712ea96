// Self-checking testbench of strassenc_stream_register: order, back pressure, full rate, reset in
// mid-stream with both sides low, clken; of two entries and of one.
// The checks are a module of their own.
// verilator lint_off DECLFILENAME
`default_nettype none

module strassenc_stream_register_check #(
    parameter integer ENTRIES = 2
) (
    input  wire    clk,
    output reg     done,
    output reg [31:0] failures
);
    reg         clken;
    reg         rst = 1'b1;
    reg         s_valid = 1'b0;
    wire        s_ready;
    reg  [15:0] s_data;
    wire        m_valid;
    reg         m_ready = 1'b0;
    wire [15:0] m_data;

    strassenc_stream_register #(
        .BITS   (16),
        .ENTRIES(ENTRIES)
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

    integer seed = 1;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer clocks, mode, taken;
    reg     pending;
    reg [15:0] sent, expected;

    // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: both random, and clken
    // too.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        s_data = 16'd0;
        for (mode = 0; mode < 5; mode = mode + 1) begin
            @(negedge clk) rst = 1'b1;
            // Whatever is offered, and whether or not clken is high.
            for (clocks = 0; clocks < 4; clocks = clocks + 1) begin
                s_valid = clocks[0];
                clken = clocks[1];
                m_ready = !clocks[0];
                @(negedge clk);
                if ((ENTRIES == 2 && s_ready !== 1'b0) || m_valid !== 1'b0) begin
                    failures = failures + 1;
                    $display("mode %0d, in reset: ready %b, valid %b", mode, s_ready, m_valid);
                end
            end
            rst = 1'b0;
            // What a reset drops is not seen again: numbers go on, and the taker starts from the
            // next one.
            expected = s_data;
            sent = s_data;
            taken = 0;
            pending = 1'b0;
            for (clocks = 0; clocks < 1000; clocks = clocks + 1) begin
                // A giver may not withdraw a word.
                if (!pending) s_valid = (mode == 0 || mode == 2) || ($random(seed) & 3) == 0;
                m_ready = (mode == 0 || mode == 1) || ($random(seed) & 3) == 0;
                clken   = mode != 4 || ($random(seed) & 1) == 0;
                s_data  = sent;
                @(posedge clk);
                if (clken && m_valid && m_ready) begin
                    taken = taken + 1;
                    if (m_data !== expected) begin
                        failures = failures + 1;
                        $display("mode %0d, clock %0d: %0d came out instead of %0d", mode, clocks,
                                 m_data, expected);
                    end
                    expected = expected + 16'd1;
                end
                pending = s_valid && !(clken && s_ready);
                if (clken && s_valid && s_ready) sent = sent + 16'd1;
                @(negedge clk);
            end
            // One word per clock; with two entries ready rises a clock after reset, and the first
            // word comes another one later.
            if (mode == 0 && taken != 1000 - ENTRIES) begin
                failures = failures + 1;
                $display("full rate: %0d words in 1000 clocks", taken);
            end
            if (taken < 50) begin
                failures = failures + 1;
                $display("mode %0d: only %0d words", mode, taken);
            end
            s_data = sent + 16'd100;
        end
        done = 1'b1;
    end
endmodule

module strassenc_stream_register_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [1:0] done;
    wire [31:0] of_one, of_two;
    strassenc_stream_register_check #(
        .ENTRIES(1)
    ) one (
        .clk     (clk),
        .done    (done[0]),
        .failures(of_one)
    );
    strassenc_stream_register_check #(
        .ENTRIES(2)
    ) two (
        .clk     (clk),
        .done    (done[1]),
        .failures(of_two)
    );

    always @(negedge clk)
        if (&done) begin
            if (of_one + of_two == 0) $display("PASS strassenc_stream_register");
            else begin
                $display("FAIL strassenc_stream_register: %0d failures", of_one + of_two);
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
