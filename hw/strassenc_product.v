// strassenc_product: product = a * b, both data; one multiplier of a two-operand layer.
//
// LATENCY registers, 1 to 4; clken low freezes them.
//   1: product                  3: a and b, full product, product
//   2: full product, product    4: a and b twice, full product, product
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

    // The operands, registered LATENCY - 2 times.
    wire signed [X_BITS-1:0] x;
    wire signed [Y_BITS-1:0] y;
    generate
        if (LATENCY <= 2) begin : no_operand_registers
            assign x = operand_a;
            assign y = operand_b;
        end else begin : operand_registers
            reg signed [X_BITS-1:0] first_a;
            reg signed [Y_BITS-1:0] first_b;
            always @(posedge clk)
                if (clken) begin
                    first_a <= operand_a;
                    first_b <= operand_b;
                end
            if (LATENCY == 3) begin : once
                assign x = first_a;
                assign y = first_b;
            end else begin : twice
                reg signed [X_BITS-1:0] second_a;
                reg signed [Y_BITS-1:0] second_b;
                always @(posedge clk)
                    if (clken) begin
                        second_a <= first_a;
                        second_b <= first_b;
                    end
                assign x = second_a;
                assign y = second_b;
            end
        end
    endgenerate

    // x * y, registered where LATENCY is at least 2.
    wire signed [FULL_BITS-1:0] full;
    generate
        if (LATENCY == 1) begin : no_full_register
            assign full = x * y;
        end else begin : full_register
            reg signed [FULL_BITS-1:0] value;
            always @(posedge clk) if (clken) value <= x * y;
            assign full = value;
        end
    endgenerate
    // The bits above those that are read.
    wire unused = &{1'b0, full};

    reg [PRODUCT_BITS-1:0] result;
    always @(posedge clk) if (clken) result <= full[PRODUCT_BITS-1:0];
    assign product = result;
endmodule

`default_nettype wire
