{{ header }}
//
// Latency {{ s.latency }} clocks from the last beat of a vector to the first beat of its result; a vector every {{ s.ii }} clock{% if s.ii > 1 %}s{% endif %}.
`default_nettype none

module {{ s.top }} (
    input  wire aclk,
    input  wire aresetn,  // synchronous, clears control only
{%- if clken %}
    input  wire aclken,
{%- endif %}
    input  wire [{{ s.input.data_bits() - 1 }}:0] s_axis_tdata,  // {{ input.description }}
    input  wire s_axis_tvalid,
    output wire s_axis_tready,
    input  wire s_axis_tlast,  // on the last beat of a vector
    input  wire s_axis_tuser,  // on the first beat: a sequence starts
    output wire [{{ s.output.data_bits() - 1 }}:0] m_axis_tdata,  // {{ output.description }}
    output wire m_axis_tvalid,
    input  wire m_axis_tready,
    output wire m_axis_tlast,
    output wire m_axis_tuser,
    output wire frame_error  // high after a wrong s_axis_tlast, until reset
);
    wire rst = !aresetn;

    // ==== Input: what carries information of each lane, registered, and collected to a vector
    wire [{{ input.beat_bits - 1 }}:0] s_beat;
{%- if input.lane == input.bits %}
    assign s_beat = s_axis_tdata;
{%- else %}
    genvar s;
    generate
        for (s = 0; s < {{ s.input.beat_elements }}; s = s + 1) begin : s_lane
            assign s_beat[{{ input.bits }}*s +: {{ input.bits }}] = s_axis_tdata[{{ input.lane }}*s +: {{ input.bits }}];
            wire unused = &{1'b0, s_axis_tdata[{{ input.lane }}*s+{{ input.bits }} +: {{ input.lane - input.bits }}]};
        end
    endgenerate
{%- endif %}

    wire [{{ input.beat_bits + 1 }}:0] s_word;
    wire s_word_valid;
    wire s_word_ready;
    strassenc_stream_register #(
        .BITS({{ input.beat_bits + 2 }})
    ) s_register (
        .clk(aclk), .clken({{ enable }}), .rst(rst),
        .s_valid(s_axis_tvalid), .s_ready(s_axis_tready), .s_data({s_axis_tuser, s_axis_tlast, s_beat}),
        .m_valid(s_word_valid), .m_ready(s_word_ready), .m_data(s_word)
    );

    wire [{{ input.frame_bits() - 1 }}:0] s_frame;
    wire x0_valid;
    wire x0_ready;
    wire x0_user;
    strassenc_collector #(
        .BEAT_BITS({{ input.beat_bits }}), .BEATS({{ s.input.beats }})
    ) collector (
        .clk(aclk), .clken({{ enable }}), .rst(rst),
        .s_valid(s_word_valid), .s_ready(s_word_ready), .s_data(s_word[{{ input.beat_bits - 1 }}:0]),
        .s_last(s_word[{{ input.beat_bits }}]), .s_user(s_word[{{ input.beat_bits + 1 }}]),
        .m_valid(x0_valid), .m_ready(x0_ready), .m_data(s_frame), .m_user(x0_user),
        .frame_error(frame_error)
    );
    wire [{{ input.vector_bits - 1 }}:0] x0_data = s_frame{% if input.padding() > 0 %}[{{ input.vector_bits - 1 }}:0]{% endif %};
{%- if input.padding() > 0 %}
    wire padding_unused = &{1'b0, s_frame[{{ input.frame_bits() - 1 }}:{{ input.vector_bits }}]};  // lanes of the last beat
{%- endif %}
{% for layer in s.layers %}
    // ==== Layer {{ layer.name }}: {{ layer.multipliers }} multiplier{% if layer.multipliers != 1 %}s{% endif %}, latency {{ layer.latency }}
    wire [{{ layer.output.bits() - 1 }}:0] y{{ loop.index0 }}_data;
    wire y{{ loop.index0 }}_valid;
    wire y{{ loop.index0 }}_ready;
    wire y{{ loop.index0 }}_user;
    {{ layer.module }} layer_{{ layer.name }} (
        .clk(aclk),{% if clken %} .clken(aclken),{% endif %} .rst(rst),
        .s_valid(x{{ loop.index0 }}_valid), .s_ready(x{{ loop.index0 }}_ready), .s_user(x{{ loop.index0 }}_user), .s_data(x{{ loop.index0 }}_data),
        .m_valid(y{{ loop.index0 }}_valid), .m_ready(y{{ loop.index0 }}_ready), .m_user(y{{ loop.index0 }}_user), .m_data(y{{ loop.index0 }}_data)
    );
{% if !loop.last %}
    wire [{{ layer.output.bits() - 1 }}:0] x{{ loop.index }}_data;
    wire x{{ loop.index }}_valid;
    wire x{{ loop.index }}_ready;
    wire x{{ loop.index }}_user;
    strassenc_stream_register #(
        .BITS({{ layer.output.bits() + 1 }})
    ) register_{{ loop.index }} (
        .clk(aclk), .clken({{ enable }}), .rst(rst),
        .s_valid(y{{ loop.index0 }}_valid), .s_ready(y{{ loop.index0 }}_ready), .s_data({y{{ loop.index0 }}_user, y{{ loop.index0 }}_data}),
        .m_valid(x{{ loop.index }}_valid), .m_ready(x{{ loop.index }}_ready), .m_data({x{{ loop.index }}_user, x{{ loop.index }}_data})
    );
{% endif %}
{%- endfor %}
    // ==== Output: the vector in beats, registered, each element extended to whole bytes
    wire [{{ output.beat_bits - 1 }}:0] m_beat;
    wire m_beat_valid;
    wire m_beat_ready;
    wire m_beat_last;
    wire m_beat_user;
    strassenc_serialiser #(
        .BEAT_BITS({{ output.beat_bits }}), .BEATS({{ s.output.beats }})
    ) serialiser (
        .clk(aclk), .clken({{ enable }}), .rst(rst),
        .s_valid(y{{ last }}_valid), .s_ready(y{{ last }}_ready), .s_user(y{{ last }}_user), .s_data(
            {%- if output.padding() > 0 %}{ {{- output.padding() }}'d0, y{{ last }}_data}{% else %}y{{ last }}_data{% endif %}),
        .m_valid(m_beat_valid), .m_ready(m_beat_ready), .m_data(m_beat), .m_last(m_beat_last), .m_user(m_beat_user)
    );

    wire [{{ output.beat_bits + 1 }}:0] m_word;
    strassenc_stream_register #(
        .BITS({{ output.beat_bits + 2 }})
    ) m_register (
        .clk(aclk), .clken({{ enable }}), .rst(rst),
        .s_valid(m_beat_valid), .s_ready(m_beat_ready), .s_data({m_beat_user, m_beat_last, m_beat}),
        .m_valid(m_axis_tvalid), .m_ready(m_axis_tready), .m_data(m_word)
    );
    assign m_axis_tuser = m_word[{{ output.beat_bits + 1 }}];
    assign m_axis_tlast = m_word[{{ output.beat_bits }}];
{%- if output.lane == output.bits %}
    assign m_axis_tdata = m_word[{{ output.beat_bits - 1 }}:0];
{%- else %}
    genvar m;
    generate
        for (m = 0; m < {{ s.output.beat_elements }}; m = m + 1) begin : m_lane
            assign m_axis_tdata[{{ output.lane }}*m +: {{ output.lane }}] = { {{- output.extension() }}, m_word[{{ output.bits }}*m +: {{ output.bits }}]};
        end
    endgenerate
{%- endif %}
endmodule

`default_nettype wire
