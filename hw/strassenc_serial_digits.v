// strassenc_serial_digits: a word as digits of DIGIT bits, the least significant one first.
//
// `hold` takes x, whose digit number `position` is shown from the next clock on. Digits above the
// word repeat its sign where it is SIGNED, and are 0 else.
// Latency: 1 clock. clken low freezes it.
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
    output wire         [DIGIT-1:0] digit
);
    localparam PLACES = 1 << POSITION_BITS;

    reg [BITS-1:0] word;
    always @(posedge clk) if (clken & hold) word <= x;

    wire above = SIGNED != 0 & word[BITS-1];
    genvar i, k;
    generate
        for (i = 0; i < DIGIT; i = i + 1) begin : bits
            // This bit of the digits at all places.
            wire [PLACES-1:0] column;
            for (k = 0; k < PLACES; k = k + 1) begin : places
                if (k * DIGIT + i < BITS) begin : of_word
                    assign column[k] = word[k*DIGIT+i];
                end else begin : of_sign
                    assign column[k] = above;
                end
            end
            assign digit[i] = column[position];
        end
    endgenerate
endmodule

`default_nettype wire
