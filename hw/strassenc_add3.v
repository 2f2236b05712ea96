// strassenc_add3: a ± b ± c modulo 2^BITS, where b and c may be subtracted.
//
// Operand x stands for its X_BITS bits, two's complement with X_SIGNED, times 2^X_SHIFT; X_BITS +
// X_SHIFT is at most BITS. One expression, from which tools of devices that have adders of three
// operands make one. Yosys does not: with the macro STRASSENC_XC7 it is one LUT6_2 a bit and one
// carry chain (AMD 7-series, UltraScale), which begins where operands meet; the bits below are
// wires, and so is what the chain adds where only one operand is left.
// Latency: none.
`default_nettype none

module strassenc_add3 #(
    parameter BITS     = 8,
    parameter A_BITS   = 8,
    parameter A_SIGNED = 1,
    parameter A_SHIFT  = 0,
    parameter B_BITS   = 8,
    parameter B_SIGNED = 1,
    parameter B_SHIFT  = 0,
    parameter NEGATE_B = 0,
    parameter C_BITS   = 8,
    parameter C_SIGNED = 1,
    parameter C_SHIFT  = 0,
    parameter NEGATE_C = 0
) (
    input  wire [A_BITS-1:0] a,
    input  wire [B_BITS-1:0] b,
    input  wire [C_BITS-1:0] c,
    output wire [BITS-1:0]   y
);
    wire [BITS-1:0] a_wide =
        {{(BITS-A_BITS-A_SHIFT){A_SIGNED != 0 & a[A_BITS-1]}}, a, {A_SHIFT{1'b0}}};
    wire [BITS-1:0] b_wide =
        {{(BITS-B_BITS-B_SHIFT){B_SIGNED != 0 & b[B_BITS-1]}}, b, {B_SHIFT{1'b0}}};
    wire [BITS-1:0] c_wide =
        {{(BITS-C_BITS-C_SHIFT){C_SIGNED != 0 & c[C_BITS-1]}}, c, {C_SHIFT{1'b0}}};

`ifndef STRASSENC_XC7
    generate
        if (NEGATE_B != 0 && NEGATE_C != 0) begin : less_both
            assign y = a_wide - b_wide - c_wide;
        end else if (NEGATE_B != 0) begin : less_b
            assign y = a_wide - b_wide + c_wide;
        end else if (NEGATE_C != 0) begin : less_c
            assign y = a_wide + b_wide - c_wide;
        end else begin : plain
            assign y = a_wide + b_wide + c_wide;
        end
    endgenerate
