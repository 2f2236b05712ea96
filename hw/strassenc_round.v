// strassenc_round: z = saturate(round(x / 2^SHIFT)), half up.
//
// SHIFT <= 0 is an exact left shift. x and z are in two's complement; z saturates at the ends of
// Z_BITS bits.
// Latency: 2 clocks with enable high: the sum with the rounding constant, z.
`default_nettype none

module strassenc_round #(
    parameter X_BITS = 16,
    parameter SHIFT  = 4,
    parameter Z_BITS = 8
) (
    input  wire              clk,
    input  wire              enable,
    input  wire [X_BITS-1:0] x,
    output reg  [Z_BITS-1:0] z
);
    localparam RIGHT = SHIFT > 0 ? SHIFT : 0;
    localparam LEFT  = SHIFT < 0 ? -SHIFT : 0;
    // The sum with the rounding constant; without the bits that are rounded away; and at least one
    // bit more than z.
    localparam SUM_BITS     = RIGHT == 0 ? X_BITS : (X_BITS > RIGHT + 1 ? X_BITS : RIGHT + 1) + 1;
    localparam SHIFTED_BITS = SUM_BITS - RIGHT + LEFT;
    localparam VALUE_BITS   = SHIFTED_BITS > Z_BITS ? SHIFTED_BITS : Z_BITS + 1;

    localparam [SUM_BITS-1:0] ONE     = 1;
    localparam [SUM_BITS-1:0] HALF    = RIGHT > 0
        ? ONE << (RIGHT > 0 ? RIGHT - 1 : 0) : {SUM_BITS{1'b0}};
    localparam [Z_BITS-1:0]   LOW_BIT = 1;

    wire [SUM_BITS-1:0] wide;
    generate
        if (SUM_BITS > X_BITS) begin : extended
            assign wide = {{(SUM_BITS-X_BITS){x[X_BITS-1]}}, x};
        end else begin : same
            assign wide = x;
        end
    endgenerate

    reg  [SUM_BITS-1:0] sum;
    wire                sign = sum[SUM_BITS-1];
    always @(posedge clk) if (enable) sum <= wide + HALF;

    wire [VALUE_BITS-1:0] value;
    generate
        if (LEFT > 0) begin : left
            assign value = {{(VALUE_BITS-SUM_BITS){sign}}, sum} << LEFT;
        end else if (VALUE_BITS > SUM_BITS - RIGHT) begin : sign_filled
            assign value = {{(VALUE_BITS-SUM_BITS+RIGHT){sign}}, sum[SUM_BITS-1:RIGHT]};
        end else begin : right
            assign value = sum[SUM_BITS-1:RIGHT];
        end
        if (RIGHT > 0) begin : rounded
            wire unused = &{1'b0, sum[RIGHT-1:0]};
        end
    endgenerate

    wire fits = &value[VALUE_BITS-1:Z_BITS-1] | ~|value[VALUE_BITS-1:Z_BITS-1];
    // The least value for a negative sum, the greatest for any other.
    wire [Z_BITS-1:0] limit = {Z_BITS{!sign}} ^ (LOW_BIT << (Z_BITS - 1));
    always @(posedge clk) if (enable) z <= fits ? value[Z_BITS-1:0] : limit;
endmodule

`default_nettype wire
