// Self-checking testbench of strassenc_select: every position of random bits, up to the last one.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_select_check #(
    parameter integer COUNT         = 8,
    parameter integer POSITION_BITS = 3
) (
    input  wire [63:0] x,
    input  wire  [5:0] position,
    output wire        failed
);
    wire y;
    strassenc_select #(
        .COUNT        (COUNT),
        .POSITION_BITS(POSITION_BITS)
    ) dut (
        .x       (x[COUNT-1:0]),
        .position(position[POSITION_BITS-1:0]),
        .y       (y)
    );
    assign failed = position < COUNT && y !== x[position];
    wire unused = &{1'b0, x, position};
endmodule

module strassenc_select_tb;
    reg  [63:0] x;
    reg   [5:0] position;
    wire  [5:0] failed;
    strassenc_select_check #(.COUNT(1), .POSITION_BITS(1)) check_0 (x, position, failed[0]);
    strassenc_select_check #(.COUNT(3), .POSITION_BITS(2)) check_1 (x, position, failed[1]);
    strassenc_select_check #(.COUNT(11), .POSITION_BITS(4)) check_2 (x, position, failed[2]);
    strassenc_select_check #(.COUNT(16), .POSITION_BITS(6)) check_3 (x, position, failed[3]);
    strassenc_select_check #(.COUNT(33), .POSITION_BITS(6)) check_4 (x, position, failed[4]);
    strassenc_select_check #(.COUNT(64), .POSITION_BITS(6)) check_5 (x, position, failed[5]);

    integer seed = 1;
    // Seeds are nothing to Verilator.
    wire    unused = &{1'b0, seed};
    integer i;
    initial begin
        for (i = 0; i < 4096; i = i + 1) begin
            x = {$random(seed), $random(seed)};
            position = i;
            #1;
            if (|failed) begin
                $display("FAIL strassenc_select: %h, %0d, %b", x, position, failed);
                $stop;
            end
        end
        $display("PASS strassenc_select");
        $finish;
    end
endmodule

`default_nettype wire
