// strassenc_rectify: a clipped or a leaky rectifier of each lane.
//
// A lane x that is not negative leaves as min(x, MAX), a negative one as round(x / 2^SHIFT), half
// up. Lanes are in two's complement where SIGNED is 1, else unsigned. Lane 0 lies in the low bits.
// m_user is s_user, word by word.
// Latency: 1 clock, one word per clock. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_rectify #(
    parameter            LANES  = 1,
    parameter            BITS   = 8,
    parameter            SIGNED = 1,
    parameter [BITS-1:0] MAX    = {BITS{1'b1}},
    parameter            SHIFT  = 0
) (
    input  wire                  clk,
    input  wire                  clken,
    input  wire                  rst,
    input  wire                  s_valid,
    output wire                  s_ready,
    input  wire [LANES*BITS-1:0] s_data,
    input  wire                  s_user,
    output reg                   m_valid,
    input  wire                  m_ready,
    output reg  [LANES*BITS-1:0] m_data,
    output reg                   m_user
);
    // The half of the rounding has SHIFT bits; a bit more than both.
    localparam WIDE = (BITS > SHIFT ? BITS : SHIFT) + 1;

    localparam [WIDE-1:0] ONE  = 1;
    localparam [WIDE-1:0] HALF = SHIFT > 0 ? ONE << (SHIFT > 0 ? SHIFT - 1 : 0) : {WIDE{1'b0}};

    wire advance = !m_valid | m_ready;
    assign s_ready = advance;

    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (clken & advance) m_valid <= s_valid;

    always @(posedge clk) if (clken & advance) m_user <= s_user;

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
            wire [BITS-1:0] x        = s_data[lane*BITS +: BITS];
            wire            negative = SIGNED != 0 & x[BITS-1];
            wire [WIDE-1:0] rounded  = {{(WIDE-BITS){negative}}, x} + HALF;
            // What is divided is negative, or rounded up to 0.
            wire            sign     = rounded[WIDE-1];
            wire [BITS-1:0] below;
            if (WIDE - SHIFT < BITS) begin : extended
                assign below = {{(BITS-WIDE+SHIFT){sign}}, rounded[WIDE-1:SHIFT]};
            end else begin : cut
                assign below = rounded[SHIFT +: BITS];
            end
            wire unused = &{1'b0, rounded, sign};

            wire [BITS-1:0] above;
            if (&MAX) begin : whole
                assign above = x;
            end else begin : clipped
                assign above = x > MAX ? MAX : x;
            end

            always @(posedge clk)
                if (clken & advance) m_data[lane*BITS +: BITS] <= negative ? below : above;
        end
    endgenerate
endmodule

`default_nettype wire
