// Self-checking testbench of strassenc_rectify: one lane and several, signed and not, clipped and
// leaky, ends of the format and what lies around MAX among random ones; clock by clock under random
// stalls of giver and taker, clken, reset in mid-stream.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_rectify_check #(
    parameter            LANES  = 1,
    parameter            BITS   = 8,
    parameter            SIGNED = 1,
    parameter [BITS-1:0] MAX    = {BITS{1'b1}},
    parameter            SHIFT  = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg                   rst;
    reg                   clken;
    reg                   s_valid;
    wire                  s_ready;
    reg  [LANES*BITS-1:0] s_data;
    reg                   s_user;
    wire                  m_valid;
    reg                   m_ready;
    wire [LANES*BITS-1:0] m_data;
    wire                  m_user;
    strassenc_rectify #(
        .LANES(LANES), .BITS(BITS), .SIGNED(SIGNED), .MAX(MAX), .SHIFT(SHIFT)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user)
    );

    integer               seed = BITS + 64 * SHIFT + 4096 * LANES + 8192 * SIGNED;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer               mode, clocks, taken, lane;
    reg                   pending, advance, valid, user;
    reg  [BITS-1:0]       x;
    reg  signed [63:0]    z;
    reg  [LANES*BITS-1:0] all, due;

    task compute;
        for (lane = 0; lane < LANES; lane = lane + 1) begin
            x = s_data[lane*BITS +: BITS];
            z = x;
            if (SIGNED != 0 && x[BITS-1]) begin
                z = z - (64'sd1 <<< BITS);
                // Rounded towards minus infinity, a half more than there is.
                if (SHIFT > 0) z = (z + (64'sd1 <<< (SHIFT - 1))) >>> SHIFT;
            end else if (z > MAX) z = MAX;
            all[lane*BITS +: BITS] = z[BITS-1:0];
        end
    endtask

    // mode 0: full rate; 1: slow taker; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            s_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            valid = 1'b0;
            pending = 1'b0;
            taken = 0;
            for (clocks = 0; clocks < 1000; clocks = clocks + 1) begin
                if (!pending) begin
                    s_valid = mode < 2 || ($random(seed) & 3) != 0;
                    for (lane = 0; lane < LANES; lane = lane + 1) begin
                        x = $random(seed);
                        case ($random(seed) & 15)
                            0:       x = {BITS{1'b1}} >> 1;
                            1:       x = ~({BITS{1'b1}} >> 1);
                            2:       x = {BITS{1'b1}};
                            3:       x = 0;
                            4:       x = MAX;
                            5:       x = MAX + 1;
                            default: ;
                        endcase
                        s_data[lane*BITS +: BITS] = x;
                    end
                    s_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 63) == 0;
                advance = !valid || m_ready;
                #1;
                if (s_ready !== advance || m_valid !== valid
                        || (m_valid && (m_data !== due || m_user !== user))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("BITS %0d SHIFT %0d, mode %0d, clock %0d: %b %b, %h %b, not %h %b",
                                 BITS, SHIFT, mode, clocks, s_ready, m_valid, m_data, m_user, due,
                                 user);
                end
                compute;
                @(posedge clk);
                pending = s_valid && !(clken && advance) && !rst;
                if (rst) valid = 1'b0;
                else if (clken && advance) begin
                    if (valid) taken = taken + 1;
                    valid = s_valid;
                    user  = s_user;
                    due   = all;
                end
                @(negedge clk);
            end
            // One word per clock, the first one a clock late.
            if (mode == 0 ? taken != 999 : taken < 50) begin
                failures = failures + 1;
                $display("BITS %0d SHIFT %0d, mode %0d: %0d words", BITS, SHIFT, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_rectify_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [8:0] done;
    wire [31:0] failures [0:8];
    // Clipped.
    strassenc_rectify_check #(.BITS(8), .SIGNED(0), .MAX(8'd192))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_rectify_check #(.LANES(3), .BITS(6), .MAX(6'd20))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_rectify_check #(.LANES(2), .BITS(4), .SIGNED(0), .MAX(4'd15))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_rectify_check #(.BITS(32), .SIGNED(0), .MAX(32'd3000000000))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_rectify_check #(.BITS(1), .SIGNED(0), .MAX(1'd0))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    // Leaky; halves, and all that is rounded to 0 or -1.
    strassenc_rectify_check #(.LANES(2), .BITS(8), .SHIFT(3))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_rectify_check #(.BITS(7), .SHIFT(1))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    strassenc_rectify_check #(.LANES(2), .BITS(4), .SHIFT(4))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));
    strassenc_rectify_check #(.LANES(3), .BITS(1), .SHIFT(15))
        check_8 (.clk(clk), .done(done[8]), .failures(failures[8]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]
                | failures[5] | failures[6] | failures[7] | failures[8]) == 0)
                $display("PASS strassenc_rectify");
            else begin
                $display("FAIL strassenc_rectify");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
