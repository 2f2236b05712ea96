// tiny_hidden: layer `hidden` of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
// with --adders-per-stage 1 --multiplier-latency 3 --effort 1 --seed 0 --beat-elements 2
//
// 3 multipliers, 6 additions, 7 stages, 67 register bits
`default_nettype none

module tiny_hidden (
    input  wire clk,
    input  wire rst,  // synchronous, clears the valid bits only
    input  wire s_valid,
    output wire s_ready,
    input  wire s_user,
    input  wire [11:0] s_data,  // 3 elements of s4 * 2^-2
    output wire m_valid,
    input  wire m_ready,
    output wire m_user,
    output wire [11:0] m_data  // 3 elements of u4 * 2^-2
);
    // ==== Control: one valid bit and one enable per boundary. A boundary loads when it is empty or
    // the next one loads.
    reg  p7_valid;
    reg  p7_user;
    wire p7_enable = !p7_valid | m_ready;
    reg  p6_valid;
    reg  p6_user;
    wire p6_enable = !p6_valid | p7_enable;
    reg  p5_valid;
    reg  p5_user;
    wire p5_enable = !p5_valid | p6_enable;
    reg  p4_valid;
    reg  p4_user;
    wire p4_enable = !p4_valid | p5_enable;
    reg  p3_valid;
    reg  p3_user;
    wire p3_enable = !p3_valid | p4_enable;
    reg  p2_valid;
    reg  p2_user;
    wire p2_enable = !p2_valid | p3_enable;
    reg  p1_valid;
    reg  p1_user;
    wire p1_enable = !p1_valid | p2_enable;

    always @(posedge clk)
        if (rst) begin
            p1_valid <= 1'b0;
            p2_valid <= 1'b0;
            p3_valid <= 1'b0;
            p4_valid <= 1'b0;
            p5_valid <= 1'b0;
            p6_valid <= 1'b0;
            p7_valid <= 1'b0;
        end else begin
            if (p1_enable) p1_valid <= s_valid;
            if (p2_enable) p2_valid <= p1_valid;
            if (p3_enable) p3_valid <= p2_valid;
            if (p4_enable) p4_valid <= p3_valid;
            if (p5_enable) p5_valid <= p4_valid;
            if (p6_enable) p6_valid <= p5_valid;
            if (p7_enable) p7_valid <= p6_valid;
        end

    assign s_ready = p1_enable;
    assign m_valid = p7_valid;
    assign m_user  = p7_user;

    // ==== Stage 0: 1 addition, 3 registers
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];
    wire [3:0] x_2 = s_data[11:8];
    reg [4:0] p1_wb_add_0;  // W_b rows 1-2
    reg [3:0] p1_x_0, p1_x_1;
    always @(posedge clk)
        if (p1_enable) begin
            p1_user <= s_user;
            p1_wb_add_0 <= {x_2[3], x_2} - {x_1[3], x_1};
            p1_x_0 <= x_0;
            p1_x_1 <= x_1;
        end

    // ==== Stage 1: 2 additions, 3 multipliers
    wire [4:0] wb_add_1 = {p1_x_0[3], p1_x_0} + {p1_x_1[3], p1_x_1};  // W_b row 0
    wire [5:0] wb_add_2 = {{2{p1_x_0[3]}}, p1_x_0} - {p1_wb_add_0[4], p1_wb_add_0};  // W_b row 1
    wire [6:0] p4_m_0;  // product of row 0: round(5 * wb_add_1 * 2^-1)
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(4), .COEFFICIENT(4'sd5),
        .SHIFT(1), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .enable({p4_enable, p3_enable, p2_enable}), .x(wb_add_1), .product(p4_m_0)
    );
    wire [7:0] p4_m_1;  // product of row 1: round(-4 * wb_add_2)
    strassenc_multiplier #(
        .OPERAND_BITS(6), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(4), .COEFFICIENT(-4'sd4),
        .SHIFT(0), .PRODUCT_BITS(8), .LATENCY(3)
    ) multiplier_1 (
        .clk(clk), .enable({p4_enable, p3_enable, p2_enable}), .x(wb_add_2), .product(p4_m_1)
    );
    wire [5:0] p4_m_2;  // product of row 2: round(7 * p1_wb_add_0 * 2^-2)
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(4), .COEFFICIENT(4'sd7),
        .SHIFT(2), .PRODUCT_BITS(6), .LATENCY(3)
    ) multiplier_2 (
        .clk(clk), .enable({p4_enable, p3_enable, p2_enable}), .x(p1_wb_add_0), .product(p4_m_2)
    );
    always @(posedge clk)
        if (p2_enable) begin
            p2_user <= p1_user;
        end

    // ==== Stage 2: control only
    always @(posedge clk)
        if (p3_enable) begin
            p3_user <= p2_user;
        end

    // ==== Stage 3: control only
    always @(posedge clk)
        if (p4_enable) begin
            p4_user <= p3_user;
        end

    // ==== Stage 4: 3 additions, 3 registers
    wire [8:0] wc_add_2 = {{2{p4_m_0[6]}}, p4_m_0} - {p4_m_1[7], p4_m_1};  // W_c row 2
    reg [7:0] p5_wc_add_0;  // W_c row 0
    reg [7:0] p5_wc_add_1;  // W_c row 1
    reg [8:0] p5_y_2;  // output 2: bias and rounding
    always @(posedge clk)
        if (p5_enable) begin
            p5_user <= p4_user;
            p5_wc_add_0 <= {p4_m_0[6], p4_m_0} - {{2{p4_m_2[5]}}, p4_m_2};
            p5_wc_add_1 <= p4_m_1 + {{2{p4_m_2[5]}}, p4_m_2};
            p5_y_2 <= wc_add_2;
        end

    // ==== Stage 5: 2 constant additions, 1 clamp, 3 registers
    wire [5:0] y_0;  // output 0: bias and rounding
    wire [1:0] y_0_unused;
    assign {y_0, y_0_unused} = p5_wc_add_0 + 8'd5;
    wire [6:0] y_1;  // output 1: bias and rounding
    wire [0:0] y_1_unused;
    assign {y_1, y_1_unused} = p5_wc_add_1 - 8'd1;
    reg [3:0] p6_z_2;  // output 2: saturation
    reg [5:0] p6_y_0;
    reg [6:0] p6_y_1;
    always @(posedge clk)
        if (p6_enable) begin
            p6_user <= p5_user;
            p6_z_2 <= p5_y_2[8] ? 4'd0 : |p5_y_2[7:4] ? 4'd15 : p5_y_2[3:0];
            p6_y_0 <= y_0;
            p6_y_1 <= y_1;
        end

    // ==== Stage 6: 2 clamps, 3 registers
    reg [3:0] p7_z_0;  // output 0: saturation
    reg [3:0] p7_z_1;  // output 1: saturation
    reg [3:0] p7_z_2;
    always @(posedge clk)
        if (p7_enable) begin
            p7_user <= p6_user;
            p7_z_0 <= p6_y_0[5] ? 4'd0 : p6_y_0[4] ? 4'd15 : p6_y_0[3:0];
            p7_z_1 <= p6_y_1[6] ? 4'd0 : |p6_y_1[5:4] ? 4'd15 : p6_y_1[3:0];
            p7_z_2 <= p6_z_2;
        end

    assign m_data = {p7_z_2, p7_z_1, p7_z_0};
endmodule

`default_nettype wire
