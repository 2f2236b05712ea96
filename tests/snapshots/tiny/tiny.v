// tiny: the AXI4-Stream core of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256
// 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0 --beat-elements 2
//
// A frame every 2 clocks; the first beat of a result 12 clocks after the last beat of its frame.
`default_nettype none

module tiny (
    input  wire aclk,
    input  wire aresetn,  // synchronous, clears control only
    input  wire [15:0] s_axis_tdata,  // 2 elements of s4 * 2^-2 in 1 byte, 2 beats for 3
    input  wire [1:0] s_axis_tkeep,  // not read
    input  wire s_axis_tvalid,
    output wire s_axis_tready,
    input  wire s_axis_tlast,  // on the last beat of a frame
    input  wire s_axis_tuser,  // on the first beat: goes with the frame; may be tied low
    output wire [31:0] m_axis_tdata,  // 2 elements of s9 * 2^-3 in 2 bytes, 2 beats for 3
    output wire [3:0] m_axis_tkeep,  // low for the surplus bytes of the last beat
    output wire m_axis_tvalid,
    input  wire m_axis_tready,
    output wire m_axis_tlast,
    output wire m_axis_tuser,
    input  wire frame_error_clear,  // may be tied low
    output wire frame_error  // high after a wrong s_axis_tlast, until cleared or reset
);
    wire rst = !aresetn;

    // ==== Input: what carries information of each lane, registered
    wire [7:0] s_beat_data;
    genvar s;
    generate
        for (s = 0; s < 2; s = s + 1) begin : s_lane
            assign s_beat_data[4*s +: 4] = s_axis_tdata[8*s +: 4];
            wire unused = &{1'b0, s_axis_tdata[8*s+4 +: 4]};
        end
    endgenerate
    wire keep_unused = &{1'b0, s_axis_tkeep};

    // ==== Register s_register: breaks every combinational path
    wire s_register_valid;
    wire s_register_ready;
    wire [7:0] s_register_data;
    wire s_register_user;
    wire s_register_last;
    strassenc_stream_register #(
        .BITS(10)
    ) u_s_register (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(s_axis_tvalid), .s_ready(s_axis_tready),
        .s_data({s_axis_tuser, s_axis_tlast, s_beat_data}),
        .m_valid(s_register_valid), .m_ready(s_register_ready),
        .m_data({s_register_user, s_register_last, s_register_data})
    );

    // ==== Input: 2 beats of a frame to one word
    wire collector_valid;
    wire collector_ready;
    wire [11:0] collector_data;
    wire collector_user;
    strassenc_collector #(
        .BEAT_BITS(8), .BEATS(2), .BITS(12)
    ) u_collector (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(s_register_valid), .s_ready(s_register_ready),
        .s_data(s_register_data), .s_user(s_register_user),
        .m_valid(collector_valid), .m_ready(collector_ready),
        .m_data(collector_data), .m_user(collector_user),
        .s_last(s_register_last), .frame_error_clear(frame_error_clear), .frame_error(frame_error)
    );

    // ==== 2 layers: a free-running pipeline of 10 stages, 7 words at most
    wire layer_scores_valid;
    wire layer_scores_ready;
    wire [26:0] layer_scores_data;
    wire layer_scores_user;
    wire [11:0] layer_hidden_data;
    wire [26:0] layer_scores_result;
    tiny_hidden u_pipeline_hidden (
        .clk(aclk), .s_data(collector_data), .m_data(layer_hidden_data)
    );
    tiny_scores u_pipeline_scores (
        .clk(aclk), .s_data(layer_hidden_data), .m_data(layer_scores_result)
    );
    strassenc_segment #(
        .STAGES(10), .BITS(27), .DEPTH(7)
    ) u_layer_scores (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(collector_valid), .s_ready(collector_ready), .s_user(collector_user),
        .result(layer_scores_result),
        .m_valid(layer_scores_valid), .m_ready(layer_scores_ready),
        .m_data(layer_scores_data), .m_user(layer_scores_user)
    );

    // ==== One word to 2
    wire m_narrow_valid;
    wire m_narrow_ready;
    wire [17:0] m_narrow_data;
    wire m_narrow_user;
    wire m_narrow_last_unused;
    strassenc_serialiser #(
        .BEAT_BITS(18), .BEATS(2), .BITS(27)
    ) u_m_narrow (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(layer_scores_valid), .s_ready(layer_scores_ready),
        .s_data(layer_scores_data), .s_user(layer_scores_user),
        .m_valid(m_narrow_valid), .m_ready(m_narrow_ready),
        .m_data(m_narrow_data), .m_user(m_narrow_user),
        .m_last(m_narrow_last_unused)
    );

    // ==== Output: the last word of each frame marked
    wire frame_end_valid;
    wire frame_end_ready;
    wire [17:0] frame_end_data;
    wire frame_end_user;
    wire frame_end_last;
    strassenc_frame_end #(
        .BITS(18), .BEATS(2)
    ) u_frame_end (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(m_narrow_valid), .s_ready(m_narrow_ready),
        .s_data(m_narrow_data), .s_user(m_narrow_user),
        .m_valid(frame_end_valid), .m_ready(frame_end_ready),
        .m_data(frame_end_data), .m_user(frame_end_user),
        .m_last(frame_end_last)
    );

    // ==== Register m_register: breaks every combinational path
    wire [17:0] m_register_data;
    strassenc_stream_register #(
        .BITS(20)
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
        for (m = 0; m < 2; m = m + 1) begin : m_lane
            assign m_axis_tdata[16*m +: 16] = {{7{m_register_data[9*m+8]}}, m_register_data[9*m +: 9]};
        end
    endgenerate
    assign m_axis_tkeep = {{2{!m_axis_tlast}}, {2{1'b1}}};
endmodule

`default_nettype wire
