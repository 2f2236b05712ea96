// along_pixels: the AXI4-Stream core of the network along_pixels.
// Written by strassenc 0.1.0 from the model with SHA-256
// c17cddce7337f8deb83fd201eac023c63308f76ca8a4648736144aa7431ac921
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// A frame every 63 clocks; the first beat of a result 69 clocks after the last beat of its frame.
`default_nettype none

module along_pixels (
    input  wire aclk,
    input  wire aresetn,  // synchronous, clears control only
    input  wire [7:0] s_axis_tdata,  // 1 element of s4 * 2^-3 in 1 byte, 3 beats for 3
    input  wire s_axis_tvalid,
    output wire s_axis_tready,
    input  wire s_axis_tlast,  // on the last beat of a frame
    input  wire s_axis_tuser,  // on the first beat: goes with the frame; may be tied low
    output wire [7:0] m_axis_tdata,  // 1 element of s5 * 2^-3 in 1 byte
    output wire m_axis_tvalid,
    input  wire m_axis_tready,
    output wire m_axis_tlast,
    output wire m_axis_tuser,
    input  wire frame_error_clear,  // may be tied low
    output wire frame_error  // high after a wrong s_axis_tlast, until cleared or reset
);
    wire rst = !aresetn;

    // ==== Input: what carries information of each lane, registered
    wire [3:0] s_beat_data;
    genvar s;
    generate
        for (s = 0; s < 1; s = s + 1) begin : s_lane
            assign s_beat_data[4*s +: 4] = s_axis_tdata[8*s +: 4];
            wire unused = &{1'b0, s_axis_tdata[8*s+4 +: 4]};
        end
    endgenerate

    // ==== Register s_register: breaks every combinational path
    wire s_register_valid;
    wire s_register_ready;
    wire [3:0] s_register_data;
    wire s_register_user;
    wire s_register_last;
    strassenc_stream_register #(
        .BITS(6)
    ) u_s_register (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(s_axis_tvalid), .s_ready(s_axis_tready),
        .s_data({s_axis_tuser, s_axis_tlast, s_beat_data}),
        .m_valid(s_register_valid), .m_ready(s_register_ready),
        .m_data({s_register_user, s_register_last, s_register_data})
    );

    // ==== Input: every frame made whole
    wire framer_valid;
    wire framer_ready;
    wire [3:0] framer_data;
    wire framer_user;
    strassenc_framer #(
        .BITS(4), .BEATS(3)
    ) u_framer (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(s_register_valid), .s_ready(s_register_ready),
        .s_data(s_register_data), .s_user(s_register_user),
        .m_valid(framer_valid), .m_ready(framer_ready), .m_data(framer_data), .m_user(framer_user),
        .s_last(s_register_last), .frame_error_clear(frame_error_clear), .frame_error(frame_error)
    );

    // ==== Layer gru: unrolled, 6 multipliers
    wire layer_gru_valid;
    wire layer_gru_ready;
    wire [3:0] layer_gru_data;
    wire layer_gru_user;
    along_pixels_gru u_layer_gru (
        .clk(aclk), .rst(rst),
        .s_valid(framer_valid), .s_ready(framer_ready), .s_data(framer_data), .s_user(framer_user),
        .m_valid(layer_gru_valid), .m_ready(layer_gru_ready),
        .m_data(layer_gru_data), .m_user(layer_gru_user)
    );

    // ==== Register register_gru: breaks every combinational path
    wire register_gru_valid;
    wire register_gru_ready;
    wire [3:0] register_gru_data;
    wire register_gru_user;
    strassenc_stream_register #(
        .BITS(5)
    ) u_register_gru (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(layer_gru_valid), .s_ready(layer_gru_ready),
        .s_data({layer_gru_user, layer_gru_data}),
        .m_valid(register_gru_valid), .m_ready(register_gru_ready),
        .m_data({register_gru_user, register_gru_data})
    );

    // ==== Layer last: 1 element at a time
    wire layer_last_valid;
    wire layer_last_ready;
    wire [3:0] layer_last_data;
    wire layer_last_user;
    along_pixels_last u_layer_last (
        .clk(aclk), .rst(rst),
        .s_valid(register_gru_valid), .s_ready(register_gru_ready),
        .s_data(register_gru_data), .s_user(register_gru_user),
        .m_valid(layer_last_valid), .m_ready(layer_last_ready),
        .m_data(layer_last_data), .m_user(layer_last_user)
    );

    // ==== Register register_last: breaks every combinational path
    wire register_last_valid;
    wire register_last_ready;
    wire [3:0] register_last_data;
    wire register_last_user;
    strassenc_stream_register #(
        .BITS(5)
    ) u_register_last (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(layer_last_valid), .s_ready(layer_last_ready),
        .s_data({layer_last_user, layer_last_data}),
        .m_valid(register_last_valid), .m_ready(register_last_ready),
        .m_data({register_last_user, register_last_data})
    );

    // ==== The SPN of a window: a free-running pipeline of 4 stages, 1 word at most
    wire layer_scores_valid;
    wire layer_scores_ready;
    wire [4:0] layer_scores_data;
    wire layer_scores_user;
    wire [4:0] layer_scores_result;
    along_pixels_scores u_pipeline_scores (
        .clk(aclk), .s_data(register_last_data), .m_data(layer_scores_result)
    );
    strassenc_segment #(
        .STAGES(4), .BITS(5), .DEPTH(1)
    ) u_layer_scores (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(register_last_valid), .s_ready(register_last_ready), .s_user(register_last_user),
        .result(layer_scores_result),
        .m_valid(layer_scores_valid), .m_ready(layer_scores_ready),
        .m_data(layer_scores_data), .m_user(layer_scores_user)
    );

    // ==== Output: the last word of each frame marked
    wire frame_end_valid;
    wire frame_end_ready;
    wire [4:0] frame_end_data;
    wire frame_end_user;
    wire frame_end_last;
    strassenc_frame_end #(
        .BITS(5), .BEATS(1)
    ) u_frame_end (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(layer_scores_valid), .s_ready(layer_scores_ready),
        .s_data(layer_scores_data), .s_user(layer_scores_user),
        .m_valid(frame_end_valid), .m_ready(frame_end_ready),
        .m_data(frame_end_data), .m_user(frame_end_user),
        .m_last(frame_end_last)
    );

    // ==== Register m_register: breaks every forward path
    wire [4:0] m_register_data;
    strassenc_stream_register #(
        .BITS(7), .ENTRIES(1)
    ) u_m_register (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(frame_end_valid), .s_ready(frame_end_ready),
        .s_data({frame_end_user, frame_end_last, frame_end_data}),
        .m_valid(m_axis_tvalid), .m_ready(m_axis_tready),
        .m_data({m_axis_tuser, m_axis_tlast, m_register_data})
    );

    // ==== Output: each element extended to whole bytes
    genvar m;
    generate
        for (m = 0; m < 1; m = m + 1) begin : m_lane
            assign m_axis_tdata[8*m +: 8] = {{3{m_register_data[5*m+4]}}, m_register_data[5*m +: 5]};
        end
    endgenerate
endmodule

`default_nettype wire
