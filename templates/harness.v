// Around a core with more ports than a device has pins: its inputs come bit by bit through a shift
// register, its outputs leave through another, which adds them up modulo 2. All its ports end at
// registers, between which stands at most one gate.
module strassenc_harness (
    input  wire clk,
    input  wire serial_in,
    output wire serial_out
);
    reg  [{{ inputs - 1 }}:0] in;
    wire [{{ outputs - 1 }}:0] out;
    reg  [{{ outputs - 1 }}:0] held;
    reg  [{{ outputs }}:0] sum;
    assign serial_out = sum[{{ outputs }}];
    always @(posedge clk) begin
        in <= {in, serial_in};
        held <= out;
        sum <= {sum[{{ outputs - 1 }}:0] ^ held, 1'b0};
    end
    {{ top }} core (
{%- for port in ports %}
        {{ port }}{% if !loop.last %},{% endif %}
{%- endfor %}
    );
endmodule
