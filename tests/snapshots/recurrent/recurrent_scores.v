// recurrent_scores: layer `scores` of the network recurrent.
// Written by strassenc 0.1.0 from the model with SHA-256 2dbea2b45fcc2d2cf1056eb595df97369cf149c2ef19cd059fd127ac5f9829f9
// with --adders-per-stage 1 --multiplier-latency 3 --effort 1 --seed 0
//
// 1 multiplier, 0 additions, 4 stages, 5 register bits
`default_nettype none

module recurrent_scores (
    input  wire clk,
    input  wire rst,  // synchronous, clears the valid bits only
    input  wire s_valid,
    output wire s_ready,
    input  wire s_user,
    input  wire [3:0] s_data,  // 1 element of s4 * 2^-3
    output wire m_valid,
    input  wire m_ready,
    output wire m_user,
    output wire [4:0] m_data  // 1 element of s5 * 2^-3
);
    // ==== Control: one valid bit and one enable per boundary. A boundary loads when it is empty or
    // the next one loads.
    reg  p4_valid;
    reg  p4_user;
    wire p4_enable = !p4_valid | m_ready;
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
        end else begin
            if (p1_enable) p1_valid <= s_valid;
            if (p2_enable) p2_valid <= p1_valid;
            if (p3_enable) p3_valid <= p2_valid;
            if (p4_enable) p4_valid <= p3_valid;
        end

    assign s_ready = p1_enable;
    assign m_valid = p4_valid;
    assign m_user  = p4_user;

    // ==== Stage 0: 1 multiplier
    wire [3:0] x_0 = s_data[3:0];
    wire [4:0] p3_m_0;  // product of row 0: round(3 * x_0 * 2^-1)
    strassenc_multiplier #(
        .OPERAND_BITS(4), .OPERAND_SIGNED(1), .COEFFICIENT_BITS(3), .COEFFICIENT(3'sd3),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiplier_0 (
        .clk(clk), .enable({p3_enable, p2_enable, p1_enable}), .x(x_0), .product(p3_m_0)
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

    // ==== Stage 3: 1 register
    reg [4:0] p4_y_0;  // output 0: bias
    always @(posedge clk)
        if (p4_enable) begin
            p4_user <= p3_user;
            p4_y_0 <= p3_m_0;
        end

    assign m_data = {p4_y_0};
endmodule

`default_nettype wire
