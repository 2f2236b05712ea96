// Self-checking testbench of strassenc_product: every latency, frozen at times, all four kinds of
// operands, products read whole and modulo a power of two.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_product_check #(
    parameter A_BITS       = 8,
    parameter A_SIGNED     = 1,
    parameter B_BITS       = 8,
    parameter B_SIGNED     = 1,
    parameter PRODUCT_BITS = 16,
    parameter LATENCY      = 3
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg                     clken;
    reg  [A_BITS-1:0]       a;
    reg  [B_BITS-1:0]       b;
    wire [PRODUCT_BITS-1:0] product;

    strassenc_product #(
        .A_BITS      (A_BITS),
        .A_SIGNED    (A_SIGNED),
        .B_BITS      (B_BITS),
        .B_SIGNED    (B_SIGNED),
        .PRODUCT_BITS(PRODUCT_BITS),
        .LATENCY     (LATENCY)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .a      (a),
        .b      (b),
        .product(product)
    );

    integer                seed = LATENCY;
    integer                i, step;
    reg signed [63:0]      x, y, exact;
    // Seeds are nothing to Verilator; high bits are cut off.
    wire unused = &{1'b0, seed, exact};
    reg [PRODUCT_BITS-1:0] expected;
    // What each register stands for, and whether it has been loaded yet.
    reg [PRODUCT_BITS-1:0] held [0:3];
    reg [3:0]              known;

    initial begin
        done = 1'b0;
        failures = 0;
        known = 4'b0;
        clken = 1'b0;
        a = {A_BITS{1'b0}};
        b = {B_BITS{1'b0}};
        for (step = 0; step < 3000; step = step + 1) begin
            @(negedge clk);
            // All pairs of ends of the ranges, then anything.
            case (step & 31)
                0, 1, 2, 3:     a = {A_BITS{1'b0}};
                4, 5, 6, 7:     a = {A_BITS{1'b1}};
                8, 9, 10, 11:   a = {A_BITS{1'b1}} >> 1;
                12, 13, 14, 15: a = ~({A_BITS{1'b1}} >> 1);
                default:        a = $random(seed);
            endcase
            case (step & 19)
                0:       b = {B_BITS{1'b0}};
                1:       b = {B_BITS{1'b1}};
                2:       b = {B_BITS{1'b1}} >> 1;
                3:       b = ~({B_BITS{1'b1}} >> 1);
                default: b = $random(seed);
            endcase
            clken = step < 8 ? 1'b1 : $random(seed);
            x = A_SIGNED != 0 && a[A_BITS-1]
                ? $signed({{(64-A_BITS){1'b1}}, a}) : $signed({{(64-A_BITS){1'b0}}, a});
            y = B_SIGNED != 0 && b[B_BITS-1]
                ? $signed({{(64-B_BITS){1'b1}}, b}) : $signed({{(64-B_BITS){1'b0}}, b});
            exact = x * y;
            expected = exact[PRODUCT_BITS-1:0];
            @(posedge clk);
            for (i = LATENCY - 1; i >= 0; i = i - 1)
                if (clken) begin
                    held[i]  = i == 0 ? expected : held[i == 0 ? 0 : i-1];
                    known[i] = i == 0 ? 1'b1 : known[i == 0 ? 0 : i-1];
                end
            #1;
            if (known[LATENCY-1] && product !== held[LATENCY-1]) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("%0d by %0d bits, latency %0d, step %0d: %h instead of %h", A_BITS,
                             B_BITS, LATENCY, step, product, held[LATENCY-1]);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_product_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [5:0] done;
    wire [31:0] failures [0:5];

    strassenc_product_check #(.LATENCY(1), .A_BITS(8), .A_SIGNED(1), .B_BITS(9), .B_SIGNED(1),
        .PRODUCT_BITS(17)) check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_product_check #(.LATENCY(2), .A_BITS(8), .A_SIGNED(0), .B_BITS(10), .B_SIGNED(1),
        .PRODUCT_BITS(18)) check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_product_check #(.LATENCY(3), .A_BITS(12), .A_SIGNED(1), .B_BITS(5), .B_SIGNED(0),
        .PRODUCT_BITS(13)) check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_product_check #(.LATENCY(4), .A_BITS(18), .A_SIGNED(1), .B_BITS(18), .B_SIGNED(1),
        .PRODUCT_BITS(35)) check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_product_check #(.LATENCY(3), .A_BITS(6), .A_SIGNED(0), .B_BITS(7), .B_SIGNED(0),
        .PRODUCT_BITS(13)) check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_product_check #(.LATENCY(1), .A_BITS(1), .A_SIGNED(1), .B_BITS(1), .B_SIGNED(0),
        .PRODUCT_BITS(1)) check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]
                | failures[5]) == 0)
                $display("PASS strassenc_product");
            else begin
                $display("FAIL strassenc_product");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
