// Self-checking testbench of strassenc_gated_add: all operands and gates of four bits, and random
// ones of thirteen.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_gated_add_tb;
    reg  [12:0] a, b, due;
    reg         a_on, b_on, subtract;
    wire  [3:0] narrow;
    wire [12:0] wide;

    strassenc_gated_add #(
        .BITS(4)
    ) of_four (
        .a_on    (a_on),
        .a       (a[3:0]),
        .b_on    (b_on),
        .b       (b[3:0]),
        .subtract(subtract),
        .y       (narrow)
    );
    strassenc_gated_add #(
        .BITS(13)
    ) of_thirteen (
        .a_on    (a_on),
        .a       (a),
        .b_on    (b_on),
        .b       (b),
        .subtract(subtract),
        .y       (wide)
    );

    integer seed = 1;
    // Seeds are nothing to Verilator.
    wire    unused = &{1'b0, seed};
    integer i;
    initial begin
        for (i = 0; i < 2048; i = i + 1) begin
            {subtract, b_on, a_on} = i >> 8;
            a = {$random(seed), i[3:0]};
            b = {$random(seed), i[7:4]};
            #1;
            due = a_on ? a : 13'd0;
            if (b_on) due = subtract ? due - b : due + b;
            if (wide !== due || narrow !== due[3:0]) begin
                $display("FAIL strassenc_gated_add: %h %h %b, %h", a, b, i[10:8], wide);
                $stop;
            end
        end
        $display("PASS strassenc_gated_add");
        $finish;
    end
endmodule

`default_nettype wire
