// Self-checking testbench of strassenc_merge: random lists in order, of which many keys are equal;
// of one to five entries each, and of all of both or fewer.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_merge_check #(
    parameter KEY_BITS = 3,
    parameter A        = 1,
    parameter B        = 1,
    parameter COUNT    = 1,
    parameter SEED     = 1
) (
    output reg        done,
    output reg [31:0] failures
);
    localparam TAG_BITS = 4;
    localparam BITS     = KEY_BITS + TAG_BITS;

    reg  [A*BITS-1:0]     a;
    reg  [B*BITS-1:0]     b;
    wire [COUNT*BITS-1:0] m;

    strassenc_merge #(
        .KEY_BITS(KEY_BITS),
        .TAG_BITS(TAG_BITS),
        .A       (A),
        .B       (B),
        .COUNT   (COUNT)
    ) dut (
        .a(a),
        .b(b),
        .m(m)
    );

    integer seed = SEED;
    // Seeds are nothing to Verilator.
    wire    unused = &{1'b0, seed};
    integer turn, i, from_a, from_b;
    // The key of the entry before, and the one that is due.
    reg [KEY_BITS-1:0] key, next;
    reg [BITS-1:0]     due;
    initial begin
        done = 1'b0;
        failures = 0;
        for (turn = 0; turn < 500; turn = turn + 1) begin
            key = {KEY_BITS{1'b1}};
            for (i = 0; i < A; i = i + 1) begin
                next = {$random(seed), $random(seed)};
                if (next < key) key = next;
                a[i*BITS +: BITS] = {key, i[TAG_BITS-1:0]};
            end
            key = {KEY_BITS{1'b1}};
            for (i = 0; i < B; i = i + 1) begin
                next = {$random(seed), $random(seed)};
                if (next < key) key = next;
                b[i*BITS +: BITS] = {key, i[TAG_BITS-1:0] + 4'd8};
            end
            #1;
            from_a = 0;
            from_b = 0;
            for (i = 0; i < COUNT; i = i + 1) begin
                if (from_b == B || (from_a < A && a[from_a*BITS+TAG_BITS +: KEY_BITS]
                        >= b[from_b*BITS+TAG_BITS +: KEY_BITS])) begin
                    due = a[from_a*BITS +: BITS];
                    from_a = from_a + 1;
                end else begin
                    due = b[from_b*BITS +: BITS];
                    from_b = from_b + 1;
                end
                if (m[i*BITS +: BITS] !== due) failures = failures + 1;
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_merge_tb;
    wire [6:0]  done;
    wire [31:0] failures [0:6];

    strassenc_merge_check #(.A(1), .B(1), .COUNT(1), .SEED(1))
        check_0 (.done(done[0]), .failures(failures[0]));
    strassenc_merge_check #(.A(1), .B(1), .COUNT(2), .SEED(2))
        check_1 (.done(done[1]), .failures(failures[1]));
    strassenc_merge_check #(.A(2), .B(1), .COUNT(3), .SEED(3))
        check_2 (.done(done[2]), .failures(failures[2]));
    strassenc_merge_check #(.A(3), .B(3), .COUNT(3), .SEED(4))
        check_3 (.done(done[3]), .failures(failures[3]));
    strassenc_merge_check #(.A(5), .B(2), .COUNT(5), .KEY_BITS(2), .SEED(5))
        check_4 (.done(done[4]), .failures(failures[4]));
    strassenc_merge_check #(.A(2), .B(5), .COUNT(4), .KEY_BITS(1), .SEED(6))
        check_5 (.done(done[5]), .failures(failures[5]));
    strassenc_merge_check #(.A(4), .B(4), .COUNT(8), .KEY_BITS(40), .SEED(7))
        check_6 (.done(done[6]), .failures(failures[6]));

    always @(done)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] | failures[5]
                | failures[6]) == 0)
                $display("PASS strassenc_merge");
            else begin
                $display("FAIL strassenc_merge");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
