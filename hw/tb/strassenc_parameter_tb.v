// Self-checking testbench of strassenc_parameter: three in a chain, of 1, 8 and 25 bits, hold what
// was shifted in, and nothing else moves them.
// verilator lint_off WIDTH
`default_nettype none

module strassenc_parameter_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    reg         shift, s;
    wire        one_out, eight_out, last_out;
    wire        one;
    wire [7:0]  eight;
    wire [24:0] last;

    strassenc_parameter #(.BITS(1))  u_one (.clk(clk), .shift(shift), .s(s), .m(one_out),
        .value(one));
    strassenc_parameter #(.BITS(8))  u_eight (.clk(clk), .shift(shift), .s(one_out),
        .m(eight_out), .value(eight));
    strassenc_parameter #(.BITS(25)) u_last (.clk(clk), .shift(shift), .s(eight_out),
        .m(last_out), .value(last));

    integer    seed = 1;
    // Seeds are nothing to Verilator.
    wire       unused = &{1'b0, seed};
    integer    step, moved, failures;
    // What was shifted in, the latest bit lowest.
    reg [33:0] chain;

    initial begin
        failures = 0;
        moved = 0;
        chain = 34'd0;
        for (step = 0; step < 5000; step = step + 1) begin
            @(negedge clk);
            shift = ($random(seed) & 3) != 0;
            s = $random(seed);
            @(posedge clk);
            if (shift) begin
                chain = {chain[32:0], s};
                moved = moved + 1;
            end
            #1;
            if (moved >= 34 && ({last, eight, one} !== chain || last_out !== chain[33])) begin
                failures = failures + 1;
                if (failures < 10) $display("step %0d: %h instead of %h", step, {last, eight,
                    one}, chain);
            end
        end
        if (failures == 0) $display("PASS strassenc_parameter");
        else begin
            $display("FAIL strassenc_parameter");
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
