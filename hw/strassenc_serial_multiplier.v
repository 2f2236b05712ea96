// strassenc_serial_multiplier: product = round(coefficient * x / 2^SHIFT), half up, of ROWS words
// in turn; one hardware multiplier.
//
// The words come in digits, the least significant one first, each a clock after the one before: in
// the first digits' clocks `turn` is 0 to ROWS - 1. So at any time each place is that of one row.
// What is shown at each place is chosen there, and waits for the last one, which all rows share.
// COEFFICIENTS has one for each number of a turn, that of turn 0 in the low bits. They are scaled
// to one SHIFT. DIGITS digits hold every word, and PRODUCT_BITS every product.
// Latency: LATENCY clocks, 1 to 4, from a word's last digit. clken low freezes it.
`default_nettype none

module strassenc_serial_multiplier #(
    parameter                                       ROWS             = 4,
    parameter                                       TURN_BITS        = 2,
    parameter                                       DIGIT            = 1,
    parameter                                       DIGITS           = 8,
    parameter                                       OPERAND_BITS     = 8,
    parameter                                       OPERAND_SIGNED   = 1,
    parameter                                       COEFFICIENT_BITS = 8,
    parameter [(COEFFICIENT_BITS << TURN_BITS)-1:0] COEFFICIENTS     = 0,
    parameter                                       SHIFT            = 0,
    parameter                                       PRODUCT_BITS     = 16,
    parameter                                       LATENCY          = 3
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire    [TURN_BITS-1:0] turn,
    input  wire   [ROWS*DIGIT-1:0] row_digits,
    output wire [PRODUCT_BITS-1:0] product
);
    // Whose digit each place has.
    wire [DIGITS*TURN_BITS-1:0] turns;
    wire     [DIGITS*DIGIT-1:0] word;

    genvar i, j, k;
    generate
        assign turns[TURN_BITS-1:0] = turn;
        if (DIGITS > 1) begin : later
            reg [(DIGITS-1)*TURN_BITS-1:0] held;
            always @(posedge clk) if (clken) held <= turns[(DIGITS-1)*TURN_BITS-1:0];
            assign turns[DIGITS*TURN_BITS-1:TURN_BITS] = held;
        end
        for (j = 0; j < DIGITS; j = j + 1) begin : places
            localparam WAITS = DIGITS - 1 - j;

            wire [DIGIT-1:0] chosen;
            for (i = 0; i < DIGIT; i = i + 1) begin : bits
                wire [ROWS-1:0] column;
                for (k = 0; k < ROWS; k = k + 1) begin : rows
                    assign column[k] = row_digits[k*DIGIT+i];
                end
                strassenc_select #(
                    .COUNT        (ROWS),
                    .POSITION_BITS(TURN_BITS)
                ) choice (
                    .x       (column),
                    .position(turns[j*TURN_BITS +: TURN_BITS]),
                    .y       (chosen[i])
                );
            end

            if (WAITS == 0) begin : last
                assign word[j*DIGIT +: DIGIT] = chosen;
            end else if (WAITS == 1) begin : waits
                reg [DIGIT-1:0] line;
                always @(posedge clk) if (clken) line <= chosen;
                assign word[j*DIGIT +: DIGIT] = line;
            end else begin : waits
                reg [WAITS*DIGIT-1:0] line;
                always @(posedge clk) if (clken) line <= {line[(WAITS-1)*DIGIT-1:0], chosen};
                assign word[j*DIGIT +: DIGIT] = line[WAITS*DIGIT-1 -: DIGIT];
            end
        end
    endgenerate
    wire unused = &{1'b0, word};

    // The coefficient of the row whose word is whole, and behind as many registers as the word.
    localparam BEHIND = LATENCY > 2 ? LATENCY - 2 : 0;
    wire [COEFFICIENT_BITS-1:0] coefficient;
    generate
        if (ROWS == 1) begin : one_row
            strassenc_coefficient #(
                .BITS(COEFFICIENT_BITS)
            ) coefficient_register (
                .clk        (clk),
                .value      (COEFFICIENTS[COEFFICIENT_BITS-1:0]),
                .coefficient(coefficient)
            );
        end else begin : several_rows
            wire        [TURN_BITS-1:0] row = turns[(DIGITS-1)*TURN_BITS +: TURN_BITS];
            wire [COEFFICIENT_BITS-1:0] chosen;
            for (i = 0; i < COEFFICIENT_BITS; i = i + 1) begin : bits
                // This bit of all coefficients.
                wire [(1<<TURN_BITS)-1:0] column;
                for (k = 0; k < 1 << TURN_BITS; k = k + 1) begin : numbers
                    assign column[k] = COEFFICIENTS[k*COEFFICIENT_BITS+i];
                end
                assign chosen[i] = column[row];
            end
            if (BEHIND == 0) begin : at_once
                assign coefficient = chosen;
            end else if (BEHIND == 1) begin : behind
                reg [COEFFICIENT_BITS-1:0] held;
                always @(posedge clk) if (clken) held <= chosen;
                assign coefficient = held;
            end else begin : behind
                reg [COEFFICIENT_BITS-1:0] first;
                reg [COEFFICIENT_BITS-1:0] second;
                always @(posedge clk) if (clken) first <= chosen;
                always @(posedge clk) if (clken) second <= first;
                assign coefficient = second;
            end
        end
    endgenerate

    strassenc_scaled_product #(
        .OPERAND_BITS    (OPERAND_BITS),
        .OPERAND_SIGNED  (OPERAND_SIGNED),
        .COEFFICIENT_BITS(COEFFICIENT_BITS),
        .SHIFT           (SHIFT),
        .PRODUCT_BITS    (PRODUCT_BITS),
        .LATENCY         (LATENCY)
    ) scaled (
        .clk        (clk),
        .clken      (clken),
        .x          (word[OPERAND_BITS-1:0]),
        .coefficient(coefficient),
        .product    (product)
    );
endmodule

`default_nettype wire
