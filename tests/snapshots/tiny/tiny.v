// tiny: the AXI4-Stream core of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
// with --adders-per-stage 1 --multiplier-latency 3 --effort 1 --seed 0 --beat-elements 2
//
// Latency 15 clocks from the last beat of a vector to the first beat of its result; a vector every 2 clocks.
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

    // ==== Input: what carries information of each lane, registered, and collected to a vector
    wire [7:0] s_beat;
    genvar s;
    generate
        for (s = 0; s < 2; s = s + 1) begin : s_lane
            assign s_beat[4*s +: 4] = s_axis_tdata[8*s +: 4];
            wire unused = &{1'b0, s_axis_tdata[8*s+4 +: 4]};
        end
    endgenerate
    wire keep_unused = &{1'b0, s_axis_tkeep};

    wire [9:0] s_word;
    wire s_word_valid;
    wire s_word_ready;
    strassenc_stream_register #(
        .BITS(10)
    ) s_register (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(s_axis_tvalid), .s_ready(s_axis_tready), .s_data({s_axis_tuser, s_axis_tlast, s_beat}),
        .m_valid(s_word_valid), .m_ready(s_word_ready), .m_data(s_word)
    );

    wire [15:0] s_frame;
    wire x0_valid;
    wire x0_ready;
    wire x0_user;
    strassenc_collector #(
        .BEAT_BITS(8), .BEATS(2)
    ) collector (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(s_word_valid), .s_ready(s_word_ready), .s_data(s_word[7:0]),
        .s_last(s_word[8]), .s_user(s_word[9]),
        .m_valid(x0_valid), .m_ready(x0_ready), .m_data(s_frame), .m_user(x0_user),
        .frame_error_clear(frame_error_clear), .frame_error(frame_error)
    );
    wire [11:0] x0_data = s_frame[11:0];
    wire padding_unused = &{1'b0, s_frame[15:12]};  // lanes of the last beat

    // ==== Layer hidden: 3 multipliers, latency 7
    wire [11:0] y0_data;
    wire y0_valid;
    wire y0_ready;
    wire y0_user;
    tiny_hidden layer_hidden (
        .clk(aclk), .rst(rst),
        .s_valid(x0_valid), .s_ready(x0_ready), .s_user(x0_user), .s_data(x0_data),
        .m_valid(y0_valid), .m_ready(y0_ready), .m_user(y0_user), .m_data(y0_data)
    );

    wire [11:0] x1_data;
    wire x1_valid;
    wire x1_ready;
    wire x1_user;
    strassenc_stream_register #(
        .BITS(13)
    ) register_1 (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(y0_valid), .s_ready(y0_ready), .s_data({y0_user, y0_data}),
        .m_valid(x1_valid), .m_ready(x1_ready), .m_data({x1_user, x1_data})
    );

    // ==== Layer scores: 2 multipliers, latency 5
    wire [26:0] y1_data;
    wire y1_valid;
    wire y1_ready;
    wire y1_user;
    tiny_scores layer_scores (
        .clk(aclk), .rst(rst),
        .s_valid(x1_valid), .s_ready(x1_ready), .s_user(x1_user), .s_data(x1_data),
        .m_valid(y1_valid), .m_ready(y1_ready), .m_user(y1_user), .m_data(y1_data)
    );

    // ==== Output: the vector in beats, registered, each element extended to whole bytes
    wire [17:0] m_beat;
    wire m_beat_valid;
    wire m_beat_ready;
    wire m_beat_last;
    wire m_beat_user;
    strassenc_serialiser #(
        .BEAT_BITS(18), .BEATS(2)
    ) serialiser (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(y1_valid), .s_ready(y1_ready), .s_user(y1_user), .s_data({9'd0, y1_data}),
        .m_valid(m_beat_valid), .m_ready(m_beat_ready), .m_data(m_beat), .m_last(m_beat_last), .m_user(m_beat_user)
    );

    wire [19:0] m_word;
    strassenc_stream_register #(
        .BITS(20)
    ) m_register (
        .clk(aclk), .clken(1'b1), .rst(rst),
        .s_valid(m_beat_valid), .s_ready(m_beat_ready), .s_data({m_beat_user, m_beat_last, m_beat}),
        .m_valid(m_axis_tvalid), .m_ready(m_axis_tready), .m_data(m_word)
    );
    assign m_axis_tuser = m_word[19];
    assign m_axis_tlast = m_word[18];
    wire [17:0] m_beat_out = m_word[17:0];
    genvar m;
    generate
        for (m = 0; m < 2; m = m + 1) begin : m_lane
            assign m_axis_tdata[16*m +: 16] = {{7{m_beat_out[9*m+8]}}, m_beat_out[9*m +: 9]};
        end
    endgenerate
    assign m_axis_tkeep = {{2{!m_axis_tlast}}, {2{1'b1}}};
endmodule

`default_nettype wire
