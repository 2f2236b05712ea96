// Self-checking testbench of strassenc_serial_digits: the digits of random words, signed and not,
// and what is above them, while the next word is already there.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_serial_digits_check #(
    parameter integer BITS          = 8,
    parameter integer SIGNED        = 1,
    parameter integer DIGIT         = 1,
    parameter integer POSITION_BITS = 3
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam integer PLACES = 1 << POSITION_BITS;
    localparam integer ALL    = BITS + DIGIT * PLACES;

    reg                      clken, hold, last;
    reg           [BITS-1:0] x;
    reg  [POSITION_BITS-1:0] position;
    wire         [DIGIT-1:0] digit;

    strassenc_serial_digits #(
        .BITS         (BITS),
        .SIGNED       (SIGNED),
        .DIGIT        (DIGIT),
        .POSITION_BITS(POSITION_BITS)
    ) dut (
        .clk     (clk),
        .clken   (clken),
        .hold    (hold),
        .x       (x),
        .position(position),
        .digit   (digit)
    );

    integer seed = BITS + 64 * DIGIT + 1024 * SIGNED;
    // Seeds are nothing to Verilator, and digits above all places to nobody.
    wire    unused = &{1'b0, seed, whole};
    integer word, i;
    reg [ALL-1:0] whole;

    initial begin
        done = 1'b0;
        failures = 0;
        position = 0;
        @(negedge clk);
        for (word = 0; word < 200; word = word + 1) begin
            clken = 1'b1;
            hold = 1'b1;
            x = $random(seed);
            whole = {{(ALL - BITS){SIGNED != 0 & x[BITS-1]}}, x};
            @(negedge clk);
            for (i = 0; i < PLACES; i = i + 1) begin
                // Neither another word nor one in a clock that does not count is taken.
                position = i;
                last = 1'b0;
                while (!last) begin
                    x = $random(seed);
                    hold = $random(seed);
                    clken = !hold;
                    last = clken;
                    @(negedge clk);
                end
                if (digit !== whole[i*DIGIT+:DIGIT]) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("%0d bits, DIGIT %0d, %0d: %b", BITS, DIGIT, i, digit);
                end
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_serial_digits_tb;
    localparam CHECKS = 6;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    // BITS, DIGIT and POSITION_BITS of each.
    localparam [24*CHECKS-1:0] SIZES = {
        8'd8, 8'd1, 8'd4, 8'd8, 8'd2, 8'd3, 8'd13, 8'd3, 8'd3, 8'd1, 8'd1, 8'd1,
        8'd17, 8'd5, 8'd2, 8'd9, 8'd9, 8'd1
    };

    wire [2*CHECKS-1:0]  done;
    wire [64*CHECKS-1:0] failures;
    genvar               g;
    generate
        for (g = 0; g < 2 * CHECKS; g = g + 1) begin : checks
            strassenc_serial_digits_check #(
                .BITS         (SIZES[24*(g/2)+16+:8]),
                .SIGNED       (g % 2),
                .DIGIT        (SIZES[24*(g/2)+8+:8]),
                .POSITION_BITS(SIZES[24*(g/2)+:8])
            ) check (
                .clk     (clk),
                .done    (done[g]),
                .failures(failures[32*g+:32])
            );
        end
    endgenerate

    always @(negedge clk)
        if (&done) begin
            if (failures == {64 * CHECKS{1'b0}}) $display("PASS strassenc_serial_digits");
            else begin
                $display("FAIL strassenc_serial_digits");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
