// along_pixels_gru_kernel: layer `gru` of the network along_pixels.
// Written by strassenc 0.1.0 from the model with SHA-256
// c17cddce7337f8deb83fd201eac023c63308f76ca8a4648736144aa7431ac921
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// 4 multipliers, 0 additions, 5 stages, 16 register bits
`default_nettype none

module along_pixels_gru_kernel (
    input  wire clk,
    input  wire [7:0] s_data,  // 2 elements of s4 * 2^0, which arrive in stage 0
    output wire [11:0] m_data  // 4 elements of s3 * 2^-1, which leave in stage 4
);
    // ==== Inputs
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];

    // ==== Stage 0: 4 multipliers
    // product of row 0: round(3 * x_0 * 2^-1)
    wire [4:0] p3_m_0;
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .clken(1'b1), .x(x_0), .product(p3_m_0)
    );
    // product of row 1: round(3 * x_1 * 2^-1)
    wire [4:0] p3_m_1;
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_1 (
        .clk(clk), .clken(1'b1), .x(x_1), .product(p3_m_1)
    );
    // product of row 2: round(3 * x_0 * 2^-1)
    wire [4:0] p3_m_2;
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_2 (
        .clk(clk), .clken(1'b1), .x(x_0), .product(p3_m_2)
    );
    // product of row 3: round(3 * x_1 * 2^-1)
    wire [4:0] p3_m_3;
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_3 (
        .clk(clk), .clken(1'b1), .x(x_1), .product(p3_m_3)
    );

    // ==== Stage 1: nothing is computed

    // ==== Stage 2: nothing is computed

    // ==== Stage 3: 4 constant additions, 4 registers
    wire [4:0] wc_add_0 = p3_m_0 + 5'd1;  // W_c row 0
    wire [4:0] wc_add_1 = p3_m_1 + 5'd2;  // W_c row 1
    wire [4:0] wc_add_2 = p3_m_2 + 5'd3;  // W_c row 2
    wire [4:0] wc_add_3 = p3_m_3 + 5'd4;  // W_c row 3
    wire [3:0] y_0;  // output 0: rounding
    wire [0:0] y_0_unused;
    assign {y_0, y_0_unused} = wc_add_0;
    wire [3:0] y_1;  // output 1: rounding
    wire [0:0] y_1_unused;
    assign {y_1, y_1_unused} = wc_add_1;
    wire [3:0] y_2;  // output 2: rounding
    wire [0:0] y_2_unused;
    assign {y_2, y_2_unused} = wc_add_2;
    wire [3:0] y_3;  // output 3: rounding
    wire [0:0] y_3_unused;
    assign {y_3, y_3_unused} = wc_add_3;
    reg [3:0] p4_y_0, p4_y_1, p4_y_2, p4_y_3;
    always @(posedge clk) begin
        p4_y_0 <= y_0;
        p4_y_1 <= y_1;
        p4_y_2 <= y_2;
        p4_y_3 <= y_3;
    end

    // ==== Stage 4: 4 clamps
    wire [2:0] z_0 = p4_y_0[3] & !p4_y_0[2] ? -3'sd4 : !p4_y_0[3] & p4_y_0[2] ? 3'd3 : p4_y_0[2:0];  // output 0: saturation
    wire [2:0] z_1 = p4_y_1[3] & !p4_y_1[2] ? -3'sd4 : !p4_y_1[3] & p4_y_1[2] ? 3'd3 : p4_y_1[2:0];  // output 1: saturation
    wire [2:0] z_2 = p4_y_2[3] & !p4_y_2[2] ? -3'sd4 : !p4_y_2[3] & p4_y_2[2] ? 3'd3 : p4_y_2[2:0];  // output 2: saturation
    wire [2:0] z_3 = !p4_y_3[3] & p4_y_3[2] ? 3'd3 : p4_y_3[2:0];  // output 3: saturation

    assign m_data = {z_3, z_2, z_1, z_0};
endmodule

`default_nettype wire
