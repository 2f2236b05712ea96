// strassenc_serial_add3: a ± b ± c, a digit of DIGIT bits a clock, the least significant one first.
//
// What goes on to the next digit is 0 to 2, in two registers: the majority of the upper bits, and
// the carry of what adds up sums and majorities. `restart` is high in the clock before a word's
// first digits: it sets as many of them as operands are subtracted, and so inverted. With the macro
// STRASSENC_XC7 it is one LUT6_2 a bit and one carry chain (AMD 7-series, UltraScale), whose lowest
// place has no LUT: it takes the carry in, since a slice has one way from outside for the chain's
// beginning and what its first bit adds.
// Latency: 1 clock. clken low freezes it.
`default_nettype none

module strassenc_serial_add3 #(
    parameter DIGIT    = 1,
    parameter NEGATE_B = 0,
    parameter NEGATE_C = 0
) (
    input  wire             clk,
    input  wire             clken,
    input  wire             restart,
    input  wire [DIGIT-1:0] a,
    input  wire [DIGIT-1:0] b,
    input  wire [DIGIT-1:0] c,
    output reg  [DIGIT-1:0] sum
);
    localparam EITHER = NEGATE_B != 0 || NEGATE_C != 0;
    localparam BOTH   = NEGATE_B != 0 && NEGATE_C != 0;

    reg                carry;
    reg                above;
    wire [DIGIT-1:0]   next;
    wire               next_carry;
    // The majority of each place, at the one above.
    wire [DIGIT:0]     majority;
    assign majority[0] = above;

    always @(posedge clk)
        if (clken) begin
            sum   <= next;
            carry <= restart ? EITHER : next_carry;
            above <= restart ? BOTH : majority[DIGIT];
        end

`ifndef STRASSENC_XC7
    wire [DIGIT-1:0] q = NEGATE_B != 0 ? ~b : b;
    wire [DIGIT-1:0] r = NEGATE_C != 0 ? ~c : c;
    assign majority[DIGIT:1]  = a & q | a & r | q & r;
    assign {next_carry, next} =
        {1'b0, a ^ q ^ r} + {1'b0, majority[DIGIT-1:0]} + {{DIGIT{1'b0}}, carry};
`else
    // O6, above: the sum of I0 to I3; O5, below: the majority of I0 to I2.
    function [63:0] init;
        input integer unused;
        integer i;
        reg p, q, r;
        for (i = 0; i < 32; i = i + 1) begin
            p = i[0];
            q = i[1] ^ (NEGATE_B != 0);
            r = i[2] ^ (NEGATE_C != 0);
            init[i]      = p & q | p & r | q & r;
            init[i + 32] = p ^ q ^ r ^ i[3];
        end
    endfunction

    // Place 0 takes the carry in; place i + 1 is that of bit i.
    localparam PLACES = DIGIT + 1;
    localparam CELLS  = (PLACES + 3) / 4;
    wire [4*CELLS-1:0] s, di, o;
    wire [4*CELLS-1:0] co;
    assign s[0]  = 1'b0;
    assign di[0] = carry;
    assign next       = o[DIGIT:1];
    assign next_carry = co[DIGIT];

    genvar i;
    generate
        for (i = 0; i < DIGIT; i = i + 1) begin : bits
            LUT6_2 #(
                .INIT(init(0))
            ) lut (
                .I0(a[i]),
                .I1(b[i]),
                .I2(c[i]),
                .I3(majority[i]),
                .I4(1'b0),
                .I5(1'b1),
                .O5(majority[i+1]),
                .O6(s[i+1])
            );
            assign di[i+1] = majority[i];
        end
        if (4 * CELLS > PLACES) begin : rest
            assign s[4*CELLS-1:PLACES]  = {(4*CELLS-PLACES){1'b0}};
            assign di[4*CELLS-1:PLACES] = {(4*CELLS-PLACES){1'b0}};
        end
        for (i = 0; i < CELLS; i = i + 1) begin : chain
            CARRY4 carries (
                .CI    (i > 0 ? co[i > 0 ? 4*i-1 : 0] : 1'b0),
                .CYINIT(1'b0),
                .DI    (di[4*i+:4]),
                .S     (s[4*i+:4]),
                .O     (o[4*i+:4]),
                .CO    (co[4*i+:4])
            );
        end
    endgenerate
`endif
endmodule

`default_nettype wire
