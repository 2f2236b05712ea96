// strassenc_concat: joins two streams, pixel by pixel: the elements of a, then those of b, each as
// z = saturate(round(x * 2^X_SHIFT / 2^SHIFT)), half up, with A_SHIFT or B_SHIFT as X_SHIFT.
//
// TOGETHER 0: A_WORDS words of a, then B_WORDS words of b, in turn, each of A_LANES = B_LANES
// elements; a word of z is one of either, and m_user is a_user, and low on words of b. TOGETHER 1:
// a word of a and one of b are taken together and leave as one, a in the low bits, and m_user is
// a_user; A_WORDS and B_WORDS mean nothing.
// A_SHIFT and B_SHIFT are not negative. SHIFT <= 0 is an exact left shift. z saturates at the ends
// of Z_BITS bits, signed or not. Lane 0 lies in the low bits. Z_LANES follows from the others.
// Latency: 2 clocks, one word per clock. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_concat #(
    parameter TOGETHER = 0,
    parameter A_LANES  = 1,
    parameter B_LANES  = 1,
    parameter A_WORDS  = 1,
    parameter B_WORDS  = 1,
    parameter A_BITS   = 8,
    parameter A_SIGNED = 1,
    parameter B_BITS   = 8,
    parameter B_SIGNED = 1,
    parameter A_SHIFT  = 0,
    parameter B_SHIFT  = 0,
    parameter SHIFT    = 0,
    parameter Z_BITS   = 8,
    parameter Z_SIGNED = 1,
    parameter Z_LANES  = TOGETHER != 0 ? A_LANES + B_LANES : A_LANES
) (
    input  wire                       clk,
    input  wire                       clken,
    input  wire                       rst,
    input  wire                       a_valid,
    output wire                       a_ready,
    input  wire [A_LANES*A_BITS-1:0]  a_data,
    input  wire                       a_user,
    input  wire                       b_valid,
    output wire                       b_ready,
    input  wire [B_LANES*B_BITS-1:0]  b_data,
    input  wire                       b_user,
    output reg                        m_valid,
    input  wire                       m_ready,
    output wire [Z_LANES*Z_BITS-1:0]  m_data,
    output reg                        m_user
);
    localparam RIGHT = SHIFT > 0 ? SHIFT : 0;
    localparam LEFT  = SHIFT < 0 ? -SHIFT : 0;
    // Two's complement: an aligned element of either side, and with the rounding constant.
    localparam A_WIDE     = A_BITS + A_SHIFT + (A_SIGNED != 0 ? 0 : 1);
    localparam B_WIDE     = B_BITS + B_SHIFT + (B_SIGNED != 0 ? 0 : 1);
    localparam TOTAL_BITS = A_WIDE > B_WIDE ? A_WIDE : B_WIDE;
    localparam ROUND_BITS = RIGHT == 0 ? 0 : RIGHT + 1;
    localparam SUM_BITS   = (TOTAL_BITS > ROUND_BITS ? TOTAL_BITS : ROUND_BITS) + 1;
    // The sum without the bits that are rounded away, and at least one bit more than z.
    localparam SHIFTED_BITS = SUM_BITS - RIGHT + LEFT;
    localparam VALUE_BITS   = SHIFTED_BITS > Z_BITS ? SHIFTED_BITS : Z_BITS + 1;

    localparam [SUM_BITS-1:0] ONE  = 1;
    localparam [SUM_BITS-1:0] HALF =
        RIGHT > 0 ? ONE << (RIGHT > 0 ? RIGHT - 1 : 0) : {SUM_BITS{1'b0}};

    wire advance = !m_valid | m_ready;
    wire enters;
    // Whose turn it is.
    wire of_b;
    reg  sum_valid;
    reg  sum_user;

    wire unused_user = &{1'b0, b_user};

    generate
        if (TOGETHER != 0) begin : together
            assign of_b    = 1'b0;
            assign enters  = a_valid & b_valid;
            assign a_ready = advance & b_valid;
            assign b_ready = advance & a_valid;
        end else begin : in_turn
            localparam        WORD_BITS = $clog2(A_WORDS + B_WORDS);
            localparam [31:0] FIRST_B   = A_WORDS;
            localparam [31:0] LAST      = A_WORDS + B_WORDS - 1;
            localparam [31:0] NEXT      = 1;
            reg  [WORD_BITS-1:0] word;
            wire                 last = word == LAST[WORD_BITS-1:0];

            assign of_b    = word >= FIRST_B[WORD_BITS-1:0];
            assign enters  = of_b ? b_valid : a_valid;
            assign a_ready = advance & !of_b;
            assign b_ready = advance & of_b;

            always @(posedge clk)
                if (rst) word <= {WORD_BITS{1'b0}};
                else if (clken & advance & enters)
                    word <= last ? {WORD_BITS{1'b0}} : word + NEXT[WORD_BITS-1:0];
        end
    endgenerate

    always @(posedge clk)
        if (rst) begin
            sum_valid <= 1'b0;
            m_valid   <= 1'b0;
        end else if (clken & advance) begin
            sum_valid <= enters;
            m_valid   <= sum_valid;
        end

    always @(posedge clk)
        if (clken & advance) begin
            sum_user <= a_user & !of_b;
            m_user   <= sum_user;
        end

    genvar lane;
    generate
        for (lane = 0; lane < Z_LANES; lane = lane + 1) begin : lanes
            // Taken together, a lane is always of the same side; the other one is not read.
            localparam A_LANE = lane < A_LANES ? lane : 0;
            localparam B_LANE = TOGETHER == 0 ? lane : lane < A_LANES ? 0 : lane - A_LANES;
            wire [A_BITS-1:0] a = a_data[A_LANE*A_BITS +: A_BITS];
            wire [B_BITS-1:0] b = b_data[B_LANE*B_BITS +: B_BITS];
            wire              a_sign = A_SIGNED != 0 & a[A_BITS-1];
            wire              b_sign = B_SIGNED != 0 & b[B_BITS-1];
            wire              is_b   = TOGETHER == 0 ? of_b : lane >= A_LANES;

            wire [SUM_BITS-1:0] a_wide = {{(SUM_BITS-A_BITS){a_sign}}, a} << A_SHIFT;
            wire [SUM_BITS-1:0] b_wide = {{(SUM_BITS-B_BITS){b_sign}}, b} << B_SHIFT;

            reg [SUM_BITS-1:0] sum;
            always @(posedge clk) if (clken & advance) sum <= (is_b ? b_wide : a_wide) + HALF;
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
