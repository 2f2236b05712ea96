// Self-checking testbench of strassenc_serial_multiplier: random words of all rows one right behind
// the other, with clocks that do not count.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_serial_multiplier_check #(
    parameter integer ROWS           = 4,
    parameter integer TURN_BITS      = 2,
    parameter integer DIGIT          = 1,
    parameter integer DIGITS         = 4,
    parameter integer OPERAND_BITS   = 4,
    parameter integer OPERAND_SIGNED = 1,
    parameter integer SHIFT          = 2,
    parameter integer LATENCY        = 3
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam integer COEFFICIENT_BITS = 6;
    localparam integer PRODUCT_BITS     = OPERAND_BITS + COEFFICIENT_BITS + 1;
    localparam integer INTERVAL         = 1 << TURN_BITS;
    localparam integer WORDS            = 40;
    // A coefficient a turn, from -31 on, and 31 in the end.
    localparam [(6<<TURN_BITS)-1:0] COEFFICIENTS = table_of(0);

    function [(6<<TURN_BITS)-1:0] table_of;
        input integer unused;
        integer n;
        begin
            for (n = 0; n < INTERVAL; n = n + 1) table_of[6*n+:6] = n == ROWS - 1 ? 31 : 4 * n - 31;
        end
    endfunction

    reg                     clken;
    reg     [TURN_BITS-1:0] turn;
    reg    [ROWS*DIGIT-1:0] row_digits;
    wire [PRODUCT_BITS-1:0] product;
    reg  [PRODUCT_BITS-1:0] due;
    reg  [OPERAND_BITS-1:0] words [0:ROWS*WORDS-1];

    strassenc_serial_multiplier #(
        .ROWS            (ROWS),
        .TURN_BITS       (TURN_BITS),
        .DIGIT           (DIGIT),
        .DIGITS          (DIGITS),
        .OPERAND_BITS    (OPERAND_BITS),
        .OPERAND_SIGNED  (OPERAND_SIGNED),
        .COEFFICIENT_BITS(COEFFICIENT_BITS),
        .COEFFICIENTS    (COEFFICIENTS),
        .SHIFT           (SHIFT),
        .PRODUCT_BITS    (PRODUCT_BITS),
        .LATENCY         (LATENCY)
    ) dut (
        .clk       (clk),
        .clken     (clken),
        .turn      (turn),
        .row_digits(row_digits),
        .product   (product)
    );

    integer seed = 64 * ROWS + OPERAND_BITS;
    // Seeds are nothing to Verilator.
    wire    unused = &{1'b0, seed};
    integer clock, row, word, at, n;
    reg signed [63:0] wide, coefficient;

    // The value of word number n of a row.
    task read;
        begin
            wide = words[n*ROWS+row];
            if (OPERAND_SIGNED != 0 && wide[OPERAND_BITS-1]) wide = wide - (64'd1 << OPERAND_BITS);
        end
    endtask

    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        for (word = 0; word < ROWS * WORDS; word = word + 1) words[word] = $random(seed);
        @(negedge clk);
        for (clock = 0; clock < WORDS * INTERVAL; clock = clock + 1) begin
            turn = clock % INTERVAL;
            // A row's digits begin as many clocks later as its turn is.
            for (row = 0; row < ROWS; row = row + 1) begin
                row_digits[row*DIGIT+:DIGIT] = $random(seed);
                if (clock >= row) begin
                    n = (clock - row) / INTERVAL;
                    read;
                    row_digits[row*DIGIT+:DIGIT] = wide >>> (((clock - row) % INTERVAL) * DIGIT);
                end
            end
            at = clock - (DIGITS - 1) - LATENCY;
            #1;
            row = at % INTERVAL;
            if (at >= INTERVAL && row < ROWS) begin
                n = at / INTERVAL;
                read;
                coefficient = row == ROWS - 1 ? 31 : 4 * row - 31;
                wide = wide * coefficient;
                if (SHIFT > 0) wide = (wide + (64'sd1 <<< (SHIFT - 1))) >>> SHIFT;
                due = wide;
                if (product !== due) begin
                    failures = failures + 1;
                    if (failures < 10) $display("row %0d: %h, due %h", row, product, due);
                end
            end
            @(negedge clk);
            while ($random(seed) % 4 == 0) begin
                clken = 1'b0;
                @(negedge clk);
            end
            clken = 1'b1;
        end
        done = 1'b1;
    end
endmodule

module strassenc_serial_multiplier_tb;
    localparam CHECKS = 6;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    // ROWS, TURN_BITS, DIGIT, DIGITS, OPERAND_BITS, OPERAND_SIGNED, SHIFT and LATENCY of each.
    localparam [64*CHECKS-1:0] SIZES = {
        8'd4, 8'd2, 8'd1, 8'd4, 8'd4, 8'd1, 8'd2, 8'd3,
        8'd3, 8'd2, 8'd3, 8'd3, 8'd7, 8'd0, 8'd4, 8'd3,
        8'd16, 8'd4, 8'd1, 8'd13, 8'd13, 8'd1, 8'd5, 8'd4,
        8'd9, 8'd4, 8'd2, 8'd6, 8'd11, 8'd1, 8'd0, 8'd2,
        8'd2, 8'd1, 8'd5, 8'd2, 8'd9, 8'd1, 8'd3, 8'd1,
        8'd1, 8'd1, 8'd8, 8'd1, 8'd8, 8'd0, 8'd3, 8'd3
    };

    wire    [CHECKS-1:0] done;
    wire [32*CHECKS-1:0] failures;
    genvar               g;
    generate
        for (g = 0; g < CHECKS; g = g + 1) begin : checks
            strassenc_serial_multiplier_check #(
                .ROWS          (SIZES[64*g+56+:8]),
                .TURN_BITS     (SIZES[64*g+48+:8]),
                .DIGIT         (SIZES[64*g+40+:8]),
                .DIGITS        (SIZES[64*g+32+:8]),
                .OPERAND_BITS  (SIZES[64*g+24+:8]),
                .OPERAND_SIGNED(SIZES[64*g+16+:8]),
                .SHIFT         (SIZES[64*g+8+:8]),
                .LATENCY       (SIZES[64*g+:8])
            ) check (
                .clk     (clk),
                .done    (done[g]),
                .failures(failures[32*g+:32])
            );
        end
    endgenerate

    always @(negedge clk)
        if (&done) begin
            if (failures == {32 * CHECKS{1'b0}}) $display("PASS strassenc_serial_multiplier");
            else begin
                $display("FAIL strassenc_serial_multiplier");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
