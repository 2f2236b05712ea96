// Self-checking testbench of strassenc_starts: steps of several words by count and by user bit,
// clock by clock under a random enable and reset.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_starts_check #(
    parameter STEPS = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg  rst, enable, last, user;
    wire fresh, start;
    strassenc_starts #(.STEPS(STEPS)) dut (
        .clk(clk), .rst(rst), .enable(enable), .last(last), .user(user),
        .fresh(fresh), .start(start)
    );

    integer seed = STEPS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer clocks, steps, seen;
    reg     due;

    initial begin
        done = 1'b0;
        failures = 0;
        steps = 0;
        seen = 0;
        rst = 1'b1;
        enable = 1'b1;
        last = 1'b0;
        user = 1'b0;
        repeat (2) @(negedge clk);
        for (clocks = 0; clocks < 1000; clocks = clocks + 1) begin
            rst = ($random(seed) & 63) == 0;
            enable = $random(seed);
            last = $random(seed);
            user = ($random(seed) & 3) == 0;
            due = STEPS == 0 ? steps == 0 || user : steps % STEPS == 0;
            #1;
            if (fresh !== (steps == 0) || start !== due) begin
                failures = failures + 1;
                if (failures < 10)
                    $display("STEPS %0d, step %0d: %b %b", STEPS, steps, fresh, start);
            end
            @(posedge clk);
            if (due && steps > 0) seen = seen + 1;
            if (rst) steps = 0;
            else if (enable && last) steps = steps + 1;
            @(negedge clk);
        end
        if (seen == 0) failures = failures + 1;
        done = 1'b1;
    end
endmodule

module strassenc_starts_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [3:0] done;
    wire [31:0] failures [0:3];
    strassenc_starts_check #(.STEPS(0)) check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_starts_check #(.STEPS(1)) check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_starts_check #(.STEPS(3)) check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_starts_check #(.STEPS(4)) check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3]) == 0)
                $display("PASS strassenc_starts");
            else begin
                $display("FAIL strassenc_starts");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
