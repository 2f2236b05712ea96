// Self-checking testbench of strassenc_coefficient: every value is held from one edge to the next.
// The checks are a module of their own; random numbers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_coefficient_check #(
    parameter BITS = 8
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg  [BITS-1:0] value;
    wire [BITS-1:0] coefficient;

    strassenc_coefficient #(
        .BITS(BITS)
    ) dut (
        .clk        (clk),
        .value      (value),
        .coefficient(coefficient)
    );

    integer        seed = BITS;
    // Seeds are nothing to Verilator.
    wire           unused = &{1'b0, seed};
    integer        step;
    reg [BITS-1:0] held;

    initial begin
        done = 1'b0;
        failures = 0;
        for (step = 0; step < 500; step = step + 1) begin
            @(negedge clk);
            // Not before the edge, and after the first one.
            if (step > 0 && coefficient !== held) failures = failures + 1;
            value = $random(seed);
            #1;
            if (step > 0 && coefficient !== held) failures = failures + 1;
            held = value;
            @(posedge clk);
            #1;
            if (coefficient !== held) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("%0d bits, step %0d: %h instead of %h", BITS, step, coefficient, held);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_coefficient_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [2:0]  done;
    wire [31:0] failures [0:2];

    strassenc_coefficient_check #(.BITS(1))  check_0 (clk, done[0], failures[0]);
    strassenc_coefficient_check #(.BITS(8))  check_1 (clk, done[1], failures[1]);
    strassenc_coefficient_check #(.BITS(25)) check_2 (clk, done[2], failures[2]);

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2]) == 0)
                $display("PASS strassenc_coefficient");
            else begin
                $display("FAIL strassenc_coefficient");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
