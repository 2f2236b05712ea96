// strassenc_serial_digits: a word as digits of DIGIT bits, the least significant one first.
//
// `hold` takes x. A clock after `position` the digit of that number is shown, from a register.
// Above the word that register stays as it is, all sign, where x is SIGNED, and is reset to 0 where
// it is not: no LUT looks for that.
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

    // As many places as can be told, if there are fewer than LAST.
    localparam COUNT = LAST < PLACES ? LAST + 1 : PLACES;

    wire [DIGIT-1:0] chosen;
    genvar           i, k;
    generate
        for (i = 0; i < DIGIT; i = i + 1) begin : bits
            // This bit of the digits at all places.
            wire [COUNT-1:0] column;
            for (k = 0; k < COUNT; k = k + 1) begin : places
                if (k * DIGIT + i < BITS) begin : of_word
                    assign column[k] = word[k*DIGIT+i];
                end else begin : of_sign
                    assign column[k] = SIGNED != 0 & word[BITS-1];
                end
            end
            strassenc_select #(
                .COUNT        (COUNT),
                .POSITION_BITS(POSITION_BITS)
            ) choice (
                .x       (column),
                .position(position),
                .y       (chosen[i])
            );
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
