// strassenc_threshold: for each element whether it is greater than ABOVE: 1 or 0.
//
// ABOVE is in two's complement and has one bit more than an element, so that it may lie below all
// of them, signed or not. m_user is s_user, word by word.
// Latency: 1 clock, one word per clock. Everything moves while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_threshold #(
    parameter            LANES    = 4,
    parameter            X_BITS   = 8,
    parameter            X_SIGNED = 1,
    parameter [X_BITS:0] ABOVE    = 0
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
    output reg  [LANES-1:0]        m_data,
    output reg                     m_user
);
    wire signed [X_BITS:0]  above = ABOVE;
    wire        [LANES-1:0] is;

    assign s_ready = !m_valid | m_ready;

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire                   sign = X_SIGNED != 0 ? s_data[i*X_BITS+X_BITS-1] : 1'b0;
            wire signed [X_BITS:0] x    = {sign, s_data[i*X_BITS +: X_BITS]};
            assign is[i] = x > above;
        end
    endgenerate

    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (clken & s_ready) m_valid <= s_valid;

    always @(posedge clk)
        if (clken & s_ready) begin
            m_data <= is;
            m_user <= s_user;
        end
endmodule

`default_nettype wire
