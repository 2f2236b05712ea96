{{ header }}
//
// {{ words }} words of 32 bits, written at any time and read with one clock of latency.
`default_nettype none

module {{ module }} (
    input  wire clk,
    input  wire clken,
    input  wire write,
    input  wire [{{ address_bits - 1 }}:0] write_address,
    input  wire [31:0] data,
    input  wire read,
    input  wire [{{ address_bits - 1 }}:0] read_address,
    output reg  [31:0] word
);
    reg [31:0] memory [0:{{ words - 1 }}];

    // The macro says where the file is, if not where the tool runs.
`ifdef STRASSENC_FOLDER
    initial $readmemh({`STRASSENC_FOLDER, "/{{ file }}"}, memory);
`else
    initial $readmemh("{{ file }}", memory);
`endif

    always @(posedge clk) if (clken & write) memory[write_address] <= data;
    always @(posedge clk) if (clken & read) word <= memory[read_address];
endmodule

`default_nettype wire
