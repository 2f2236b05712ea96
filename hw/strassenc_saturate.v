// strassenc_saturate: a signed x of X_BITS bits within 0 to 2^BITS - 1.
//
// With the macro STRASSENC_XC7 two bits are one LUT6_2 (AMD 7-series, UltraScale): they share the
// sign and what stands above; Yosys would take a LUT for each.
// Latency: none.
`default_nettype none

module strassenc_saturate #(
    parameter X_BITS = 12,
    parameter BITS   = 8
) (
    input  wire [X_BITS-1:0] x,
    output wire   [BITS-1:0] y
);
    wire sign = x[X_BITS-1];
    wire over = |x[X_BITS-2:BITS];

`ifndef STRASSENC_XC7
    assign y = sign ? {BITS{1'b0}} : over ? {BITS{1'b1}} : x[BITS-1:0];
`else
    // Up to two bits above go into the same LUTs.
    localparam ABOVE = X_BITS - 1 - BITS;
    wire [1:0] above;
    generate
        if (ABOVE == 2) begin : two
            assign above = x[X_BITS-2:BITS];
        end else begin : one
            assign above = {1'b0, over};
        end
    endgenerate

    // O6 is I1, O5 is I0, both within the bounds.
    function [63:0] init;
        input integer unused;
        integer i;
        for (i = 0; i < 64; i = i + 1) init[i] = !i[2] & (i[3] | i[4] | (i < 32 ? i[0] : i[1]));
    endfunction

    genvar i;
    generate
        for (i = 0; i + 1 < BITS; i = i + 2) begin : pairs
            LUT6_2 #(
                .INIT(init(0))
            ) lut (
                .I0(x[i]),
                .I1(x[i+1]),
                .I2(sign),
                .I3(above[0]),
                .I4(above[1]),
                .I5(1'b1),
                .O5(y[i]),
                .O6(y[i+1])
            );
        end
        if (BITS % 2 != 0) begin : last
            assign y[BITS-1] = !sign & (over | x[BITS-1]);
        end
    endgenerate
`endif
endmodule

`default_nettype wire
