// tiny_scores: layer `scores` of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256
// 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0 --beat-elements 2
//
// 2 multipliers, 4 additions, 5 stages, 12 register bits
`default_nettype none

module tiny_scores (
    input  wire clk,
    input  wire [11:0] s_data,  // 3 elements of u4 * 2^-2, which arrive in stage 5
    output wire [26:0] m_data  // 3 elements of s9 * 2^-3, which leave in stage 9
);
    // ==== Inputs
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];
    wire [3:0] x_2 = s_data[11:8];

    // ==== Stage 5: 3 registers
    reg [3:0] p6_x_0, p6_x_1, p6_x_2;
    always @(posedge clk) begin
        p6_x_0 <= x_0;
        p6_x_1 <= x_1;
        p6_x_2 <= x_2;
    end

    // ==== Stage 6: 2 additions, 2 multipliers
    wire [4:0] wb_add_0 = {1'd0, p6_x_0} - {1'd0, p6_x_2};  // W_b row 0
    wire [4:0] wb_add_1 = {1'd0, p6_x_0} + {1'd0, p6_x_1};  // W_b row 1
    // product of row 0: round(3 * wb_add_0)
    wire [6:0] p9_m_0;
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(0), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .clken(1'b1), .x(wb_add_0), .product(p9_m_0)
    );
    // product of row 1: round(2 * wb_add_1 * 2^1)
    wire [6:0] p9_m_1;
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(0),
        .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd2),
        .SHIFT(-1), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_1 (
        .clk(clk), .clken(1'b1), .x(wb_add_1), .product(p9_m_1)
    );

    // ==== Stage 7: nothing is computed

    // ==== Stage 8: nothing is computed

    // ==== Stage 9: 2 additions
    wire [8:0] wc_add_0;  // W_c row 0: m_0 + m_1 + 1
    strassenc_add3 #(
        .BITS(9),
        .A_BITS(7), .A_SIGNED(1), .A_SHIFT(0),
        .B_BITS(7), .B_SIGNED(0), .B_SHIFT(0), .NEGATE_B(0),
        .C_BITS(9), .C_SIGNED(0), .C_SHIFT(0), .NEGATE_C(0)
    ) sum_wc_add_0 (
        .a(p9_m_0), .b(p9_m_1), .c(9'd1), .y(wc_add_0)
    );
    wire [6:0] wc_add_1 = p9_m_1 - p9_m_0;  // W_c row 1
    wire [8:0] y_0 = wc_add_0;  // output 0
    wire [6:0] y_1 = wc_add_1;  // output 1

    assign m_data = {-9'sd6, {2'd0, y_1}, y_0};
endmodule

`default_nettype wire
