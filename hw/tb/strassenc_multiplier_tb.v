// Self-checking testbench of strassenc_multiplier: it is a strassenc_scaled_product, which has a
// testbench of its own, of the coefficient that is there from the first clock on.
// The checks are a module of their own; random numbers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_multiplier_check #(
    parameter                               OPERAND_BITS     = 8,
    parameter                               OPERAND_SIGNED   = 1,
    parameter                               COEFFICIENT_BITS = 8,
    parameter signed [COEFFICIENT_BITS-1:0] COEFFICIENT      = 1,
    parameter                               SHIFT            = 0,
    parameter                               PRODUCT_BITS     = 16,
    parameter                               LATENCY          = 3
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg                     clken;
    reg  [OPERAND_BITS-1:0] x;
    wire [PRODUCT_BITS-1:0] product, expected;

    strassenc_multiplier #(
        .OPERAND_BITS    (OPERAND_BITS),
        .OPERAND_SIGNED  (OPERAND_SIGNED),
        .COEFFICIENT_BITS(COEFFICIENT_BITS),
        .COEFFICIENT     (COEFFICIENT),
        .SHIFT           (SHIFT),
        .PRODUCT_BITS    (PRODUCT_BITS),
        .LATENCY         (LATENCY)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .x      (x),
        .product(product)
    );

    strassenc_scaled_product #(
        .OPERAND_BITS    (OPERAND_BITS),
        .OPERAND_SIGNED  (OPERAND_SIGNED),
        .COEFFICIENT_BITS(COEFFICIENT_BITS),
        .SHIFT           (SHIFT),
        .PRODUCT_BITS    (PRODUCT_BITS),
        .LATENCY         (LATENCY)
    ) scaled (
        .clk        (clk),
        .clken      (clken),
        .x          (x),
        .coefficient(COEFFICIENT),
        .product    (expected)
    );

    integer seed = LATENCY;
    // Seeds are nothing to Verilator.
    wire    unused = &{1'b0, seed};
    integer step;

    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        x = {OPERAND_BITS{1'b0}};
        // The coefficient is there after the first clock, whatever clken is then.
        @(negedge clk);
        clken = 1'b0;
        for (step = 0; step < 300; step = step + 1) begin
            @(negedge clk);
            x = $random(seed);
            clken = step < 8 ? 1'b1 : $random(seed);
            @(posedge clk);
            #1;
            if (step >= LATENCY && product !== expected) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("%0d * %0d bits, shift %0d, latency %0d, step %0d: %h, not %h",
                             COEFFICIENT, OPERAND_BITS, SHIFT, LATENCY, step, product, expected);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_multiplier_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [3:0]  done;
    wire [31:0] failures [0:3];

    strassenc_multiplier_check #(.LATENCY(1), .COEFFICIENT(-8'sd57), .SHIFT(5), .PRODUCT_BITS(11))
        check_0 (clk, done[0], failures[0]);
    strassenc_multiplier_check #(.LATENCY(2), .OPERAND_SIGNED(0), .COEFFICIENT(8'sd127), .SHIFT(1))
        check_1 (clk, done[1], failures[1]);
    strassenc_multiplier_check #(.LATENCY(3), .OPERAND_BITS(6), .COEFFICIENT_BITS(4),
        .COEFFICIENT(-4'sd3), .SHIFT(-4)) check_2 (clk, done[2], failures[2]);
    strassenc_multiplier_check #(.LATENCY(4), .OPERAND_BITS(20), .COEFFICIENT_BITS(25),
        .COEFFICIENT(-25'sd16777215), .PRODUCT_BITS(45)) check_3 (clk, done[3], failures[3]);

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3]) == 0)
                $display("PASS strassenc_multiplier");
            else begin
                $display("FAIL strassenc_multiplier");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
