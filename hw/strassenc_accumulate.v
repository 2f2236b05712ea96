// strassenc_accumulate: COUNT words in a row become one: the maximum of every lane, or its sum.
//
// z is as signed as x, and Z_BITS, at least X_BITS, holds every sum that can occur. m_user is the
// user bit of the first of the COUNT words.
// Latency: 1 clock from the last of the COUNT words: the accumulator is the output register. Words
// are taken while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_accumulate #(
    parameter LANES    = 4,
    parameter X_BITS   = 8,
    parameter X_SIGNED = 1,
    parameter MAXIMUM  = 1,
    parameter COUNT    = 4,
    parameter Z_BITS   = 8
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire                    rst,
    input  wire                    s_valid,
    output wire                    s_ready,
    input  wire [LANES*X_BITS-1:0] s_data,
    input  wire                    s_user,
    output reg                     m_valid,
    input  wire                    m_ready,
    output wire [LANES*Z_BITS-1:0] m_data,
    output reg                     m_user
);
    localparam        COUNT_BITS = COUNT > 1 ? $clog2(COUNT) : 1;
    localparam [31:0] LAST       = COUNT - 1;
    localparam [31:0] ONE        = 1;

    reg  [COUNT_BITS-1:0] count;

    wire first  = count == {COUNT_BITS{1'b0}};
    wire last   = count == LAST[COUNT_BITS-1:0];
    wire accept = s_valid & s_ready & clken;

    assign s_ready = !m_valid | m_ready;

    always @(posedge clk)
        if (rst) begin
            count   <= {COUNT_BITS{1'b0}};
            m_valid <= 1'b0;
        end else if (clken & s_ready) begin
            m_valid <= s_valid & last;
            if (s_valid) begin
                if (last) count <= {COUNT_BITS{1'b0}};
                else      count <= count + ONE[COUNT_BITS-1:0];
            end
        end

    always @(posedge clk) if (accept & first) m_user <= s_user;

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire              sign = X_SIGNED != 0 ? s_data[i*X_BITS+X_BITS-1] : 1'b0;
            wire [Z_BITS:0]   wide = {{(Z_BITS-X_BITS+1){sign}}, s_data[i*X_BITS +: X_BITS]};
            reg  [Z_BITS-1:0] held;
            if (MAXIMUM != 0) begin : maximum
                // One more bit makes both kinds signed.
                wire signed [Z_BITS:0] x    = wide;
                wire signed [Z_BITS:0] best = {X_SIGNED != 0 ? held[Z_BITS-1] : 1'b0, held};
                always @(posedge clk) if (accept & (first | x > best)) held <= wide[Z_BITS-1:0];
            end else begin : sum
                always @(posedge clk) if (accept)
                    held <= (held & {Z_BITS{!first}}) + wide[Z_BITS-1:0];
                wire unused = &{1'b0, wide};
            end
            assign m_data[i*Z_BITS +: Z_BITS] = held;
        end
    endgenerate
endmodule

`default_nettype wire
