// folded_scores_coefficient_rom: a ROM of layer `scores` of the network folded.
// Written by strassenc 0.1.0 from the model with SHA-256
// 46b38e1dc3a353e86e317cf2485f8efd7a117b050a1162fc3b0b45a3edd33ec7
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0 --engine folded
//
// 1 word of 6 bits, read with one clock of latency:
// coefficients of 2 rows, in units of 2^-1
`default_nettype none

module folded_scores_coefficient_rom (
    input  wire clk,
    input  wire enable,
    input  wire [0:0] address,
    output wire [5:0] data
);
    reg [5:0] memory [0:0];
    reg [5:0] word;

    initial begin
        memory[0] = 6'h1b;
    end

    always @(posedge clk) if (enable) word <= memory[address];

    assign data = word;
endmodule

`default_nettype wire
