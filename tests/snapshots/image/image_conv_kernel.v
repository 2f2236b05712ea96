// image_conv_kernel: layer `conv` of the network image.
// Written by strassenc 0.1.0 from the model with SHA-256 001ce09678aedbea0d874b9fbc8f0a96eefa629dc4a2e7f36e4c8000006cae46
// with --adders-per-stage 1 --multiplier-latency 3 --effort 1 --seed 0
//
// 1 multiplier, 3 additions, 5 stages, 17 register bits
`default_nettype none

module image_conv_kernel (
    input  wire clk,
    input  wire rst,  // synchronous, clears the valid bits only
    input  wire s_valid,
    output wire s_ready,
    input  wire s_user,
    input  wire [15:0] s_data,  // 4 elements of s4 * 2^-3
    output wire m_valid,
    input  wire m_ready,
    output wire m_user,
    output wire [6:0] m_data  // 1 element of s7 * 2^-3
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

    // ==== Stage 0: 2 additions, 2 registers
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];
    wire [3:0] x_2 = s_data[11:8];
    wire [3:0] x_3 = s_data[15:12];
    reg [4:0] p1_wb_add_0;  // W_b row 0
    reg [4:0] p1_wb_add_1;  // W_b row 0
    always @(posedge clk)
        if (p1_enable) begin
            p1_user <= s_user;
            p1_wb_add_0 <= {x_0[3], x_0} - {x_1[3], x_1};
            p1_wb_add_1 <= {x_3[3], x_3} - {x_2[3], x_2};
        end

    // ==== Stage 1: 1 addition, 1 multiplier
    wire [5:0] wb_add_2 = {p1_wb_add_0[4], p1_wb_add_0} + {p1_wb_add_1[4], p1_wb_add_1};  // W_b row 0
    wire [6:0] p4_m_0;  // product of row 0: round(5 * wb_add_2 * 2^-2)
    strassenc_multiplier #(
        .OPERAND_BITS(6), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(4), .COEFFICIENT(4'sd5),
        .SHIFT(2), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .enable({p4_enable, p3_enable, p2_enable}), .x(wb_add_2), .product(p4_m_0)
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

    // ==== Stage 4: 1 constant addition, 1 register
    reg [6:0] p5_y_0;  // output 0: bias
    always @(posedge clk)
        if (p5_enable) begin
            p5_user <= p4_user;
            p5_y_0 <= p4_m_0 + 7'd1;
        end

    assign m_data = {p5_y_0};
endmodule

`default_nettype wire
