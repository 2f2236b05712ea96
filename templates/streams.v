{{ header }}
//
{%- for line in summary %}
// {{ line }}
{%- endfor %}
`default_nettype none

module {{ module }} (
{%- for port in ports %}
    {{ port.text }}{% if !loop.last %},{% endif %}
{%- if !port.comment.is_empty() %}  // {{ port.comment }}{% endif %}
{%- endfor %}
);
{%- for line in before %}
    {{ line }}
{%- endfor %}
{%- for block in blocks %}

    // ==== {{ block.banner }}
{%- for wire in block.wires %}
    wire {% if wire.bits > 1 || wire.vector %}[{{ wire.bits - 1 }}:0] {% endif %}{{ wire.name }};
{%- endfor %}
{%- for r in block.registers %}
    reg [{{ r.bits - 1 }}:0] {{ r.name }};
    always @(posedge {{ r.clk }}) {{ r.enable }}{{ r.name }} <= {{ r.of }};
{%- endfor %}
{%- for i in block.instances %}
    {{ i.module }}
    {%- if !i.parameters.is_empty() %} #(
        {{ i.parameters }}
    )
    {%- endif %} {{ i.name }} (
{%- for line in i.ports %}
        {{ line }}{% if !loop.last %},{% endif %}
{%- endfor %}
    );
{%- endfor %}
{%- endfor %}
{% for line in after %}
    {{ line }}
{%- endfor %}
endmodule

`default_nettype wire
