{{ header }}
//
// {{ depth }} word{% if depth != 1 %}s{% endif %} of {{ bits }} bit{% if bits != 1 %}s{% endif %},
{#- #} read with one clock of latency:
// {{ words }}
{%- if ahead %}
//
// Addresses come in turn, from 0 after reset. The word after the one that is asked for is read, so
// that a register stands between the memory and what leaves: word 0 is the last one here, and reset
// reads it.
{%- endif %}
`default_nettype none
{%- if alone %}

// Yosys maps it to fewer LUTs alone than as part of what is around it.
`ifdef YOSYS
(* keep_hierarchy *)
`endif
{%- else %}
{% endif %}
module {{ module }} (
    input  wire clk,
{%- if ahead %}
    input  wire rst,
{%- endif %}
    input  wire enable,
    input  wire [{{ address_bits - 1 }}:0] address,
    output wire [{{ bits - 1 }}:0] data
);
    reg [{{ bits - 1 }}:0] memory [0:{{ depth - 1 }}];
    reg [{{ bits - 1 }}:0] word;

{%- if let Some(file) = file %}

    // The macro says where the file is, if not where the tool runs.
`ifdef STRASSENC_FOLDER
    initial $readmemh({`STRASSENC_FOLDER, "/{{ file }}"}, memory);
`else
    initial $readmemh("{{ file }}", memory);
`endif
{%- else %}

    initial begin
{%- for word in contents %}
        memory[{{ loop.index0 }}] = {{ bits }}'h{{ word }};
{%- endfor %}
    end
{%- endif %}
{%- if ahead %}

    reg [{{ bits - 1 }}:0] held;
    wire [{{ address_bits - 1 }}:0] next = rst ? {{ address_bits }}'d{{ depth - 1 }} : address;

    always @(posedge clk) if (enable | rst) word <= memory[next];
    always @(posedge clk) if (enable) held <= word;

    assign data = held;
{%- else %}

    always @(posedge clk) if (enable) word <= memory[address];

    assign data = word;
{%- endif %}
endmodule

`default_nettype wire
