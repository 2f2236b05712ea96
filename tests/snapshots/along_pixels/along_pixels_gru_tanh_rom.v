// along_pixels_gru_tanh_rom: a table of layer `gru` of the network along_pixels.
// Written by strassenc 0.1.0 from the model with SHA-256
// c17cddce7337f8deb83fd201eac023c63308f76ca8a4648736144aa7431ac921
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// 4 words of 4 bits, read with one clock of latency:
// tanh of 0 and up, in units of 2^-3
`default_nettype none

module along_pixels_gru_tanh_rom (
    input  wire clk,
    input  wire enable,
    input  wire [1:0] address,
    output wire [3:0] data
);
    reg [3:0] memory [0:3];
    reg [3:0] word;

    initial begin
        memory[0] = 4'h0;
        memory[1] = 4'h4;
        memory[2] = 4'h6;
        memory[3] = 4'h7;
    end

    always @(posedge clk) if (enable) word <= memory[address];

    assign data = word;
endmodule

`default_nettype wire
