// The emitted pipeline beside its definition: for inputs within their intervals `trigger` is proved
// never to rise.
module miter (
    input  wire [{{ input_bits - 1 }}:0] data,
    output wire trigger
);
    wire [{{ output_bits - 1 }}:0] emitted_data;
    wire [{{ output_bits - 1 }}:0] defined_data;
    {{ module }} emitted (.clk(1'b0), .s_data(data), .m_data(emitted_data));
    wire inside;
    definition defined (.data(data), .result(defined_data), .inside(inside));
    assign trigger = inside & (emitted_data != defined_data);
endmodule

module definition (
    input  wire [{{ input_bits - 1 }}:0] data,
    output wire [{{ output_bits - 1 }}:0] result,
    output wire inside
);
{%- for (name, expression) in values %}
    wire signed [{{ width - 1 }}:0] {{ name }} = {{ expression }};
{%- endfor %}
{%- for (low, name) in results %}
    assign result[{{ low }} +: {{ result_bits }}] = {{ name }}[{{ result_bits - 1 }}:0];
{%- endfor %}
    assign inside = {{ inside }};
endmodule
