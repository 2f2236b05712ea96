// strassenc_serial_digits: a word as digits of DIGIT bits, the least significant one first.
//
// `hold` takes x. A clock after `position` the digit of that number is shown, from a register.
// Above the word that register stays as it is, all sign, where x is SIGNED, and is reset to 0 where
// it is not: no LUT looks for that. With the macro STRASSENC_XC7 a digit's bit is chosen by a LUT6
// for each four places and the multiplexers behind them (AMD 7-series, UltraScale), where Yosys
// takes twice as many LUTs.
// Latency: 2 clocks, where position is 0 in the one between. clken low freezes it.
`default_nettype none

module strassenc_serial_digits #(
    parameter BITS          = 8,
    parameter SIGNED        = 1,
    parameter DIGIT         = 1,
    parameter POSITION_BITS = 3
) (
    input  wire                     clk,
    input  wire                     clken,
    input  wire                     hold,
    input  wire          [BITS-1:0] x,
    input  wire [POSITION_BITS-1:0] position,
    output reg          [DIGIT-1:0] digit
);
    localparam        PLACES = 1 << POSITION_BITS;
    // The last place of which the word decides a digit: that of its upper bits, or, of a signed
    // one, the first one that is all sign.
    localparam [31:0] LAST   = SIGNED != 0 ? (BITS + DIGIT - 2) / DIGIT : (BITS - 1) / DIGIT;

    reg [BITS-1:0] word;
    always @(posedge clk) if (clken & hold) word <= x;

    // A place up to LAST instead of one above it, such that few bits of it need be looked at.
    function integer among;
        input integer place;
        integer i;
        begin
            among = place;
            for (i = POSITION_BITS - 1; i >= 0; i = i - 1)
                if (among > LAST && among >= 1 << i) among = among - (1 << i);
        end
    endfunction

`ifdef STRASSENC_XC7
    // So many times four places, and sixteen of them; what is shown above them does not matter.
    localparam FOURS    = LAST < PLACES ? LAST / 4 + 1 : (PLACES + 3) / 4;
    localparam SIXTEENS = (FOURS + 3) / 4;
`endif
    wire [DIGIT-1:0] chosen;
    genvar           i, k;
    generate
        for (i = 0; i < DIGIT; i = i + 1) begin : bits
            // This bit of the digits at all places.
            wire [PLACES-1:0] column;
            for (k = 0; k < PLACES; k = k + 1) begin : places
                localparam AT = among(k) * DIGIT + i;
                if (AT < BITS) begin : of_word
                    assign column[k] = word[AT];
                end else begin : of_sign
                    assign column[k] = SIGNED != 0 & word[BITS-1];
                end
            end
`ifdef STRASSENC_XC7
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
                    assign chosen[i] = of_sixteen[0];
                end else begin : several_left
                    assign chosen[i] = of_sixteen[position[POSITION_BITS-1:4]];
                end
            end else begin : expression
                assign chosen[i] = column[position];
            end
`else
            assign chosen[i] = column[position];
`endif
        end
        if (LAST >= PLACES - 1) begin : no_place_above
            always @(posedge clk) if (clken) digit <= chosen;
        end else if (SIGNED != 0) begin : sign_above
            always @(posedge clk)
                if (clken & position <= LAST[POSITION_BITS-1:0]) digit <= chosen;
        end else begin : zeros_above
            always @(posedge clk)
                if (clken) begin
                    if (position > LAST[POSITION_BITS-1:0]) digit <= {DIGIT{1'b0}};
                    else digit <= chosen;
                end
        end
    endgenerate
endmodule

`default_nettype wire
