// strassenc_serial_add: a ± b, a digit of DIGIT bits a clock, the least significant one first.
//
// The carry waits in a register for the next digit. `restart` is high in the clock before a word's
// first digits: it sets the carry to what the word begins with, 0, or 1 where b is subtracted and
// so inverted. With the macro STRASSENC_XC7 a digit of up to four bits is one LUT6_2 a bit (AMD
// 7-series, UltraScale), in which the upper sum bit of two and the carry share five inputs; Yosys
// would take a LUT for either.
// Latency: 1 clock. clken low freezes it.
`default_nettype none

module strassenc_serial_add #(
    parameter DIGIT  = 1,
    parameter NEGATE = 0
) (
    input  wire             clk,
    input  wire             clken,
    input  wire             restart,
    input  wire [DIGIT-1:0] a,
    input  wire [DIGIT-1:0] b,
    output reg  [DIGIT-1:0] sum
);
    reg              carry;
    wire [DIGIT-1:0] next;
    wire             next_carry;

    always @(posedge clk)
        if (clken) begin
            sum   <= next;
            carry <= restart ? NEGATE != 0 : next_carry;
        end

`ifdef STRASSENC_XC7
    localparam CELLS = DIGIT <= 4;
`else
    localparam CELLS = 0;
`endif
    generate
        if (CELLS == 0) begin : expression
            wire [DIGIT-1:0] term = NEGATE != 0 ? ~b : b;
            assign {next_carry, next} = {1'b0, a} + {1'b0, term} + {{DIGIT{1'b0}}, carry};
        end
`ifdef STRASSENC_XC7
        else begin : cells
            wire [DIGIT:0] carries;
            assign carries[0] = carry;
            assign next_carry = carries[DIGIT];

            genvar i;
            for (i = 0; i + 1 < DIGIT; i = i + 2) begin : pairs
                assign next[i] = a[i] ^ b[i] ^ (NEGATE != 0) ^ carries[i];
                LUT6_2 #(
                    .INIT(init(2))
                ) lut (
                    .I0(a[i]),
                    .I1(b[i]),
                    .I2(a[i+1]),
                    .I3(b[i+1]),
                    .I4(carries[i]),
                    .I5(1'b1),
                    .O5(carries[i+2]),
                    .O6(next[i+1])
                );
            end
            if (DIGIT % 2 != 0) begin : last
                LUT6_2 #(
                    .INIT(init(1))
                ) lut (
                    .I0(a[DIGIT-1]),
                    .I1(b[DIGIT-1]),
                    .I2(1'b0),
                    .I3(1'b0),
                    .I4(carries[DIGIT-1]),
                    .I5(1'b1),
                    .O5(carries[DIGIT]),
                    .O6(next[DIGIT-1])
                );
            end
        end
`endif
    endgenerate

`ifdef STRASSENC_XC7
    // Of one bit or two, with the carry at I4: O6, above, the upper bit of the sum, O5, below, the
    // carry.
    function [63:0] init;
        input integer bits;
        integer i;
        reg [2:0] all;
        for (i = 0; i < 32; i = i + 1) begin
            all = bits == 2
                ? {1'b0, i[2], i[0]} + {1'b0, i[3] ^ (NEGATE != 0), i[1] ^ (NEGATE != 0)}
                : {2'b00, i[0]} + {2'b00, i[1] ^ (NEGATE != 0)};
            all = all + {2'b00, i[4]};
            init[i]      = bits == 2 ? all[2] : all[1];
            init[i + 32] = bits == 2 ? all[1] : all[0];
        end
    endfunction
`endif
endmodule

`default_nettype wire
