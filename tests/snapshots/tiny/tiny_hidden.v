// tiny_hidden: layer `hidden` of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256
// 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0 --beat-elements 2
//
// 3 multipliers, 6 additions, 6 stages, 35 register bits
`default_nettype none

module tiny_hidden (
    input  wire clk,
    input  wire [11:0] s_data,  // 3 elements of s4 * 2^-2, which arrive in stage 0
    output wire [11:0] m_data  // 3 elements of u4 * 2^-2, which leave in stage 5
);
    // ==== Inputs
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];
    wire [3:0] x_2 = s_data[11:8];

    // ==== Stage 0: 1 addition, 3 registers
    reg [4:0] p1_wb_add_0;  // W_b rows 1-2
    reg [3:0] p1_x_0, p1_x_1;
    always @(posedge clk) begin
        p1_wb_add_0 <= {x_2[3], x_2} - {x_1[3], x_1};
        p1_x_0 <= x_0;
        p1_x_1 <= x_1;
    end

    // ==== Stage 1: 2 additions, 3 multipliers
    wire [4:0] wb_add_1 = {p1_x_0[3], p1_x_0} + {p1_x_1[3], p1_x_1};  // W_b row 0
    wire [5:0] wb_add_2 = {{2{p1_x_0[3]}}, p1_x_0} - {p1_wb_add_0[4], p1_wb_add_0};  // W_b row 1
    // product of row 0: round(5 * wb_add_1 * 2^-1)
    wire [6:0] p4_m_0;
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(4), .COEFFICIENT(4'sd5),
        .SHIFT(1), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .clken(1'b1), .x(wb_add_1), .product(p4_m_0)
    );
    // product of row 1: round(-4 * wb_add_2)
    wire [7:0] p4_m_1;
    strassenc_multiplier #(
        .OPERAND_BITS(6), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(4), .COEFFICIENT(-4'sd4),
        .SHIFT(0), .PRODUCT_BITS(8), .LATENCY(3)
    ) multiplier_1 (
        .clk(clk), .clken(1'b1), .x(wb_add_2), .product(p4_m_1)
    );
    // product of row 2: round(7 * p1_wb_add_0 * 2^-2)
    wire [5:0] p4_m_2;
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(4), .COEFFICIENT(4'sd7),
        .SHIFT(2), .PRODUCT_BITS(6), .LATENCY(3)
    ) multiplier_2 (
        .clk(clk), .clken(1'b1), .x(p1_wb_add_0), .product(p4_m_2)
    );

    // ==== Stage 2: nothing is computed

    // ==== Stage 3: nothing is computed

    // ==== Stage 4: 3 additions, 3 registers
    wire [7:0] wc_add_0;  // W_c row 0: m_0 + 5 - m_2
    strassenc_add3 #(
        .BITS(8),
        .A_BITS(7), .A_SIGNED(1), .A_SHIFT(0),
        .B_BITS(8), .B_SIGNED(0), .B_SHIFT(0), .NEGATE_B(0),
        .C_BITS(6), .C_SIGNED(1), .C_SHIFT(0), .NEGATE_C(1)
    ) sum_wc_add_0 (
        .a(p4_m_0), .b(8'd5), .c(p4_m_2), .y(wc_add_0)
    );
    wire [7:0] wc_add_1;  // W_c row 1: m_1 + m_2 + -1
    strassenc_add3 #(
        .BITS(8),
        .A_BITS(8), .A_SIGNED(1), .A_SHIFT(0),
        .B_BITS(6), .B_SIGNED(1), .B_SHIFT(0), .NEGATE_B(0),
        .C_BITS(8), .C_SIGNED(0), .C_SHIFT(0), .NEGATE_C(0)
    ) sum_wc_add_1 (
        .a(p4_m_1), .b(p4_m_2), .c(-8'sd1), .y(wc_add_1)
    );
    wire [8:0] wc_add_2 = {{2{p4_m_0[6]}}, p4_m_0} - {p4_m_1[7], p4_m_1};  // W_c row 2
    wire [5:0] y_0;  // output 0: rounding
    wire [1:0] y_0_unused;
    assign {y_0, y_0_unused} = wc_add_0;
    wire [6:0] y_1;  // output 1: rounding
    wire [0:0] y_1_unused;
    assign {y_1, y_1_unused} = wc_add_1;
    reg [8:0] p5_y_2;  // output 2: rounding
    reg [5:0] p5_y_0;
    reg [6:0] p5_y_1;
    always @(posedge clk) begin
        p5_y_2 <= wc_add_2;
        p5_y_0 <= y_0;
        p5_y_1 <= y_1;
    end

    // ==== Stage 5: 3 clamps
    wire [3:0] z_0 = p5_y_0[5] ? 4'd0 : p5_y_0[4] ? 4'd15 : p5_y_0[3:0];  // output 0: saturation
    wire [3:0] z_1 = p5_y_1[6] ? 4'd0 : |p5_y_1[5:4] ? 4'd15 : p5_y_1[3:0];  // output 1: saturation
    wire [3:0] z_2 = p5_y_2[8] ? 4'd0 : |p5_y_2[7:4] ? 4'd15 : p5_y_2[3:0];  // output 2: saturation

    assign m_data = {z_2, z_1, z_0};
endmodule

`default_nettype wire
