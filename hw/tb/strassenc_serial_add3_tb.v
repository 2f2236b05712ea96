// Self-checking testbench of strassenc_serial_add3: sums and differences of three random words
// in digits of several widths, one word right behind the other and with gaps, with clken.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_serial_add3_check #(
    parameter integer DIGIT  = 1,
    parameter integer DIGITS = 8,
    parameter integer NEGATE = 0  // bit 0: b, bit 1: c
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam integer BITS = DIGIT * DIGITS;

    reg              clken, restart;
    reg  [DIGIT-1:0] a, b, c;
    wire [DIGIT-1:0] sum;

    strassenc_serial_add3 #(
        .DIGIT   (DIGIT),
        .NEGATE_B(NEGATE & 1),
        .NEGATE_C(NEGATE >> 1)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .restart(restart),
        .a      (a),
        .b      (b),
        .c      (c),
        .sum    (sum)
    );

    integer seed = DIGIT + 16 * DIGITS + 512 * NEGATE;
    // Seeds are nothing to Verilator.
    wire    unused = &{1'b0, seed};
    integer word, i;
    reg [BITS-1:0] x, y, z, due, got;

    // A clock of the adder, before which nothing may move it.
    task step;
        begin
            while (($random(seed) & 3) == 0) begin
                clken = 1'b0;
                @(negedge clk);
            end
            clken = 1'b1;
            @(negedge clk);
        end
    endtask

    initial begin
        done = 1'b0;
        failures = 0;
        restart = 1'b1;
        a = $random(seed);
        b = $random(seed);
        c = $random(seed);
        @(negedge clk);
        step;
        for (word = 0; word < 300; word = word + 1) begin
            x = {$random(seed), $random(seed)};
            y = {$random(seed), $random(seed)};
            z = {$random(seed), $random(seed)};
            due = x;
            due = (NEGATE & 1) != 0 ? due - y : due + y;
            due = (NEGATE & 2) != 0 ? due - z : due + z;
            for (i = 0; i < DIGITS; i = i + 1) begin
                a = x[i*DIGIT+:DIGIT];
                b = y[i*DIGIT+:DIGIT];
                c = z[i*DIGIT+:DIGIT];
                restart = i == DIGITS - 1 && (word & 1) == 0;
                step;
                got[i*DIGIT+:DIGIT] = sum;
            end
            if (got !== due) begin
                failures = failures + 1;
                if (failures < 10) $display("DIGIT %0d: %h, %h, %h: %h", DIGIT, x, y, z, got);
            end
            // After every other word there is a gap.
            if ((word & 1) != 0) begin
                a = $random(seed);
                step;
                restart = 1'b1;
                step;
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_serial_add3_tb;
    localparam CHECKS = 10;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    // DIGIT and DIGITS of each.
    localparam [16*CHECKS-1:0] SIZES = {
        8'd1, 8'd1, 8'd1, 8'd9, 8'd2, 8'd4, 8'd2, 8'd1, 8'd3, 8'd3,
        8'd4, 8'd2, 8'd5, 8'd3, 8'd6, 8'd2, 8'd9, 8'd1, 8'd1, 8'd32
    };

    wire [4*CHECKS-1:0]   done;
    wire [128*CHECKS-1:0] failures;
    genvar               g;
    generate
        for (g = 0; g < 4 * CHECKS; g = g + 1) begin : checks
            strassenc_serial_add3_check #(
                .DIGIT (SIZES[16*(g/4)+8+:8]),
                .DIGITS(SIZES[16*(g/4)+:8]),
                .NEGATE(g % 4)
            ) check (
                .clk     (clk),
                .done    (done[g]),
                .failures(failures[32*g+:32])
            );
        end
    endgenerate

    always @(negedge clk)
        if (&done) begin
            if (failures == {128 * CHECKS{1'b0}}) $display("PASS strassenc_serial_add3");
            else begin
                $display("FAIL strassenc_serial_add3");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
