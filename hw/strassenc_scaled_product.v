// strassenc_scaled_product: product = round(coefficient * x / 2^SHIFT), half up.
//
// LATENCY registers, 1 to 4; clken low freezes them. The coefficient has none: it is the one that
// stands as x, behind the registers in front of it, is multiplied.
//   1: sum                  3: x, full product, sum
//   2: full product, sum    4: x twice, full product, sum
// The sum is the full product and half a unit of the product, which is a slice of it, so that a DSP
// block takes all registers, and the rounding in its adder.
// SHIFT <= 0 is an exact left shift. PRODUCT_BITS holds every product that can occur; nothing is
// saturated.
`default_nettype none

module strassenc_scaled_product #(
    parameter OPERAND_BITS     = 8,
    parameter OPERAND_SIGNED   = 1,
    parameter COEFFICIENT_BITS = 8,
    parameter SHIFT            = 0,
    parameter PRODUCT_BITS     = 16,
    parameter LATENCY          = 3
) (
    input  wire                               clk,
    input  wire                               clken,
    input  wire            [OPERAND_BITS-1:0] x,
    input  wire signed [COEFFICIENT_BITS-1:0] coefficient,
    output wire            [PRODUCT_BITS-1:0] product
);
    // A sign bit in front of an unsigned operand.
    localparam X_BITS    = OPERAND_SIGNED != 0 ? OPERAND_BITS : OPERAND_BITS + 1;
    localparam FULL_BITS = X_BITS + COEFFICIENT_BITS;
    localparam RIGHT     = SHIFT > 0 ? SHIFT : 0;
    localparam LEFT      = SHIFT < 0 ? -SHIFT : 0;

    wire signed [X_BITS-1:0] operand;
    generate
        if (OPERAND_SIGNED != 0) begin : signed_operand
            assign operand = x;
        end else begin : unsigned_operand
            assign operand = {1'b0, x};
        end
    endgenerate

    // The operand, registered LATENCY - 2 times.
    wire signed [X_BITS-1:0] factor;
    generate
        if (LATENCY <= 2) begin : no_operand_register
            assign factor = operand;
        end else if (LATENCY == 3) begin : operand_register
            reg signed [X_BITS-1:0] value;
            always @(posedge clk) if (clken) value <= operand;
            assign factor = value;
        end else begin : operand_registers
            reg signed [X_BITS-1:0] first;
            reg signed [X_BITS-1:0] second;
            always @(posedge clk) if (clken) first <= operand;
            always @(posedge clk) if (clken) second <= first;
            assign factor = second;
        end
    endgenerate

    // coefficient * operand, registered where LATENCY is at least 2.
    wire signed [FULL_BITS-1:0] full;
    generate
        if (LATENCY == 1) begin : no_full_register
            assign full = factor * coefficient;
        end else begin : full_register
            reg signed [FULL_BITS-1:0] value;
            always @(posedge clk) if (clken) value <= factor * coefficient;
            assign full = value;
        end
    endgenerate

    // Wide enough for the full product, and for the port above the bits that are rounded away.
    localparam SHIFTED_BITS = FULL_BITS + LEFT;
    localparam WORK_BITS    = SHIFTED_BITS > PRODUCT_BITS + RIGHT
        ? SHIFTED_BITS : PRODUCT_BITS + RIGHT;

    wire [WORK_BITS-1:0] wide = {{(WORK_BITS-FULL_BITS+1){full[FULL_BITS-1]}}, full[FULL_BITS-2:0]};
    wire [WORK_BITS-1:0] rounded;
    generate
        if (RIGHT > 0) begin : round
            localparam [WORK_BITS-1:0] ONE = 1;
            assign rounded = wide + (ONE << (RIGHT - 1));
        end else begin : exact
            assign rounded = wide << LEFT;
        end
    endgenerate

    reg [WORK_BITS-1:0] sum;
    always @(posedge clk) if (clken) sum <= rounded;
    assign product = sum[RIGHT +: PRODUCT_BITS];
    // The bits below the product and those above it, which repeat its sign.
    wire unused = &{1'b0, sum};
endmodule

`default_nettype wire
