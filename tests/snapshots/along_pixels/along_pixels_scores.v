// along_pixels_scores: layer `scores` of the network along_pixels.
// Written by strassenc 0.1.0 from the model with SHA-256
// c17cddce7337f8deb83fd201eac023c63308f76ca8a4648736144aa7431ac921
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// 1 multiplier, 0 additions, 4 stages, 0 register bits
`default_nettype none

module along_pixels_scores (
    input  wire clk,
    input  wire [3:0] s_data,  // 1 element of s4 * 2^-3, which arrive in stage 0
    output wire [4:0] m_data  // 1 element of s5 * 2^-3, which leave in stage 3
);
    // ==== Inputs
    wire [3:0] x_0 = s_data[3:0];

    // ==== Stage 0: 1 multiplier
    // product of row 0: round(3 * x_0 * 2^-1)
    wire [4:0] p3_m_0;
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .clken(1'b1), .x(x_0), .product(p3_m_0)
    );

    // ==== Stage 1: nothing is computed

    // ==== Stage 2: nothing is computed

    // ==== Stage 3: nothing is computed
    wire [4:0] y_0 = p3_m_0;  // output 0

    assign m_data = {y_0};
endmodule

`default_nettype wire
