// strassenc_add: adds two streams lane by lane.
//
// z = saturate(round((a * 2^A_SHIFT + b * 2^B_SHIFT) / 2^SHIFT)), half up.
// A_SHIFT and B_SHIFT are not negative. SHIFT <= 0 is an exact left shift. z saturates at the ends
// of Z_BITS bits, signed or not. Lane 0 lies in the low bits. A word of a and one of b are taken
// together; m_user is a_user, word by word.
// Latency: 2 clocks, one word per clock. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_add #(
    parameter LANES    = 1,
    parameter A_BITS   = 8,
    parameter A_SIGNED = 1,
    parameter B_BITS   = 8,
    parameter B_SIGNED = 1,
    parameter A_SHIFT  = 0,
    parameter B_SHIFT  = 0,
    parameter SHIFT    = 0,
    parameter Z_BITS   = 8,
    parameter Z_SIGNED = 1
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire                    rst,
    input  wire                    a_valid,
    output wire                    a_ready,
    input  wire [LANES*A_BITS-1:0] a_data,
    input  wire                    a_user,
    input  wire                    b_valid,
    output wire                    b_ready,
    input  wire [LANES*B_BITS-1:0] b_data,
    input  wire                    b_user,
    output reg                     m_valid,
    input  wire                    m_ready,
    output wire [LANES*Z_BITS-1:0] m_data,
    output reg                     m_user
);
    localparam RIGHT = SHIFT > 0 ? SHIFT : 0;
    localparam LEFT  = SHIFT < 0 ? -SHIFT : 0;
    // Two's complement: the shifted operands, their sum, and the sum with the rounding constant.
    localparam A_WIDE     = A_BITS + A_SHIFT + (A_SIGNED != 0 ? 0 : 1);
    localparam B_WIDE     = B_BITS + B_SHIFT + (B_SIGNED != 0 ? 0 : 1);
    localparam TOTAL_BITS = (A_WIDE > B_WIDE ? A_WIDE : B_WIDE) + 1;
    localparam SUM_BITS   = RIGHT == 0
        ? TOTAL_BITS : (TOTAL_BITS > RIGHT + 1 ? TOTAL_BITS : RIGHT + 1) + 1;
    // The sum without the bits that are rounded away, and at least one bit more than z.
    localparam SHIFTED_BITS = SUM_BITS - RIGHT + LEFT;
    localparam VALUE_BITS   = SHIFTED_BITS > Z_BITS ? SHIFTED_BITS : Z_BITS + 1;

    localparam [SUM_BITS-1:0] ONE  = 1;
    localparam [SUM_BITS-1:0] HALF = RIGHT > 0
        ? ONE << (RIGHT > 0 ? RIGHT - 1 : 0) : {SUM_BITS{1'b0}};

    wire advance = !m_valid | m_ready;
    reg  sum_valid;
    reg  sum_user;

    assign a_ready = advance & b_valid;
    assign b_ready = advance & a_valid;

    wire unused_user = &{1'b0, b_user};

    always @(posedge clk)
        if (rst) begin
            sum_valid <= 1'b0;
            m_valid   <= 1'b0;
        end else if (clken & advance) begin
            sum_valid <= a_valid & b_valid;
            m_valid   <= sum_valid;
        end

    always @(posedge clk)
        if (clken & advance) begin
            sum_user <= a_user;
            m_user   <= sum_user;
        end

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
            wire [A_BITS-1:0] a = a_data[lane*A_BITS +: A_BITS];
            wire [B_BITS-1:0] b = b_data[lane*B_BITS +: B_BITS];
            wire              a_sign = A_SIGNED != 0 & a[A_BITS-1];
            wire              b_sign = B_SIGNED != 0 & b[B_BITS-1];

            wire [SUM_BITS-1:0] a_wide = {{(SUM_BITS-A_BITS){a_sign}}, a} << A_SHIFT;
            wire [SUM_BITS-1:0] b_wide = {{(SUM_BITS-B_BITS){b_sign}}, b} << B_SHIFT;

            reg [SUM_BITS-1:0] sum;
            always @(posedge clk) if (clken & advance) sum <= a_wide + b_wide + HALF;
            wire sign = sum[SUM_BITS-1];

            wire [VALUE_BITS-1:0] value;
            if (LEFT > 0) begin : left
                assign value = {{(VALUE_BITS-SUM_BITS){sign}}, sum} << LEFT;
            end else if (VALUE_BITS > SUM_BITS - RIGHT) begin : extended
                assign value = {{(VALUE_BITS-SUM_BITS+RIGHT){sign}}, sum[SUM_BITS-1:RIGHT]};
            end else begin : right
                assign value = sum[SUM_BITS-1:RIGHT];
            end
            if (RIGHT > 0) begin : rounded
                wire unused = &{1'b0, sum[RIGHT-1:0]};
            end

            reg  [Z_BITS-1:0] z;
            wire [Z_BITS-1:0] limit;
            wire              fits;
            if (Z_SIGNED != 0) begin : signed_result
                localparam [Z_BITS-1:0] LOW_BIT = 1;
                assign fits  = &value[VALUE_BITS-1:Z_BITS-1] | ~|value[VALUE_BITS-1:Z_BITS-1];
                // The least value for a negative sum, the greatest for any other.
                assign limit = {Z_BITS{!sign}} ^ (LOW_BIT << (Z_BITS - 1));
            end else begin : unsigned_result
                assign fits  = ~|value[VALUE_BITS-1:Z_BITS];
                assign limit = {Z_BITS{!sign}};
            end
            always @(posedge clk) if (clken & advance) z <= fits ? value[Z_BITS-1:0] : limit;
            assign m_data[lane*Z_BITS +: Z_BITS] = z;
        end
    endgenerate
endmodule

`default_nettype wire
