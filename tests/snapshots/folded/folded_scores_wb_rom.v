// folded_scores_wb_rom: a ROM of layer `scores` of the network folded.
// Written by strassenc 0.1.0 from the model with SHA-256
// 46b38e1dc3a353e86e317cf2485f8efd7a117b050a1162fc3b0b45a3edd33ec7
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0 --engine folded
//
// 1 word of 8 bits, read with one clock of latency:
// 2 rows of W_b, lane by lane, two bits each, the first in the low bits
`default_nettype none

module folded_scores_wb_rom (
    input  wire clk,
    input  wire enable,
    input  wire [0:0] address,
    output wire [7:0] data
);
    reg [7:0] memory [0:0];
    reg [7:0] word;

    initial begin
        memory[0] = 8'h7d;
    end

    always @(posedge clk) if (enable) word <= memory[address];

    assign data = word;
endmodule

`default_nettype wire
