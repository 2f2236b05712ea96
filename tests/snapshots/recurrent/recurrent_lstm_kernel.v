// recurrent_lstm_kernel: layer `lstm` of the network recurrent.
// Written by strassenc 0.1.0 from the model with SHA-256 2dbea2b45fcc2d2cf1056eb595df97369cf149c2ef19cd059fd127ac5f9829f9
// with --adders-per-stage 1 --multiplier-latency 3 --effort 1 --seed 0
//
// 4 multipliers, 0 additions, 5 stages, 28 register bits
`default_nettype none

module recurrent_lstm_kernel (
    input  wire clk,
    input  wire rst,  // synchronous, clears the valid bits only
    input  wire s_valid,
    output wire s_ready,
    input  wire s_user,
    input  wire [7:0] s_data,  // 2 elements of s4 * 2^0
    output wire m_valid,
    input  wire m_ready,
    output wire m_user,
    output wire [11:0] m_data  // 4 elements of s3 * 2^-1
);
    // ==== Control: one valid bit and one enable per boundary. A boundary loads when it is empty or
    // the next one loads.
    reg  p5_valid;
    reg  p5_user;
    wire p5_enable = !p5_valid | m_ready;
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
        end else begin
            if (p1_enable) p1_valid <= s_valid;
            if (p2_enable) p2_valid <= p1_valid;
            if (p3_enable) p3_valid <= p2_valid;
            if (p4_enable) p4_valid <= p3_valid;
            if (p5_enable) p5_valid <= p4_valid;
        end

    assign s_ready = p1_enable;
    assign m_valid = p5_valid;
    assign m_user  = p5_user;

    // ==== Stage 0: 4 multipliers
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];
    wire [4:0] p3_m_0;  // product of row 0: round(3 * x_0 * 2^-1)
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .enable({p3_enable, p2_enable, p1_enable}), .x(x_0), .product(p3_m_0)
    );
    wire [4:0] p3_m_1;  // product of row 1: round(3 * x_1 * 2^-1)
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_1 (
        .clk(clk), .enable({p3_enable, p2_enable, p1_enable}), .x(x_1), .product(p3_m_1)
    );
    wire [4:0] p3_m_2;  // product of row 2: round(3 * x_0 * 2^-1)
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_2 (
        .clk(clk), .enable({p3_enable, p2_enable, p1_enable}), .x(x_0), .product(p3_m_2)
    );
    wire [4:0] p3_m_3;  // product of row 3: round(3 * x_1 * 2^-1)
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_3 (
        .clk(clk), .enable({p3_enable, p2_enable, p1_enable}), .x(x_1), .product(p3_m_3)
    );
    always @(posedge clk)
        if (p1_enable) begin
            p1_user <= s_user;
        end

    // ==== Stage 1: control only
    always @(posedge clk)
        if (p2_enable) begin
            p2_user <= p1_user;
        end

    // ==== Stage 2: control only
    always @(posedge clk)
        if (p3_enable) begin
            p3_user <= p2_user;
        end

    // ==== Stage 3: 4 constant additions, 4 registers
    wire [3:0] y_0;  // output 0: bias and rounding
    wire [0:0] y_0_unused;
    assign {y_0, y_0_unused} = p3_m_0 + 5'd1;
    wire [3:0] y_1;  // output 1: bias and rounding
    wire [0:0] y_1_unused;
    assign {y_1, y_1_unused} = p3_m_1 + 5'd2;
    wire [3:0] y_2;  // output 2: bias and rounding
    wire [0:0] y_2_unused;
    assign {y_2, y_2_unused} = p3_m_2 + 5'd3;
    wire [3:0] y_3;  // output 3: bias and rounding
    wire [0:0] y_3_unused;
    assign {y_3, y_3_unused} = p3_m_3 + 5'd4;
    reg [3:0] p4_y_0, p4_y_1, p4_y_2, p4_y_3;
    always @(posedge clk)
        if (p4_enable) begin
            p4_user <= p3_user;
            p4_y_0 <= y_0;
            p4_y_1 <= y_1;
            p4_y_2 <= y_2;
            p4_y_3 <= y_3;
        end

    // ==== Stage 4: 4 clamps, 4 registers
    reg [2:0] p5_z_0;  // output 0: saturation
    reg [2:0] p5_z_1;  // output 1: saturation
    reg [2:0] p5_z_2;  // output 2: saturation
    reg [2:0] p5_z_3;  // output 3: saturation
    always @(posedge clk)
        if (p5_enable) begin
            p5_user <= p4_user;
            p5_z_0 <= p4_y_0[3] & !p4_y_0[2] ? -3'sd4 : !p4_y_0[3] & p4_y_0[2] ? 3'd3 : p4_y_0[2:0];
            p5_z_1 <= p4_y_1[3] & !p4_y_1[2] ? -3'sd4 : !p4_y_1[3] & p4_y_1[2] ? 3'd3 : p4_y_1[2:0];
            p5_z_2 <= p4_y_2[3] & !p4_y_2[2] ? -3'sd4 : !p4_y_2[3] & p4_y_2[2] ? 3'd3 : p4_y_2[2:0];
            p5_z_3 <= !p4_y_3[3] & p4_y_3[2] ? 3'd3 : p4_y_3[2:0];
        end

    assign m_data = {p5_z_3, p5_z_2, p5_z_1, p5_z_0};
endmodule

`default_nettype wire
