// strassenc_product: product = a * b, both data; one multiplier of a two-operand layer.
//
// LATENCY registers, 1 to 4; clken low freezes them.
//   1: product                  3: a and b, full product, product
//   2: full product, product    4: a and b, full product twice, product
// PRODUCT_BITS is what is read of the product, at most all of it: the product modulo
// 2^PRODUCT_BITS.
`default_nettype none

module strassenc_product #(
    parameter A_BITS       = 8,
    parameter A_SIGNED     = 1,
    parameter B_BITS       = 8,
    parameter B_SIGNED     = 1,
    parameter PRODUCT_BITS = 16,
    parameter LATENCY      = 3
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire [A_BITS-1:0]       a,
    input  wire [B_BITS-1:0]       b,
    output wire [PRODUCT_BITS-1:0] product
);
    // A sign bit in front of an unsigned operand.
    localparam X_BITS    = A_SIGNED != 0 ? A_BITS : A_BITS + 1;
    localparam Y_BITS    = B_SIGNED != 0 ? B_BITS : B_BITS + 1;
    localparam FULL_BITS = X_BITS + Y_BITS;

    wire signed [X_BITS-1:0] operand_a;
    wire signed [Y_BITS-1:0] operand_b;
    generate
        if (A_SIGNED != 0) begin : signed_a
            assign operand_a = a;
        end else begin : unsigned_a
            assign operand_a = {1'b0, a};
        end
        if (B_SIGNED != 0) begin : signed_b
            assign operand_b = b;
        end else begin : unsigned_b
            assign operand_b = {1'b0, b};
        end
    endgenerate

    // The operands, registered where LATENCY is at least 3.
    wire signed [X_BITS-1:0] x;
    wire signed [Y_BITS-1:0] y;
    // x * y, registered LATENCY - 1 times, at most twice.
    wire signed [FULL_BITS-1:0] full;
    generate
        if (LATENCY >= 3) begin : operand_registers
            reg signed [X_BITS-1:0] value_a;
            reg signed [Y_BITS-1:0] value_b;
            always @(posedge clk)
                if (clken) begin
                    value_a <= operand_a;
                    value_b <= operand_b;
                end
            assign x = value_a;
            assign y = value_b;
        end else begin : no_operand_registers
            assign x = operand_a;
            assign y = operand_b;
        end

        if (LATENCY == 1) begin : no_full_register
            assign full = x * y;
        end else if (LATENCY <= 3) begin : full_register
            reg signed [FULL_BITS-1:0] value;
            always @(posedge clk) if (clken) value <= x * y;
            assign full = value;
        end else begin : full_registers
            reg signed [FULL_BITS-1:0] first;
            reg signed [FULL_BITS-1:0] second;
            always @(posedge clk) if (clken) first <= x * y;
            always @(posedge clk) if (clken) second <= first;
            assign full = second;
        end
    endgenerate
    // The bits above those that are read.
    wire unused = &{1'b0, full};

    reg [PRODUCT_BITS-1:0] result;
    always @(posedge clk) if (clken) result <= full[PRODUCT_BITS-1:0];
    assign product = result;
endmodule

`default_nettype wire
