// strassenc_multiplier: product = round(COEFFICIENT * x / 2^SHIFT), half up; one multiplier of a
// network's budget.
//
// A strassenc_scaled_product, whose latency and parameters it has. All its registers are a DSP
// block's; only the coefficient's stays outside, since synthesis must not see through it; what
// never changes needs no other one in the block.
`default_nettype none

module strassenc_multiplier #(
    parameter                               OPERAND_BITS     = 8,
    parameter                               OPERAND_SIGNED   = 1,
    parameter                               COEFFICIENT_BITS = 8,
    parameter signed [COEFFICIENT_BITS-1:0] COEFFICIENT      = 1,
    parameter                               SHIFT            = 0,
    parameter                               PRODUCT_BITS     = 16,
    parameter                               LATENCY          = 3
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire [OPERAND_BITS-1:0] x,
    output wire [PRODUCT_BITS-1:0] product
);
    wire signed [COEFFICIENT_BITS-1:0] coefficient;
    strassenc_coefficient #(
        .BITS(COEFFICIENT_BITS)
    ) coefficient_register (
        .clk        (clk),
        .value      (COEFFICIENT),
        .coefficient(coefficient)
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
        .coefficient(coefficient),
        .product    (product)
    );
endmodule

`default_nettype wire
