// Self-checking testbench of strassenc_add3: random operands of several widths, signs and places
// against sums of integers.
// The checks are a module of their own; integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_add3_check #(
    parameter BITS     = 10,
    parameter A_BITS   = 8,
    parameter A_SIGNED = 1,
    parameter A_SHIFT  = 0,
    parameter B_BITS   = 8,
    parameter B_SIGNED = 1,
    parameter B_SHIFT  = 0,
    parameter NEGATE_B = 0,
    parameter C_BITS   = 8,
    parameter C_SIGNED = 1,
    parameter C_SHIFT  = 0,
    parameter NEGATE_C = 0
) (
    output reg        done,
    output reg [31:0] failures
);
    reg  [A_BITS-1:0] a;
    reg  [B_BITS-1:0] b;
    reg  [C_BITS-1:0] c;
    wire [BITS-1:0]   y;

    strassenc_add3 #(
        .BITS    (BITS),
        .A_BITS  (A_BITS),
        .A_SIGNED(A_SIGNED),
        .A_SHIFT (A_SHIFT),
        .B_BITS  (B_BITS),
        .B_SIGNED(B_SIGNED),
        .B_SHIFT (B_SHIFT),
        .NEGATE_B(NEGATE_B),
        .C_BITS  (C_BITS),
        .C_SIGNED(C_SIGNED),
        .C_SHIFT (C_SHIFT),
        .NEGATE_C(NEGATE_C)
    ) dut (
        .a(a),
        .b(b),
        .c(c),
        .y(y)
    );

    integer seed = BITS + 16 * NEGATE_B + 32 * NEGATE_C;
    integer i, a_value, b_value, c_value, sum;
    // Seeds are nothing to Verilator, and nothing reads the upper bits of a sum.
    wire    unused = &{1'b0, seed, sum};

    initial begin
        done = 1'b0;
        failures = 0;
        for (i = 0; i < 1000; i = i + 1) begin
            a = $random(seed);
            b = $random(seed);
            c = $random(seed);
            a_value = a;
            b_value = b;
            c_value = c;
            if (A_SIGNED != 0 && a[A_BITS-1]) a_value = a_value - (1 << A_BITS);
            if (B_SIGNED != 0 && b[B_BITS-1]) b_value = b_value - (1 << B_BITS);
            if (C_SIGNED != 0 && c[C_BITS-1]) c_value = c_value - (1 << C_BITS);
            sum = (a_value << A_SHIFT) + (NEGATE_B != 0 ? -b_value : b_value) * (1 << B_SHIFT)
                + (NEGATE_C != 0 ? -c_value : c_value) * (1 << C_SHIFT);
            #1;
            if (y !== sum[BITS-1:0]) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("%0d bits, signs %0d %0d: %0d, %0d and %0d gave %0d instead of %0d",
                             BITS, NEGATE_B, NEGATE_C, a_value, b_value, c_value, y,
                             sum[BITS-1:0]);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_add3_tb;
    wire [5:0]   done;
    wire [191:0] failures;
    strassenc_add3_check check_0 (.done(done[0]), .failures(failures[0+:32]));
    strassenc_add3_check #(
        .BITS(11), .A_SIGNED(0), .NEGATE_B(1), .B_SHIFT(2)
    ) check_1 (.done(done[1]), .failures(failures[32+:32]));
    strassenc_add3_check #(
        .BITS(12), .A_BITS(3), .A_SHIFT(4), .B_BITS(5), .C_BITS(7), .C_SIGNED(0), .NEGATE_C(1)
    ) check_2 (.done(done[2]), .failures(failures[64+:32]));
    strassenc_add3_check #(
        .BITS(8), .B_SIGNED(0), .C_BITS(5), .C_SHIFT(3), .NEGATE_B(1), .NEGATE_C(1)
    ) check_3 (.done(done[3]), .failures(failures[96+:32]));
    strassenc_add3_check #(
        .BITS(9), .A_BITS(1), .B_BITS(2), .B_SHIFT(1), .C_BITS(3), .C_SHIFT(6), .C_SIGNED(0)
    ) check_4 (.done(done[4]), .failures(failures[128+:32]));
    strassenc_add3_check #(
        .BITS(1), .A_BITS(1), .B_BITS(1), .C_BITS(1), .NEGATE_C(1)
    ) check_5 (.done(done[5]), .failures(failures[160+:32]));

    always @*
        if (&done) begin
            if (failures == 192'd0) $display("PASS strassenc_add3");
            else begin
                $display("FAIL strassenc_add3");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
