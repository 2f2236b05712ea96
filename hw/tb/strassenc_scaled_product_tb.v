// Self-checking testbench of strassenc_scaled_product: every latency, frozen at times, both kinds
// of operand, right and left shifts, halves that round up, the widest operand.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_scaled_product_check #(
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
    wire [PRODUCT_BITS-1:0] product;

    strassenc_scaled_product #(
        .OPERAND_BITS    (OPERAND_BITS),
        .OPERAND_SIGNED  (OPERAND_SIGNED),
        .COEFFICIENT_BITS(COEFFICIENT_BITS),
        .SHIFT           (SHIFT),
        .PRODUCT_BITS    (PRODUCT_BITS),
        .LATENCY         (LATENCY)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .x      (x),
        .coefficient(COEFFICIENT),
        .product(product)
    );

    integer                 seed = LATENCY;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer                 i, step;
    reg signed [63:0]       operand, exact;
    reg [PRODUCT_BITS-1:0]  expected;
    // What each register stands for, and whether it has been loaded yet.
    reg [PRODUCT_BITS-1:0]  held [0:3];
    reg [3:0]               known;

    initial begin
        done = 1'b0;
        failures = 0;
        known = 4'b0;
        clken = 1'b0;
        x = {OPERAND_BITS{1'b0}};
        // The coefficient is there after the first clock.
        @(negedge clk);
        for (step = 0; step < 3000; step = step + 1) begin
            @(negedge clk);
            // Both ends of the range, then a sweep of small values, then anything.
            case (step & 7)
                0: x = {OPERAND_BITS{1'b0}};
                1: x = {OPERAND_BITS{1'b1}};
                2: x = {OPERAND_BITS{1'b1}} >> 1;
                3: x = ~({OPERAND_BITS{1'b1}} >> 1);
                4, 5: x = step >> 3;
                default: x = $random(seed);
            endcase
            clken = step < 8 ? 1'b1 : $random(seed);
            operand = OPERAND_SIGNED != 0 && x[OPERAND_BITS-1]
                ? $signed({{(64-OPERAND_BITS){1'b1}}, x}) : $signed({{(64-OPERAND_BITS){1'b0}}, x});
            exact = operand * COEFFICIENT;
            if (SHIFT > 0) exact = (exact + (64'sd1 <<< (SHIFT > 0
                ? SHIFT - 1 : 0))) >>> (SHIFT > 0 ? SHIFT : 0);
            else           exact = exact <<< (SHIFT > 0 ? 0 : -SHIFT);
            expected = exact[PRODUCT_BITS-1:0];
            @(posedge clk);
            for (i = LATENCY - 1; i >= 0; i = i - 1)
                if (clken) begin
                    held[i]  = i == 0 ? expected : held[i == 0 ? 0 : i-1];
                    known[i] = i == 0 ? 1'b1 : known[i == 0 ? 0 : i-1];
                end
            #1;
            if (known[LATENCY-1] && product !== held[LATENCY-1]) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("%0d * %0d bits, shift %0d, latency %0d, step %0d: %h, not %h",
                             COEFFICIENT, OPERAND_BITS, SHIFT, LATENCY, step, product,
                             held[LATENCY-1]);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_scaled_product_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [7:0] done;
    wire [31:0] failures [0:7];

    strassenc_scaled_product_check #(.LATENCY(1), .OPERAND_BITS(8), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(8),
        .COEFFICIENT(-8'sd57), .SHIFT(5), .PRODUCT_BITS(11)) check_0 (.clk(clk), .done(done[0]),
            .failures(failures[0]));
    strassenc_scaled_product_check #(.LATENCY(2), .OPERAND_BITS(8), .OPERAND_SIGNED(0),
        .COEFFICIENT_BITS(8),
        .COEFFICIENT(8'sd127), .SHIFT(1), .PRODUCT_BITS(16)) check_1 (.clk(clk), .done(done[1]),
            .failures(failures[1]));
    strassenc_scaled_product_check #(.LATENCY(3), .OPERAND_BITS(12), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(8),
        .COEFFICIENT(8'sd64), .SHIFT(6), .PRODUCT_BITS(13)) check_2 (.clk(clk), .done(done[2]),
            .failures(failures[2]));
    strassenc_scaled_product_check #(.LATENCY(4), .OPERAND_BITS(20), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(25),
        .COEFFICIENT(-25'sd16777215), .SHIFT(0), .PRODUCT_BITS(45)) check_3 (.clk(clk),
            .done(done[3]), .failures(failures[3]));
    strassenc_scaled_product_check #(.LATENCY(3), .OPERAND_BITS(6), .OPERAND_SIGNED(0),
        .COEFFICIENT_BITS(4),
        .COEFFICIENT(-4'sd3), .SHIFT(-4), .PRODUCT_BITS(16)) check_4 (.clk(clk), .done(done[4]),
            .failures(failures[4]));
    strassenc_scaled_product_check #(.LATENCY(1), .OPERAND_BITS(1), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(2),
        .COEFFICIENT(-2'sd1), .SHIFT(0), .PRODUCT_BITS(2)) check_5 (.clk(clk), .done(done[5]),
            .failures(failures[5]));
    // A shift beyond the product: only 0 and, for the half itself, 1 remain.
    strassenc_scaled_product_check #(.LATENCY(2), .OPERAND_BITS(8), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(8),
        .COEFFICIENT(-8'sd128), .SHIFT(15), .PRODUCT_BITS(2)) check_6 (.clk(clk), .done(done[6]),
            .failures(failures[6]));
    strassenc_scaled_product_check #(.LATENCY(4), .OPERAND_BITS(8), .OPERAND_SIGNED(0),
        .COEFFICIENT_BITS(8),
        .COEFFICIENT(8'sd3), .SHIFT(30), .PRODUCT_BITS(2)) check_7 (.clk(clk), .done(done[7]),
            .failures(failures[7]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] | failures[5]
                | failures[6]
                    | failures[7]) == 0) $display("PASS strassenc_scaled_product");
            else begin
                $display("FAIL strassenc_scaled_product");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
