{{ header }}
//
// {{ summary }}
`default_nettype none

module {{ module }} (
    input  wire clk,
{%- if clken %}
    input  wire clken,
{%- endif %}
    input  wire s_first,  // high in clock 0, in which a word enters
    output wire m_first,  // high in clock {{ latency }}, in which it leaves
    input  wire [{{ input_bits - 1 }}:0] s_data,  // {{ input }}
    output wire [{{ output_bits - 1 }}:0] m_data  // {{ output }}
);
    // ==== Strobes: number k is high in clock k of each word
    reg  [{{ strobes }}:1] strobes;
    wire [{{ strobes }}:0] strobe = {strobes, s_first};
    always @(posedge clk){% if clken %} if (clken){% endif %} strobes <= strobe[{{ strobes - 1 }}:0];
    assign m_first = strobe[{{ latency }}];
    wire strobes_unused = &{1'b0, strobe};
{%- if !positions.is_empty() %}

    // ==== Places of digits: how many clocks ago clock k of a word was
{%- for p in positions %}
    reg [{{ position_bits - 1 }}:0] position_{{ p.clock }};
{%- endfor %}
    always @(posedge clk){% if clken %} if (clken){% endif %} begin
{%- for p in positions %}
        position_{{ p.clock }} <= {{ p.next }};
{%- endfor %}
    end
{%- endif %}
{%- if !products.is_empty() %}

    // ==== Multipliers: the product of the row whose turn it is
{%- for (bits, rows) in products %}
    wire [{{ bits - 1 }}:0] multiplier_{{ loop.index0 }};  // {{ rows }}
{%- endfor %}
{%- endif %}
{% for c in clocks %}
    // ==== Clock {{ c.number }}: {{ c.summary }}
{%- for t in c.tables %}
    localparam [{{ t.places - 1 }}:0] {{ t.name }} = {{ t.places }}'b{{ t.value }};
{%- endfor %}
{%- for w in c.wires %}
    wire [{{ w.high }}:0] {{ w.name }}
    {%- if w.dropped == 0 %} = {{ w.value }};{% else %};{% endif %}  // {{ w.origin }}
{%- if w.dropped > 0 %}
    wire [{{ w.dropped - 1 }}:0] {{ w.name }}_unused;
    assign { {{- w.name }}, {{ w.name }}_unused} = {{ w.value }};
{%- endif %}
{%- endfor %}
{%- for s in c.sums %}
    wire [{{ s.high }}:0] {{ s.name }};  // {{ s.origin }}
    {%- if s.terms.len() == 2 %}
    strassenc_serial_add #(
        .DIGIT({{ s.high + 1 }}), .NEGATE({{ s.terms[1].1 }})
    ) sum_{{ s.name }} (
        .clk(clk), .clken({% if clken %}clken{% else %}1'b1{% endif %}), .restart(strobe[{{ s.restarts }}]), .a({{ s.terms[0].0 }}), .b({{ s.terms[1].0 }}), .sum({{ s.name }})
    );
    {%- else %}
    strassenc_serial_add3 #(
        .DIGIT({{ s.high + 1 }}), .NEGATE_B({{ s.terms[1].1 }}), .NEGATE_C({{ s.terms[2].1 }})
    ) sum_{{ s.name }} (
        .clk(clk), .clken({% if clken %}clken{% else %}1'b1{% endif %}), .restart(strobe[{{ s.restarts }}]), .a({{ s.terms[0].0 }}), .b({{ s.terms[1].0 }}), .c({{ s.terms[2].0 }}),
        .sum({{ s.name }})
    );
    {%- endif %}
{%- endfor %}
{%- for d in c.digits %}
    wire [{{ d.high }}:0] {{ d.name }};  // {{ d.origin }}
    strassenc_serial_digits #(
        .BITS({{ d.bits }}), .SIGNED({{ d.signed }}), .DIGIT({{ d.high + 1 }}), .POSITION_BITS({{ position_bits }})
    ) digits_{{ d.name }} (
        .clk(clk), .clken({% if clken %}clken{% else %}1'b1{% endif %}), .hold(strobe[{{ d.holds }}]), .x({{ d.x }}), .position(position_{{ c.number - 1 }}),
        .digit({{ d.name }})
    );
{%- endfor %}
{%- for p in c.products %}
    wire [{{ p.high }}:0] {{ p.name }} = {{ p.value }};  // {{ p.origin }}
{%- endfor %}
{%- for m in c.multipliers %}
    strassenc_serial_multiplier #(
        .ROWS({{ m.rows }}), .TURN_BITS({{ position_bits }}), .DIGIT({{ m.digit }}),
        .DIGITS({{ m.digits }}),
        .OPERAND_BITS({{ m.operand_bits }}), .OPERAND_SIGNED({{ m.operand_signed }}),
        .COEFFICIENT_BITS({{ m.coefficient_bits }}), .COEFFICIENTS({ {{- m.coefficients -}} }),
        .SHIFT({{ m.shift }}), .PRODUCT_BITS({{ m.bits }}), .LATENCY({{ m.latency }})
    ) multiply_{{ m.number }} (
        .clk(clk), .clken({% if clken %}clken{% else %}1'b1{% endif %}),
        .turn(position_{{ m.first }}), .row_digits({ {{- m.words -}} }),
        .product(multiplier_{{ m.number }})
    );
{%- endfor %}
{%- for b in c.bounds %}
    wire [{{ b.high }}:0] {{ b.name }};  // {{ b.origin }}
    strassenc_saturate #(.X_BITS({{ b.bits }}), .BITS({{ b.high + 1 }})) bounds_{{ b.name }} (.x({{ b.x }}), .y({{ b.name }}));
{%- endfor %}
{%- for r in c.registers %}
    reg [{{ r.high }}:0] {{ r.name }};
    {%- if !r.origin.is_empty() %}  // {{ r.origin }}{% endif %}
{%- endfor %}
{%- if !c.registers.is_empty() %}
    always @(posedge clk){% if clken %} if (clken){% endif %} begin
{%- for r in c.registers %}
        {{ r.name }} <= {{ r.value }};
{%- endfor %}
    end
{%- endif %}
{%- for w in c.gathered %}
    wire [{{ w.high }}:0] {{ w.name }} = {{ w.value }};  // {{ w.origin }}
{%- endfor %}
{%- if !c.unused.is_empty() %}
    wire clock_{{ c.number }}_unused = &{1'b0, {{ c.unused }}};
{%- endif %}
{% endfor %}
    assign m_data = { {{- outputs -}} };
endmodule

`default_nettype wire
