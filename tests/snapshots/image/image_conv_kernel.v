// image_conv_kernel: layer `conv` of the network image.
// Written by strassenc 0.1.0 from the model with SHA-256
// 001ce09678aedbea0d874b9fbc8f0a96eefa629dc4a2e7f36e4c8000006cae46
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// 1 multiplier, 2 additions, 5 stages, 13 register bits
`default_nettype none

module image_conv_kernel (
    input  wire clk,
    input  wire [15:0] s_data,  // 4 elements of s4 * 2^-3, which arrive in stage 0
    output wire [6:0] m_data  // 1 element of s7 * 2^-3, which leave in stage 4
);
    // ==== Inputs
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];
    wire [3:0] x_2 = s_data[11:8];
    wire [3:0] x_3 = s_data[15:12];

    // ==== Stage 0: 1 addition, 3 registers
    reg [4:0] p1_wb_add_0;  // W_b row 0
    reg [3:0] p1_x_2, p1_x_3;
    always @(posedge clk) begin
        p1_wb_add_0 <= {x_0[3], x_0} - {x_1[3], x_1};
        p1_x_2 <= x_2;
        p1_x_3 <= x_3;
    end

    // ==== Stage 1: 1 addition, 1 multiplier
    wire [5:0] wb_add_1;  // W_b row 0: x_3 + wb_add_0 - x_2
    strassenc_add3 #(
        .BITS(6),
        .A_BITS(4), .A_SIGNED(1), .A_SHIFT(0),
        .B_BITS(5), .B_SIGNED(1), .B_SHIFT(0), .NEGATE_B(0),
        .C_BITS(4), .C_SIGNED(1), .C_SHIFT(0), .NEGATE_C(1)
    ) sum_wb_add_1 (
        .a(p1_x_3), .b(p1_wb_add_0), .c(p1_x_2), .y(wb_add_1)
    );
    // product of row 0: round(5 * wb_add_1 * 2^-2)
    wire [6:0] p4_m_0;
    strassenc_multiplier #(
        .OPERAND_BITS(6), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(4), .COEFFICIENT(4'sd5),
        .SHIFT(2), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .clken(1'b1), .x(wb_add_1), .product(p4_m_0)
    );

    // ==== Stage 2: nothing is computed

    // ==== Stage 3: nothing is computed

    // ==== Stage 4: 1 constant addition
    wire [6:0] wc_add_0 = p4_m_0 + 7'd1;  // W_c row 0
    wire [6:0] y_0 = wc_add_0;  // output 0

    assign m_data = {y_0};
endmodule

`default_nettype wire
