// Self-checking testbench of strassenc_curve: every v of both functions with a random table, random
// enables.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_curve_check #(
    parameter V_BITS  = 8,
    parameter FRAC    = 7,
    parameter SIGMOID = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam DEPTH = 1 << (V_BITS - 1);

    reg               enable;
    reg  [V_BITS-1:0] v;
    wire [FRAC+1:0]   value;
    wire [V_BITS-2:0] rom_address;
    reg  [FRAC:0]     rom_data;
    strassenc_curve #(.V_BITS(V_BITS), .FRAC(FRAC), .SIGMOID(SIGMOID)) dut (
        .clk(clk), .enable(enable), .v(v), .value(value), .rom_address(rom_address),
        .rom_data(rom_data)
    );
    reg [FRAC:0] rom [0:DEPTH-1];
    always @(posedge clk) if (enable) rom_data <= rom[rom_address];

    integer        seed = V_BITS + 64 * FRAC + SIGMOID;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer        clocks, k;
    // Clocks with enable high.
    integer        moved = 0;
    reg [FRAC+1:0] due, first, second, third;

    initial begin
        done = 1'b0;
        failures = 0;
        // 0 to 1.0, both included.
        for (k = 0; k < DEPTH; k = k + 1)
            rom[k] = ($random(seed) & 32'h7fffffff) % ((1 << FRAC) + 1);
        rom[0] = 1 << FRAC;
        rom[DEPTH-1] = DEPTH > 1 ? 0 : rom[0];
        v = {V_BITS{1'b0}};
        for (clocks = 0; clocks < 3 << V_BITS; clocks = clocks + 1) begin
            @(negedge clk);
            enable = ($random(seed) & 3) != 0;
            k = v[V_BITS-1] ? (1 << V_BITS) - v : v;
            if (k > DEPTH - 1) k = DEPTH - 1;
            due = {1'b0, rom[k]};
            if (v[V_BITS-1]) due = (SIGMOID != 0 ? 1 << FRAC : 0) - due;
            @(posedge clk);
            if (enable) begin
                third = second;
                second = first;
                first = due;
                moved = moved + 1;
            end
            #1;
            if (moved >= 3 && value !== third) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("V %0d FRAC %0d SIGMOID %0d, clock %0d: %h instead of %h", V_BITS,
                             FRAC, SIGMOID, clocks, value, third);
            end
            if (enable) v = v + 1;
        end
        done = 1'b1;
    end
endmodule

module strassenc_curve_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [4:0] done;
    wire [31:0] failures [0:4];
    strassenc_curve_check #(.V_BITS(8), .FRAC(7), .SIGMOID(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_curve_check #(.V_BITS(8), .FRAC(7), .SIGMOID(0))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_curve_check #(.V_BITS(2), .FRAC(1), .SIGMOID(1))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_curve_check #(.V_BITS(2), .FRAC(15), .SIGMOID(0))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_curve_check #(.V_BITS(11), .FRAC(9), .SIGMOID(1))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]) == 0)
                $display("PASS strassenc_curve");
            else begin
                $display("FAIL strassenc_curve");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
