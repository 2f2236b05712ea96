// image_conv: layer `conv` of the network image.
// Written by strassenc 0.1.0 from the model with SHA-256
// 001ce09678aedbea0d874b9fbc8f0a96eefa629dc4a2e7f36e4c8000006cae46
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// Unrolled: a pipeline of 5 stages.
`default_nettype none

module image_conv (
    input  wire clk,
    input  wire rst,  // synchronous, clears control only
    input  wire s_valid,
    output wire s_ready,
    input  wire [3:0] s_data,  // 1 element of s4 * 2^-3, 4 words a frame
    input  wire s_user,
    output wire m_valid,
    input  wire m_ready,
    output wire [6:0] m_data,  // 1 element of s7 * 2^-3, 9 words a frame
    output wire m_user
);

    // ==== Windows of 2x2 pixels, 1 apart, pad 1: 3x3 on 2x2 pixels
    wire window_valid;
    wire window_ready;
    wire [15:0] window_data;
    wire window_user;
    strassenc_window #(
        .ELEMENT_BITS(4), .FILL(4'd0), .ELEMENTS(1),
        .HEIGHT(2), .WIDTH(2), .K_H(2), .K_W(2), .STRIDE_H(1), .STRIDE_W(1), .PAD_H(1), .PAD_W(1), .ROWS(3), .COLUMNS(3), .SLOTS(3)
    ) u_window (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(window_valid), .m_ready(window_ready), .m_data(window_data), .m_user(window_user)
    );

    // ==== The SPN of a window: a free-running pipeline of 5 stages, 7 words at most
    wire [6:0] kernel_result;
    image_conv_kernel u_pipeline (
        .clk(clk), .s_data(window_data), .m_data(kernel_result)
    );
    strassenc_segment #(
        .STAGES(5), .BITS(7), .DEPTH(7)
    ) u_kernel (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(window_valid), .s_ready(window_ready), .s_user(window_user),
        .result(kernel_result),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user)
    );

endmodule

`default_nettype wire
