{{ header }}
//
// {{ summary }}
`default_nettype none

module {{ module }} (
{%- if clock != Clock::None %}
    input  wire clk,
{%- endif %}
{%- if clken %}
    input  wire clken,
{%- endif %}
{%- if !parameters.is_empty() %}
    input  wire load,  // high: what is loaded moves by a bit
    input  wire load_in,
    output wire load_out,
{%- endif %}
    input  wire [{{ input_bits - 1 }}:0] s_data,  // {{ input }}
    output wire [{{ output_bits - 1 }}:0] m_data  // {{ output }}
);
{%- if !inputs.is_empty() %}
    // ==== Inputs
{%- endif %}
{%- for x in inputs %}
    wire [{{ x.high }}:0] {{ x.name }} = {{ x.value }};
{%- endfor %}
{%- if !unused.is_empty() %}
    wire inputs_unused = &{1'b0, {{ unused }}};
{%- endif %}
{%- if !parameters.is_empty() %}

    // ==== Parameters, loaded from the first one on
{%- for p in parameters %}
    wire [{{ p.bits - 1 }}:0] {{ p.name }};  // {{ p.origin }}
{%- if !loop.last %}
    wire {{ p.leaves }};
{%- endif %}
    strassenc_parameter #(.BITS({{ p.bits }})) u_{{ p.name }} (
        .clk(clk), .shift(load), .s({{ p.enters }}), .m({{ p.leaves }}), .value({{ p.name }})
    );
{%- endfor %}
{%- endif %}
{%- if !clocked && parameters.is_empty() && clock != Clock::None %}
    wire clock_unused = &{1'b0, clk{% if clken %}, clken{% endif %}};
{%- endif %}
{% for stage in stages %}
    // ==== Stage {{ stage.number }}: {{ stage.summary }}
{%- for wire in stage.wires %}
    wire [{{ wire.high }}:0] {{ wire.name }}
    {%- if wire.dropped == 0 && wire.terms.is_empty() %} = {{ wire.value }};{% else %};{% endif %}
    {#- #}  // {{ wire.origin }}
{%- if !wire.terms.is_empty() %}: {{ wire.value }}
    strassenc_add3 #(
        .BITS({{ wire.high + 1 }}),
{%- for t in wire.terms %}
        .{{ t.letter }}_BITS({{ t.bits }}), .{{ t.letter }}_SIGNED({{ t.signed }}),
        {#- #} .{{ t.letter }}_SHIFT({{ t.shift }})
        {%- if !loop.first %}, .NEGATE_{{ t.letter }}({{ t.negate }}){% endif %}
        {%- if !loop.last %},{% endif %}
{%- endfor %}
    ) sum_{{ wire.name }} (
        {% for t in wire.terms %}.{{ t.port }}({{ t.value }}), {% endfor %}.y({{ wire.name }})
    );
{%- endif %}
{%- if wire.dropped > 0 %}
    wire [{{ wire.dropped - 1 }}:0] {{ wire.name }}_unused;
    assign { {{- wire.name }}, {{ wire.name }}_unused} = {{ wire.value }};
{%- endif %}
{%- endfor %}
{%- if !stage.unused.is_empty() %}
    wire stage_{{ stage.number }}_unused = &{1'b0, {{ stage.unused }}};
{%- endif %}
{%- for m in stage.multipliers %}
    // {{ m.origin }}:
    {#- #} round({% if m.loaded %}{{ m.coefficient }}{% else %}{{ m.coefficient_value }}{% endif %}
    {#- #} * {{ m.x }}
    {%- if m.shift != 0 %} * 2^{{ -m.shift }}{% endif %})
    wire [{{ m.product_bits - 1 }}:0] {{ m.product }};
    strassenc_{% if m.loaded %}scaled_product{% else %}multiplier{% endif %} #(
        .OPERAND_BITS({{ m.operand_bits }}), .OPERAND_SIGNED({{ m.operand_signed }}),
        .COEFFICIENT_BITS({{ m.coefficient_bits }})
        {%- if !m.loaded %}, .COEFFICIENT({{ m.coefficient }}){% endif %},
        .SHIFT({{ m.shift }}), .PRODUCT_BITS({{ m.product_bits }}), .LATENCY({{ m.latency }})
    ) {{ m.instance }} (
        .clk(clk), .clken({% if clken %}clken{% else %}1'b1{% endif %}), .x({{ m.x }}),
        {%- if m.loaded %} .coefficient({{ m.coefficient }}),{% endif %} .product({{ m.product }})
    );
{%- endfor %}
{%- for m in stage.products %}
    // {{ m.origin }}: {{ m.operands[0].value }} * {{ m.operands[1].value }}
    wire [{{ m.product_bits - 1 }}:0] {{ m.product }};
    strassenc_product #(
        .A_BITS({{ m.operands[0].bits }}), .A_SIGNED({{ m.operands[0].signed }}),
        .B_BITS({{ m.operands[1].bits }}), .B_SIGNED({{ m.operands[1].signed }}),
        .PRODUCT_BITS({{ m.product_bits }}), .LATENCY({{ m.latency }})
    ) {{ m.instance }} (
        .clk(clk), .clken({% if clken %}clken{% else %}1'b1{% endif %}),
        .a({{ m.operands[0].value }}), .b({{ m.operands[1].value }}), .product({{ m.product }})
    );
{%- endfor %}
{%- for r in stage.registers %}
    reg [{{ r.high }}:0] p{{ stage.number + 1 }}_{{ r.name }};  // {{ r.origin }}
{%- endfor %}
{%- for group in stage.copies %}
    reg [{{ group.high }}:0] {{ group.names }};
{%- endfor %}
{%- if !stage.registers.is_empty() || !stage.copied.is_empty() %}
    always @(posedge clk){% if clken %} if (clken){% endif %} begin
{%- for r in stage.registers %}
        p{{ stage.number + 1 }}_{{ r.name }} <= {{ r.value }};
{%- endfor %}
{%- for c in stage.copied %}
        p{{ stage.number + 1 }}_{{ c.name }} <= {{ c.from }};
{%- endfor %}
    end
{%- endif %}
{% endfor %}
    assign m_data = { {{- outputs -}} };
endmodule

`default_nettype wire
