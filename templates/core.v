{{ header }}
//
// Latency {{ s.latency }} clocks from the last beat of a vector to the first beat of its result; a vector every {{ s.ii }} clock{% if s.ii > 1 %}s{% endif %}.
`default_nettype none

module {{ s.top }} (
{%- for (port, comment) in ports %}
    {{ port }}{% if !loop.last %},{% endif %}{% if !comment.is_empty() %}  // {{ comment }}{% endif %}
{%- endfor %}
);
    wire rst = !aresetn;

    // ==== Input: what carries information of each lane, registered, and collected to a vector
    wire [{{ input.beat_bits - 1 }}:0] s_beat;
{%- for line in lanes_in %}
    {{ line }}
{%- endfor %}

    wire [{{ word_bits - 1 }}:0] s_word;
    wire s_word_valid;
    wire s_word_ready;
    strassenc_stream_register #(
        .BITS({{ word_bits }})
    ) s_register (
        .clk(aclk), .clken({{ enable }}), .rst(rst),
        .s_valid(s_axis_tvalid), .s_ready(s_axis_tready), .s_data({s_axis_tuser, {% if !by_count %}s_axis_tlast, {% endif %}s_beat}),
        .m_valid(s_word_valid), .m_ready(s_word_ready), .m_data(s_word)
    );

    wire [{{ input.frame_bits() - 1 }}:0] s_frame;
    wire x0_valid;
    wire x0_ready;
    wire x0_user;
{%- if by_count %}
    wire frame_error_unused;
{%- endif %}
    strassenc_collector #(
        .BEAT_BITS({{ input.beat_bits }}), .BEATS({{ s.input.beats }}){% if by_count %}, .BY_COUNT(1){% endif %}
    ) collector (
        .clk(aclk), .clken({{ enable }}), .rst(rst),
        .s_valid(s_word_valid), .s_ready(s_word_ready), .s_data(s_word[{{ input.beat_bits - 1 }}:0]),
        .s_last({% if by_count %}1'b0{% else %}s_word[{{ input.beat_bits }}]{% endif %}), .s_user(s_word[{{ word_bits - 1 }}]),
        .m_valid(x0_valid), .m_ready(x0_ready), .m_data(s_frame), .m_user(x0_user),
{%- if by_count %}
        .frame_error_clear(1'b0), .frame_error(frame_error_unused)
{%- else %}
        .frame_error_clear(frame_error_clear), .frame_error(frame_error)
{%- endif %}
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
    wire [{{ output.beat_bits - 1 }}:0] m_beat_out = m_word[{{ output.beat_bits - 1 }}:0];
{%- for line in lanes_out %}
    {{ line }}
{%- endfor %}
endmodule

`default_nettype wire