`else
    // The bits of `bits` bits at `shift`, and all above where `endless`.
    function [BITS-1:0] reach;
        input integer bits, shift, endless;
        integer i;
        for (i = 0; i < BITS; i = i + 1)
            reach[i] = i >= shift && (endless != 0 || i < shift + bits);
    endfunction

    // -x is !x, all bits above it included, and one in its lowest place.
    localparam [BITS-1:0] ONE    = 1;
    localparam [BITS-1:0] A      = reach(A_BITS, A_SHIFT, A_SIGNED);
    localparam [BITS-1:0] B      = reach(B_BITS, B_SHIFT, B_SIGNED | NEGATE_B);
    localparam [BITS-1:0] C      = reach(C_BITS, C_SHIFT, C_SIGNED | NEGATE_C);
    localparam [BITS-1:0] NOT_B  = NEGATE_B != 0 ? B : 0;
    localparam [BITS-1:0] NOT_C  = NEGATE_C != 0 ? C : 0;
    localparam [BITS-1:0] PLUS_B = NEGATE_B != 0 ? ONE << B_SHIFT : 0;
    localparam [BITS-1:0] PLUS_C = NEGATE_C != 0 ? ONE << C_SHIFT : 0;
    localparam [BITS-1:0] TWO    = A & B | A & C | B & C;
    localparam [BITS-1:0] THREE  = A & B & C;

    function integer lowest;
        input [BITS-1:0] of;
        begin
            lowest = 0;
            while (lowest < BITS && !of[lowest]) lowest = lowest + 1;
        end
    endfunction
    // The lowest bit that is more than a wire, and how many ones are added there.
    localparam            START  = lowest(TWO | NOT_B | NOT_C);
    localparam [BITS-1:0] FIRST  = START < BITS ? ONE << START : 0;
    localparam            MEET_2 = |(TWO & FIRST);
    localparam            MEET_3 = |(THREE & FIRST);
    localparam            EITHER = |((PLUS_B | PLUS_C) & FIRST);
    localparam            BOTH   = |(PLUS_B & PLUS_C & FIRST);
    localparam            ABOVE  = |((PLUS_B | PLUS_C) & ~FIRST);
    // A one takes the place of a majority from the bit below; there, Yosys needs no inverter for
    // it. Else it is the chain's carry in.
    localparam            KEEP   = MEET_2 && !ABOVE && !(MEET_3 && BOTH);
    localparam            CARRY  = BOTH || (EITHER && !KEEP);
    localparam [BITS-1:0] PLUS   = (PLUS_B | PLUS_C) & ~(KEEP ? 0 : FIRST);
    // Three bits, or three and two ones, yield no carry beside their majority but that of the ones.
    localparam            BEGIN  = MEET_3 && EITHER == BOTH ? START + 1 : START;

    // Bits whose majority goes into the bit above: three and more come together.
    function [BITS-1:0] majorities;
        input [BITS-1:0] two, three, plus;
        integer i;
        for (i = 0; i < BITS; i = i + 1)
            majorities[i] = three[i] | two[i] & (plus[i] | (i > 0 && majorities[i-1]));
    endfunction
    localparam [BITS-1:0] MAJORITY = majorities(TWO, THREE, PLUS);

    // O6, above: the sum of I0 to I3; O5, below: the majority of I0 to I2.
    function [63:0] init;
        input not_b, not_c;
        integer i;
        reg p, q, r;
        for (i = 0; i < 32; i = i + 1) begin
            p = i[0];
            q = i[1] ^ not_b;
            r = i[2] ^ not_c;
            init[i]      = p & q | p & r | q & r;
            init[i + 32] = p ^ q ^ r ^ i[3];
        end
    endfunction

    localparam CELLS = (BITS - BEGIN + 3) / 4;
    wire [BITS+3:0]    majority, s, di, o;
    wire [4*CELLS+3:0] carry;
    assign s[BITS+3:BITS]  = 4'd0;
    assign di[BITS+3:BITS] = 4'd0;

    genvar i;
    generate
        for (i = 0; i < BITS; i = i + 1) begin : bits
            localparam BELOW = i > 0 && MAJORITY[i > 0 ? i - 1 : 0];
            // Operands as they come, and what they add: 0 where they do not reach, inverted or not.
            wire ra = A[i] & a_wide[i];
            wire rb = B[i] & b_wide[i];
            wire rc = C[i] & c_wide[i];
            wire p  = ra;
            wire q  = rb ^ NOT_B[i];
            wire r  = rc ^ NOT_C[i];
            wire m  = BELOW ? majority[i > 0 ? i - 1 : 0] : PLUS[i];

            if (MAJORITY[i] && i < BITS - 1) begin : both
                LUT6_2 #(
                    .INIT(init(NOT_B[i], NOT_C[i]))
                ) lut (
                    .I0(ra),
                    .I1(rb),
                    .I2(rc),
                    .I3(m),
                    .I4(1'b0),
                    .I5(1'b1),
                    .O5(majority[i]),
                    .O6(s[i])
                );
            end else begin : sum
                assign s[i] = p ^ q ^ r ^ m;
            end
            // What the carry is where the sum is even: any of two bits that are added.
            if (BELOW || PLUS[i] || MAJORITY[i]) begin : of_majority
                assign di[i] = m;
            end else begin : of_operand
                assign di[i] = A[i] ? p : B[i] && !NOT_B[i] ? q : C[i] ? r : q;
            end
            assign y[i] = i < BEGIN ? s[i] : o[i];
        end
        for (i = 0; i < CELLS; i = i + 1) begin : chain
            CARRY4 carries (
                .CI    (i > 0 ? carry[4*i+3] : 1'b0),
                .CYINIT(i > 0 ? 1'b0 : CARRY),
                .DI    (di[BEGIN+4*i+:4]),
                .S     (s[BEGIN+4*i+:4]),
                .O     (o[BEGIN+4*i+:4]),
                .CO    (carry[4*i+4+:4])
            );
        end
    endgenerate
`endif
endmodule

`default_nettype wire
