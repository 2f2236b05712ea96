// tiny_scores: layer `scores` of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
// with --adders-per-stage 1 --multiplier-latency 3 --effort 1 --seed 0 --beat-elements 2
//
// 2 multipliers, 4 additions, 5 stages, 32 register bits
`default_nettype none

module tiny_scores (
    input  wire clk,
    input  wire rst,  // synchronous, clears the valid bits only
    input  wire s_valid,
    output wire s_ready,
    input  wire s_user,
    input  wire [11:0] s_data,  // 3 elements of u4 * 2^-2
    output wire m_valid,
    input  wire m_ready,
    output wire m_user,
    output wire [26:0] m_data  // 3 elements of s9 * 2^-3
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

    // ==== Stage 0: 2 additions, 2 multipliers
    wire [3:0] x_0 = s_data[3:0];
    wire [3:0] x_1 = s_data[7:4];
    wire [3:0] x_2 = s_data[11:8];
    wire [4:0] wb_add_0 = {1'd0, x_0} - {1'd0, x_2};  // W_b row 0
    wire [4:0] wb_add_1 = {1'd0, x_0} + {1'd0, x_1};  // W_b row 1
    wire [6:0] p3_m_0;  // product of row 0: round(3 * wb_add_0)
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(0), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .enable({p3_enable, p2_enable, p1_enable}), .x(wb_add_0), .product(p3_m_0)
    );
    wire [6:0] p3_m_1;  // product of row 1: round(2 * wb_add_1 * 2^1)
    strassenc_multiplier #(
        .OPERAND_BITS(5), .OPERAND_SIGNED(0), .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd2),
        .SHIFT(-1), .PRODUCT_BITS(7), .LATENCY(3)
    ) multiplier_1 (
        .clk(clk), .enable({p3_enable, p2_enable, p1_enable}), .x(wb_add_1), .product(p3_m_1)
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

    // ==== Stage 3: 2 additions, 2 registers
    reg [8:0] p4_wc_add_0;  // W_c row 0
    reg [6:0] p4_wc_add_1;  // W_c row 1
    always @(posedge clk)
        if (p4_enable) begin
            p4_user <= p3_user;
            p4_wc_add_0 <= {{2{p3_m_0[6]}}, p3_m_0} + {2'd0, p3_m_1};
            p4_wc_add_1 <= p3_m_0 - p3_m_1;
        end

    // ==== Stage 4: 2 constant additions, 2 registers
    reg [8:0] p5_y_0;  // output 0: bias
    reg [6:0] p5_y_1;  // output 1: bias
    always @(posedge clk)
        if (p5_enable) begin
            p5_user <= p4_user;
            p5_y_0 <= p4_wc_add_0 + 9'd1;
            p5_y_1 <= -p4_wc_add_1;
        end

    assign m_data = {-9'sd6, {2'd0, p5_y_1}, p5_y_0};
endmodule

`default_nettype wire
