// recurrent: the AXI4-Stream core of the network recurrent.
// Written by strassenc 0.1.0 from the model with SHA-256
// 2dbea2b45fcc2d2cf1056eb595df97369cf149c2ef19cd059fd127ac5f9829f9
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// A frame every 21 clocks; the first beat of a result 32 clocks after the last beat of its frame.
`default_nettype none

module recurrent (
    input  wire aclk,
    input  wire aresetn,  // synchronous, clears control only
    input  wire [7:0] s_axis_tdata,  // 1 element of s4 * 2^-3 in 1 byte
    input  wire s_axis_tvalid,
    output wire s_axis_tready,
    input  wire s_axis_tlast,  // on the last beat of a frame
    input  wire s_axis_tuser,  // on the first beat: a sequence starts
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
        .BITS(4), .BEATS(1)
    ) u_framer (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(s_register_valid), .s_ready(s_register_ready),
        .s_data(s_register_data), .s_user(s_register_user),
        .m_valid(framer_valid), .m_ready(framer_ready), .m_data(framer_data), .m_user(framer_user),
        .s_last(s_register_last), .frame_error_clear(frame_error_clear), .frame_error(frame_error)
    );

    // ==== Layer lstm: unrolled, 7 multipliers
    wire layer_lstm_valid;
    wire layer_lstm_ready;
    wire [3:0] layer_lstm_data;
    wire layer_lstm_user;
    recurrent_lstm u_layer_lstm (
        .clk(aclk), .rst(rst),
        .s_valid(framer_valid), .s_ready(framer_ready), .s_data(framer_data), .s_user(framer_user),
        .m_valid(layer_lstm_valid), .m_ready(layer_lstm_ready),
        .m_data(layer_lstm_data), .m_user(layer_lstm_user)
    );

    // ==== Register register_lstm: breaks every combinational path
    wire register_lstm_valid;
    wire register_lstm_ready;
    wire [3:0] register_lstm_data;
    wire register_lstm_user;
    strassenc_stream_register #(
        .BITS(5)
    ) u_register_lstm (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(layer_lstm_valid), .s_ready(layer_lstm_ready),
        .s_data({layer_lstm_user, layer_lstm_data}),
        .m_valid(register_lstm_valid), .m_ready(register_lstm_ready),
        .m_data({register_lstm_user, register_lstm_data})
    );

    // ==== The SPN of a window: a free-running pipeline of 9 stages, a word every 21 clocks, 1 word at most
    wire layer_scores_valid;
    wire layer_scores_ready;
    wire [4:0] layer_scores_data;
    wire layer_scores_user;
    wire [4:0] layer_scores_result;
    wire layer_scores_first_unused;
    recurrent_scores u_pipeline_scores (
        .clk(aclk), .s_first(register_lstm_valid & register_lstm_ready), .m_first(layer_scores_first_unused), .s_data(register_lstm_data), .m_data(layer_scores_result)
    );
    strassenc_segment #(
        .STAGES(9), .BITS(5), .DEPTH(1), .INTERVAL(21)
    ) u_layer_scores (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(register_lstm_valid), .s_ready(register_lstm_ready), .s_user(register_lstm_user),
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
