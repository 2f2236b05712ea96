{{ header }}
//
// {{ summary }}
`default_nettype none

module {{ module }} (
    input  wire clk,
{%- if clken %}
    input  wire clken,
{%- endif %}
    input  wire rst,  // synchronous, clears the valid bits only
    input  wire s_valid,
    output wire s_ready,
    input  wire s_user,
    input  wire [{{ input_bits - 1 }}:0] s_data,  // {{ input }}
    output wire m_valid,
    input  wire m_ready,
    output wire m_user,
    output wire [{{ output_bits - 1 }}:0] m_data  // {{ output }}
);
    // ==== Control: one valid bit and one enable per boundary. A boundary loads when it is empty or
    // the next one loads.
{%- for k in (1..=stages.len()).rev() %}
    reg  p{{ k }}_valid;
    reg  p{{ k }}_user;
{%- if clken %}
    wire p{{ k }}_free = !p{{ k }}_valid | {% if loop.first %}m_ready{% else %}p{{ k + 1 }}_free{% endif %};
    wire p{{ k }}_enable = clken & p{{ k }}_free;
{%- else %}
    wire p{{ k }}_enable = !p{{ k }}_valid | {% if loop.first %}m_ready{% else %}p{{ k + 1 }}_enable{% endif %};
{%- endif %}
{%- endfor %}

    always @(posedge clk)
        if (rst) begin
{%- for k in 1..=stages.len() %}
            p{{ k }}_valid <= 1'b0;
{%- endfor %}
        end else begin
{%- for k in 1..=stages.len() %}
            if (p{{ k }}_enable) p{{ k }}_valid <= {% if loop.first %}s{% else %}p{{ k - 1 }}{% endif %}_valid;
{%- endfor %}
        end

    assign s_ready = p1_{% if clken %}free{% else %}enable{% endif %};
    assign m_valid = p{{ stages.len() }}_valid;
    assign m_user  = p{{ stages.len() }}_user;
{% for stage in stages %}
    // ==== Stage {{ stage.number }}: {{ stage.summary }}
{%- if loop.first %}
{%- for x in inputs %}
    wire [{{ x.high }}:0] {{ x.name }} = {{ x.value }};
{%- endfor %}
{%- if !unused.is_empty() %}
    wire inputs_unused = &{1'b0, {{ unused }}};
{%- endif %}
{%- endif %}
{%- for wire in stage.wires %}
    wire [{{ wire.high }}:0] {{ wire.name }}
    {%- if wire.dropped == 0 %} = {{ wire.value }};{% else %};{% endif %}  // {{ wire.origin }}
{%- if wire.dropped > 0 %}
    wire [{{ wire.dropped - 1 }}:0] {{ wire.name }}_unused;
    assign { {{- wire.name }}, {{ wire.name }}_unused} = {{ wire.value }};
{%- endif %}
{%- endfor %}
{%- if !stage.unused.is_empty() %}
    wire stage_{{ stage.number }}_unused = &{1'b0, {{ stage.unused }}};
{%- endif %}
{%- for m in stage.multipliers %}
    wire [{{ m.product_bits - 1 }}:0] {{ m.product }};  // {{ m.origin }}: round({{ m.coefficient_value }} * {{ m.x }}
    {%- if m.shift != 0 %} * 2^{{ -m.shift }}{% endif %})
    strassenc_multiplier #(
        .OPERAND_BITS({{ m.operand_bits }}), .OPERAND_SIGNED({{ m.operand_signed }}), .COEFFICIENT_BITS({{ m.coefficient_bits }}), .COEFFICIENT({{ m.coefficient }}),
        .SHIFT({{ m.shift }}), .PRODUCT_BITS({{ m.product_bits }}), .LATENCY({{ m.latency }})
    ) {{ m.instance }} (
        .clk(clk), .enable({{ m.enable }}), .x({{ m.x }}), .product({{ m.product }})
    );
{%- endfor %}
{%- for m in stage.shift_added %}
    // {{ m.origin }}: round({{ m.coefficient }} * {{ m.x }}{% if m.shift != 0 %} * 2^{{ -m.shift }}{% endif %}), from shifts and additions
{%- for w in m.wires %}
    wire [{{ w.high }}:0] {{ w.name }} = {{ w.value }};
{%- endfor %}
{%- for r in m.registers %}
    reg [{{ r.high }}:0] {{ r.name }};
    always @(posedge clk) if ({{ r.enable }}) {{ r.name }} <= {{ r.value }};
{%- endfor %}
{%- if let Some(w) = m.sum %}
    wire [{{ w.high }}:0] {{ w.name }} = {{ w.value }};
{%- endif %}
{%- if !m.unused.is_empty() %}
    wire {{ m.unused_name }} = &{1'b0, {{ m.unused }}};
{%- endif %}
    reg [{{ m.high }}:0] {{ m.product }};
    always @(posedge clk) if ({{ m.enable }}) {{ m.product }} <= {{ m.value }};
{%- endfor %}
{%- for m in stage.products %}
    wire [{{ m.product_bits - 1 }}:0] {{ m.product }};  // {{ m.origin }}: {{ m.operands[0].value }} * {{ m.operands[1].value }}
    strassenc_product #(
        .A_BITS({{ m.operands[0].bits }}), .A_SIGNED({{ m.operands[0].signed }}), .B_BITS({{ m.operands[1].bits }}), .B_SIGNED({{ m.operands[1].signed }}),
        .PRODUCT_BITS({{ m.product_bits }}), .LATENCY({{ m.latency }})
    ) {{ m.instance }} (
        .clk(clk), .enable({{ m.enable }}), .a({{ m.operands[0].value }}), .b({{ m.operands[1].value }}), .product({{ m.product }})
    );
{%- endfor %}
{%- for r in stage.registers %}
    reg [{{ r.high }}:0] p{{ stage.number + 1 }}_{{ r.name }};  // {{ r.origin }}
{%- endfor %}
{%- for group in stage.copies %}
    reg [{{ group.high }}:0] {{ group.names }};
{%- endfor %}
    always @(posedge clk)
        if (p{{ stage.number + 1 }}_enable) begin
            p{{ stage.number + 1 }}_user <= {% if loop.first %}s{% else %}p{{ stage.number }}{% endif %}_user;
{%- for r in stage.registers %}
            p{{ stage.number + 1 }}_{{ r.name }} <= {{ r.value }};
{%- endfor %}
{%- for c in stage.copied %}
            p{{ stage.number + 1 }}_{{ c.name }} <= {{ c.from }};
{%- endfor %}
        end
{% endfor %}
    assign m_data = { {{- outputs -}} };
endmodule

`default_nettype wire
