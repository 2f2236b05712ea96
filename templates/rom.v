{{ header }}
//
// {{ depth }} word{% if depth != 1 %}s{% endif %} of {{ bits }} bit{% if bits != 1 %}s{% endif %}, read with one clock of latency: {{ words }}
`default_nettype none

module {{ module }} (
    input  wire clk,
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

    always @(posedge clk) if (enable) word <= memory[address];

    assign data = word;
endmodule

`default_nettype wire
