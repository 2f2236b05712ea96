// strassenc_select: y = x[position], one of COUNT bits; above the last one it is any of them.
//
// With the macro STRASSENC_XC7 it is a LUT6 for each four places and the multiplexers behind them
// (AMD 7-series, UltraScale), where Yosys takes twice as many LUTs.
// Latency: none.
`default_nettype none

module strassenc_select #(
    parameter COUNT         = 8,
    parameter POSITION_BITS = 3
) (
    input  wire         [COUNT-1:0] x,
    input  wire [POSITION_BITS-1:0] position,
    output wire                     y
);
    localparam PLACES = 1 << POSITION_BITS;

    // A place of x instead of one above it, such that few bits of it need be looked at.
    function integer among;
        input integer place;
        integer n;
        begin
            among = place;
            for (n = POSITION_BITS - 1; n >= 0; n = n - 1)
                if (among >= COUNT && among >= 1 << n) among = among - (1 << n);
        end
    endfunction

    wire [PLACES-1:0] column;
    genvar            k;
    generate
        for (k = 0; k < PLACES; k = k + 1) begin : places
            localparam AT = among(k);
            assign column[k] = x[AT];
        end
    endgenerate

`ifndef STRASSENC_XC7
    assign y = column[position];
`else
    // So many times four places, and sixteen of them; what is shown above them does not matter.
    localparam FOURS    = COUNT < PLACES ? (COUNT + 3) / 4 : (PLACES + 3) / 4;
    localparam SIXTEENS = (FOURS + 3) / 4;
    generate
        if (FOURS > 1) begin : cells
            wire [4*SIXTEENS-1:0] of_four;
            wire [2*SIXTEENS-1:0] of_eight;
            wire   [SIXTEENS-1:0] of_sixteen;
            for (k = 0; k < 4 * SIXTEENS; k = k + 1) begin : fours
                if (k < FOURS) begin : cell_of
                    LUT6 #(
                        .INIT(64'hFF00F0F0CCCCAAAA)
                    ) lut (
                        .I0(column[4*k]),
                        .I1(column[4*k+1]),
                        .I2(column[4*k+2]),
                        .I3(column[4*k+3]),
                        .I4(position[0]),
                        .I5(position[1]),
                        .O (of_four[k])
                    );
                end else begin : none
                    assign of_four[k] = 1'b0;
                end
            end
            for (k = 0; k < 2 * SIXTEENS; k = k + 1) begin : eights
                if (2 * k + 1 < FOURS) begin : cell_of
                    MUXF7 mux (
                        .I0(of_four[2*k]),
                        .I1(of_four[2*k+1]),
                        .S (position[2]),
                        .O (of_eight[k])
                    );
                end else begin : one
                    assign of_eight[k] = of_four[2*k];
                end
            end
            for (k = 0; k < SIXTEENS; k = k + 1) begin : sixteens
                if (4 * k + 2 < FOURS) begin : cell_of
                    MUXF8 mux (
                        .I0(of_eight[2*k]),
                        .I1(of_eight[2*k+1]),
                        .S (position[POSITION_BITS > 3 ? 3 : 0]),
                        .O (of_sixteen[k])
                    );
                end else begin : one
                    assign of_sixteen[k] = of_eight[2*k];
                end
            end
            if (SIXTEENS == 1) begin : one_left
                assign y = of_sixteen[0];
            end else begin : several_left
                assign y = of_sixteen[position[POSITION_BITS-1:4]];
            end
        end else begin : expression
            assign y = column[position];
        end
    endgenerate
`endif
endmodule

`default_nettype wire
