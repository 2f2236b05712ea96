// strassenc_gated_add: y = a + b, or a - b where `subtract` is high; what is off counts as 0.
//
// The sum is formed with a bit more below, which carries into it where it is a difference. With the
// macro STRASSENC_XC7 it is one LUT6_2 a bit and one carry chain (AMD 7-series, UltraScale): a bit
// of both with their gates, and what the chain takes where they differ, share five inputs. Yosys
// would take a LUT more for each bit of a.
// Latency: none.
`default_nettype none

module strassenc_gated_add #(
    parameter BITS = 8
) (
    input  wire            a_on,
    input  wire [BITS-1:0] a,
    input  wire            b_on,
    input  wire [BITS-1:0] b,
    input  wire            subtract,
    output wire [BITS-1:0] y
);
`ifndef STRASSENC_XC7
    wire [BITS:0] sum    = {a & {BITS{a_on}}, 1'b1}
        + {b & {BITS{b_on}} ^ {BITS{subtract}}, subtract};
    wire          unused = sum[0];
    assign y = sum[BITS:1];
`else
    // O6, above: the sum of I0 and I2 with their gates I1 and I3, I2 inverted by I4; O5, below: I0
    // with its gate.
    function [63:0] init;
        input integer unused;
        integer i;
        for (i = 0; i < 32; i = i + 1) begin
            init[i]      = i[0] & i[1];
            init[i + 32] = (i[0] & i[1]) ^ (i[2] & i[3]) ^ i[4];
        end
    endfunction

    localparam CELLS = (BITS + 3) / 4;
    wire [4*CELLS-1:0] s, di, o, carry;

    genvar i;
    generate
        for (i = 0; i < 4 * CELLS; i = i + 1) begin : bits
            if (i < BITS) begin : both
                LUT6_2 #(
                    .INIT(init(0))
                ) lut (
                    .I0(a[i]),
                    .I1(a_on),
                    .I2(b[i]),
                    .I3(b_on),
                    .I4(subtract),
                    .I5(1'b1),
                    .O5(di[i]),
                    .O6(s[i])
                );
                assign y[i] = o[i];
            end else begin : none
                assign s[i]  = 1'b0;
                assign di[i] = 1'b0;
            end
        end
        for (i = 0; i < CELLS; i = i + 1) begin : chain
            CARRY4 carries (
                .CI    (i > 0 ? carry[i > 0 ? 4*i-1 : 0] : 1'b0),
                .CYINIT(i > 0 ? 1'b0 : subtract),
                .DI    (di[4*i+:4]),
                .S     (s[4*i+:4]),
                .O     (o[4*i+:4]),
                .CO    (carry[4*i+:4])
            );
        end
    endgenerate
`endif
endmodule

`default_nettype wire
