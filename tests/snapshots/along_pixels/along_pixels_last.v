// along_pixels_last: layer `last` of the network along_pixels.
// Written by strassenc 0.1.0 from the model with SHA-256
// c17cddce7337f8deb83fd201eac023c63308f76ca8a4648736144aa7431ac921
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// 1 element at a time.
`default_nettype none

module along_pixels_last (
    input  wire clk,
    input  wire rst,  // synchronous, clears control only
    input  wire s_valid,
    output wire s_ready,
    input  wire [3:0] s_data,  // 1 element of s4 * 2^-3, 3 words a frame
    input  wire s_user,
    output wire m_valid,
    input  wire m_ready,
    output wire [3:0] m_data,  // 1 element of s4 * 2^-3, 1 word a frame
    output wire m_user
);

    // ==== The last of 3 pixels
    strassenc_last #(
        .BITS(4), .PIXELS(3), .WORDS(1)
    ) u_last (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user)
    );

endmodule

`default_nettype wire
