// Self-checking testbench of strassenc_round: right and left shifts, halves that round up,
// saturation at both ends, random enables.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_round_check #(
    parameter X_BITS = 16,
    parameter SHIFT  = 4,
    parameter Z_BITS = 8
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg               enable;
    reg  [X_BITS-1:0] x;
    wire [Z_BITS-1:0] z;
    strassenc_round #(.X_BITS(X_BITS), .SHIFT(SHIFT), .Z_BITS(Z_BITS)) dut (
        .clk(clk), .enable(enable), .x(x), .z(z)
    );

    integer            seed = X_BITS + 64 * SHIFT + 4096 * Z_BITS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer            clocks;
    // Clocks with enable high.
    integer            moved = 0;
    reg signed [127:0] exact, least, greatest;
    reg [Z_BITS-1:0]   due, first, second;
    // How often z was cut off.
    integer            cut = 0;

    initial begin
        done = 1'b0;
        failures = 0;
        least = -(128'sd1 <<< (Z_BITS - 1));
        greatest = (128'sd1 <<< (Z_BITS - 1)) - 128'sd1;
        for (clocks = 0; clocks < 2000; clocks = clocks + 1) begin
            @(negedge clk);
            enable = ($random(seed) & 3) != 0;
            case ($random(seed) & 7)
                0:       x = {X_BITS{1'b1}} >> 1;
                1:       x = ~({X_BITS{1'b1}} >> 1);
                2:       x = {X_BITS{1'b1}};
                3:       x = $random(seed) & 32'd15;
                default: x = {$random(seed), $random(seed)};
            endcase
            exact = {{(128-X_BITS){x[X_BITS-1]}}, x};
            if (SHIFT > 0)
                exact = (exact + (128'sd1 <<< (SHIFT > 0 ? SHIFT - 1 : 0))) >>> (SHIFT > 0
                    ? SHIFT : 0);
            else           exact = exact <<< (SHIFT > 0 ? 0 : -SHIFT);
            if (exact < least || exact > greatest) cut = cut + 1;
            if (exact < least) exact = least;
            if (exact > greatest) exact = greatest;
            due = exact[Z_BITS-1:0];
            @(posedge clk);
            if (enable) begin
                second = first;
                first = due;
                moved = moved + 1;
            end
            #1;
            if (moved >= 2 && z !== second) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("X %0d SHIFT %0d Z %0d, clock %0d: %h instead of %h", X_BITS, SHIFT,
                             Z_BITS, clocks, z, second);
            end
        end
        if (X_BITS - SHIFT > Z_BITS + 1 && cut == 0) begin
            failures = failures + 1;
            $display("X %0d SHIFT %0d Z %0d: nothing was cut off", X_BITS, SHIFT, Z_BITS);
        end
        done = 1'b1;
    end
endmodule

module strassenc_round_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [7:0] done;
    wire [31:0] failures [0:7];
    strassenc_round_check #(.X_BITS(16), .SHIFT(4), .Z_BITS(8))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_round_check #(.X_BITS(16), .SHIFT(10), .Z_BITS(8))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_round_check #(.X_BITS(9), .SHIFT(0), .Z_BITS(6))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_round_check #(.X_BITS(6), .SHIFT(-4), .Z_BITS(7))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_round_check #(.X_BITS(6), .SHIFT(-2), .Z_BITS(20))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    // A shift beyond x, single bits, more than 32 bits.
    strassenc_round_check #(.X_BITS(6), .SHIFT(9), .Z_BITS(4))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_round_check #(.X_BITS(2), .SHIFT(1), .Z_BITS(1))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    strassenc_round_check #(.X_BITS(50), .SHIFT(11), .Z_BITS(36))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] | failures[5]
                | failures[6]
                    | failures[7]) == 0) $display("PASS strassenc_round");
            else begin
                $display("FAIL strassenc_round");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
