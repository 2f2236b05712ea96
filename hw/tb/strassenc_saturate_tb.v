// Self-checking testbench of strassenc_saturate: every x of several widths.
// verilator lint_off DECLFILENAME
`default_nettype none

module strassenc_saturate_check #(
    parameter integer X_BITS = 8,
    parameter integer BITS   = 4
) (
    input  wire       [11:0] x,
    output wire              failed
);
    wire signed [X_BITS-1:0] own = x[X_BITS-1:0];
    wire          [BITS-1:0] y;
    strassenc_saturate #(
        .X_BITS(X_BITS),
        .BITS  (BITS)
    ) dut (
        .x(own),
        .y(y)
    );

    wire signed [31:0] value = {{(32-X_BITS){own[X_BITS-1]}}, own};
    localparam signed [31:0] MOST = (1 << BITS) - 1;
    wire signed [31:0] due = value < 0 ? 0 : value > MOST ? MOST : value;
    assign failed = {{(32-BITS){1'b0}}, y} !== due;
    wire unused = &{1'b0, x};
endmodule

module strassenc_saturate_tb;
    reg  [11:0] x = 12'd0;
    wire  [4:0] failed;
    strassenc_saturate_check #(.X_BITS(12), .BITS(8)) check_0 (.x(x), .failed(failed[0]));
    strassenc_saturate_check #(.X_BITS(11), .BITS(8)) check_1 (.x(x), .failed(failed[1]));
    strassenc_saturate_check #(.X_BITS(10), .BITS(8)) check_2 (.x(x), .failed(failed[2]));
    strassenc_saturate_check #(.X_BITS(3), .BITS(1)) check_3 (.x(x), .failed(failed[3]));
    strassenc_saturate_check #(.X_BITS(9), .BITS(5)) check_4 (.x(x), .failed(failed[4]));

    integer i;
    initial begin
        for (i = 0; i < 4096; i = i + 1) begin
            x = i[11:0];
            #1;
            if (|failed) begin
                $display("FAIL strassenc_saturate: %h, %b", x, failed);
                $stop;
            end
        end
        $display("PASS strassenc_saturate");
        $finish;
    end
endmodule

`default_nettype wire
