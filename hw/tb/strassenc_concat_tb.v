// Self-checking testbench of strassenc_concat: in turn and together, elements of both kinds,
// shifts, halves that round up, saturation at both ends; clock by clock under random stalls of both
// givers and the taker, clken, reset in mid-stream.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_concat_check #(
    parameter TOGETHER = 0,
    parameter A_LANES  = 1,
    parameter B_LANES  = 1,
    parameter A_WORDS  = 1,
    parameter B_WORDS  = 1,
    parameter A_BITS   = 8,
    parameter A_SIGNED = 1,
    parameter B_BITS   = 8,
    parameter B_SIGNED = 1,
    parameter A_SHIFT  = 0,
    parameter B_SHIFT  = 0,
    parameter SHIFT    = 0,
    parameter Z_BITS   = 8,
    parameter Z_SIGNED = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam LANES = TOGETHER != 0 ? A_LANES + B_LANES : A_LANES;

    reg                       rst;
    reg                       clken;
    reg                       a_valid;
    wire                      a_ready;
    reg  [A_LANES*A_BITS-1:0] a_data;
    reg                       a_user;
    reg                       b_valid;
    wire                      b_ready;
    reg  [B_LANES*B_BITS-1:0] b_data;
    reg                       b_user;
    wire                      m_valid;
    reg                       m_ready;
    wire [LANES*Z_BITS-1:0]   m_data;
    wire                      m_user;

    strassenc_concat #(
        .TOGETHER(TOGETHER),
        .A_LANES (A_LANES),
        .B_LANES (B_LANES),
        .A_WORDS (A_WORDS),
        .B_WORDS (B_WORDS),
        .A_BITS  (A_BITS),
        .A_SIGNED(A_SIGNED),
        .B_BITS  (B_BITS),
        .B_SIGNED(B_SIGNED),
        .A_SHIFT (A_SHIFT),
        .B_SHIFT (B_SHIFT),
        .SHIFT   (SHIFT),
        .Z_BITS  (Z_BITS),
        .Z_SIGNED(Z_SIGNED)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .a_valid(a_valid),
        .a_ready(a_ready),
        .a_data (a_data),
        .a_user (a_user),
        .b_valid(b_valid),
        .b_ready(b_ready),
        .b_data (b_data),
        .b_user (b_user),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    integer                seed = A_BITS + 64 * SHIFT;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer                mode, clocks, taken, lane, at;
    reg                    pending_a, pending_b, advance, of_a, of_b, enters;
    reg signed [127:0]     exact, least, greatest;
    reg [A_BITS-1:0]       element_a;
    reg [B_BITS-1:0]       element_b;
    reg [LANES*Z_BITS-1:0] joined;
    // What the two stages of the pipeline stand for.
    reg [1:0]              valid, user;
    reg [LANES*Z_BITS-1:0] first, second;

    // 64 random bits, or now and then an end of the range of an operand of this many bits.
    function [63:0] pick(input integer bits);
        reg [63:0] ones;
        begin
            ones = {64{1'b1}} >> (64 - bits);
            case ($random(seed) & 7)
                0: pick = 64'd0;
                1: pick = ones;
                2: pick = ones >> 1;
                3: pick = ~(ones >> 1);
                4: pick = {60'd0, $random(seed) & 4'd15};
                default: pick = {$random(seed), $random(seed)};
            endcase
        end
    endfunction

    // The expected z of the words at hand.
    task join_words;
        begin
            least = Z_SIGNED != 0 ? -(128'sd1 <<< (Z_BITS - 1)) : 128'sd0;
            greatest = (128'sd1 <<< (Z_SIGNED != 0 ? Z_BITS - 1 : Z_BITS)) - 128'sd1;
            for (lane = 0; lane < LANES; lane = lane + 1) begin
                if (TOGETHER != 0 ? lane < A_LANES : of_a) begin
                    element_a = a_data >> (lane * A_BITS);
                    exact = {{(128-A_BITS){A_SIGNED != 0 && element_a[A_BITS-1]}}, element_a};
                    exact = exact <<< A_SHIFT;
                end else begin
                    element_b = b_data >> ((TOGETHER != 0 ? lane - A_LANES : lane) * B_BITS);
                    exact = {{(128-B_BITS){B_SIGNED != 0 && element_b[B_BITS-1]}}, element_b};
                    exact = exact <<< B_SHIFT;
                end
                if (SHIFT > 0) exact = exact + (128'sd1 <<< (SHIFT > 0 ? SHIFT - 1 : 0));
                if (SHIFT > 0) exact = exact >>> (SHIFT > 0 ? SHIFT : 0);
                else           exact = exact <<< (SHIFT > 0 ? 0 : -SHIFT);
                if (exact < least) exact = least;
                if (exact > greatest) exact = greatest;
                joined[lane*Z_BITS +: Z_BITS] = exact[Z_BITS-1:0];
            end
        end
    endtask

    // mode 0: full rate; 1: slow takers; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            a_valid = 1'b0;
            b_valid = 1'b0;
            repeat (2) @(negedge clk);
            valid = 2'b00;
            at = 0;
            taken = 0;
            pending_a = 1'b0;
            pending_b = 1'b0;
            for (clocks = 0; clocks < 500; clocks = clocks + 1) begin
                if (!pending_a) begin
                    a_valid = mode < 2 || ($random(seed) & 3) != 0;
                    for (lane = 0; lane < A_LANES; lane = lane + 1)
                        a_data[lane*A_BITS +: A_BITS] = pick(A_BITS);
                    a_user = $random(seed);
                end
                if (!pending_b) begin
                    b_valid = mode < 2 || ($random(seed) & 3) != 0;
                    for (lane = 0; lane < B_LANES; lane = lane + 1)
                        b_data[lane*B_BITS +: B_BITS] = pick(B_BITS);
                    b_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 63) == 0;
                advance = !valid[1] || m_ready;
                // The sides from which a word is due, each of which waits for the other one.
                of_a = TOGETHER != 0 || at < A_WORDS;
                of_b = TOGETHER != 0 || at >= A_WORDS;
                enters = (a_valid || !of_a) && (b_valid || !of_b);
                #1;
                if (a_ready !== (advance && of_a && (b_valid || !of_b))
                        || b_ready !== (advance && of_b && (a_valid || !of_a))
                        || m_valid !== valid[1]
                        || (valid[1] && (m_data !== second || m_user !== user[1]))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "%0d+%0d SHIFT %0d, mode %0d, clock %0d: %b %b %b, %h %b not %h %b",
                            A_BITS, B_BITS, SHIFT, mode, clocks, a_ready, b_ready, m_valid, m_data,
                            m_user, second, user[1]);
                end
                join_words;
                @(posedge clk);
                enters = clken && advance && enters;
                pending_a = a_valid && !(enters && of_a) && !rst;
                pending_b = b_valid && !(enters && of_b) && !rst;
                if (rst) begin
                    valid = 2'b00;
                    at = 0;
                end else if (clken && advance) begin
                    if (valid[1]) taken = taken + 1;
                    second = first;
                    first = joined;
                    valid = {valid[0], enters};
                    user = {user[0], a_user && of_a};
                    if (enters) at = (at + 1) % (A_WORDS + B_WORDS);
                end
                @(negedge clk);
            end
            // One word per clock, the first one two clocks late.
            if (mode == 0 ? taken != 498 : taken < 50) begin
                failures = failures + 1;
                $display("%0d+%0d SHIFT %0d, mode %0d: %0d words", A_BITS, B_BITS, SHIFT, mode,
                         taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_concat_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [11:0] done;
    wire [31:0] failures [0:11];
    strassenc_concat_check #(.TOGETHER(0), .A_LANES(1), .B_LANES(1), .A_WORDS(1), .B_WORDS(1),
        .A_BITS(8), .A_SIGNED(1), .B_BITS(8), .B_SIGNED(1), .A_SHIFT(0), .B_SHIFT(0),
        .SHIFT(0), .Z_BITS(8), .Z_SIGNED(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_concat_check #(.TOGETHER(1), .A_LANES(1), .B_LANES(1), .A_WORDS(1), .B_WORDS(1),
        .A_BITS(8), .A_SIGNED(1), .B_BITS(8), .B_SIGNED(1), .A_SHIFT(0), .B_SHIFT(0),
        .SHIFT(0), .Z_BITS(8), .Z_SIGNED(1))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    // Sides of different formats and numbers of words.
    strassenc_concat_check #(.TOGETHER(0), .A_LANES(3), .B_LANES(3), .A_WORDS(2), .B_WORDS(1),
        .A_BITS(8), .A_SIGNED(1), .B_BITS(6), .B_SIGNED(0), .A_SHIFT(2), .B_SHIFT(0),
        .SHIFT(3), .Z_BITS(8), .Z_SIGNED(1))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_concat_check #(.TOGETHER(0), .A_LANES(2), .B_LANES(2), .A_WORDS(3), .B_WORDS(5),
        .A_BITS(8), .A_SIGNED(0), .B_BITS(8), .B_SIGNED(1), .A_SHIFT(0), .B_SHIFT(3),
        .SHIFT(4), .Z_BITS(6), .Z_SIGNED(0))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_concat_check #(.TOGETHER(1), .A_LANES(3), .B_LANES(2), .A_WORDS(1), .B_WORDS(1),
        .A_BITS(8), .A_SIGNED(0), .B_BITS(5), .B_SIGNED(1), .A_SHIFT(1), .B_SHIFT(0),
        .SHIFT(2), .Z_BITS(7), .Z_SIGNED(1))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    // A left shift into a wide and into a narrow result.
    strassenc_concat_check #(.TOGETHER(1), .A_LANES(1), .B_LANES(4), .A_WORDS(1), .B_WORDS(1),
        .A_BITS(5), .A_SIGNED(1), .B_BITS(7), .B_SIGNED(1), .A_SHIFT(1), .B_SHIFT(2),
        .SHIFT(-2), .Z_BITS(20), .Z_SIGNED(1))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_concat_check #(.TOGETHER(0), .A_LANES(2), .B_LANES(2), .A_WORDS(1), .B_WORDS(3),
        .A_BITS(4), .A_SIGNED(0), .B_BITS(5), .B_SIGNED(1), .A_SHIFT(0), .B_SHIFT(0),
        .SHIFT(-3), .Z_BITS(6), .Z_SIGNED(1))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    // A shift beyond the elements: only 0 and, for the half itself, 1 remain.
    strassenc_concat_check #(.TOGETHER(0), .A_LANES(2), .B_LANES(2), .A_WORDS(2), .B_WORDS(2),
        .A_BITS(4), .A_SIGNED(1), .B_BITS(7), .B_SIGNED(0), .A_SHIFT(0), .B_SHIFT(0),
        .SHIFT(7), .Z_BITS(8), .Z_SIGNED(1))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));
    // The rounding constant carries into a bit of its own.
    strassenc_concat_check #(.TOGETHER(1), .A_LANES(2), .B_LANES(2), .A_WORDS(1), .B_WORDS(1),
        .A_BITS(8), .A_SIGNED(0), .B_BITS(8), .B_SIGNED(0), .A_SHIFT(0), .B_SHIFT(0),
        .SHIFT(3), .Z_BITS(8), .Z_SIGNED(0))
        check_8 (.clk(clk), .done(done[8]), .failures(failures[8]));
    // Single bits.
    strassenc_concat_check #(.TOGETHER(0), .A_LANES(3), .B_LANES(3), .A_WORDS(1), .B_WORDS(2),
        .A_BITS(1), .A_SIGNED(0), .B_BITS(1), .B_SIGNED(1), .A_SHIFT(0), .B_SHIFT(0),
        .SHIFT(1), .Z_BITS(1), .Z_SIGNED(0))
        check_9 (.clk(clk), .done(done[9]), .failures(failures[9]));
    strassenc_concat_check #(.TOGETHER(1), .A_LANES(3), .B_LANES(1), .A_WORDS(1), .B_WORDS(1),
        .A_BITS(1), .A_SIGNED(0), .B_BITS(1), .B_SIGNED(1), .A_SHIFT(0), .B_SHIFT(0),
        .SHIFT(0), .Z_BITS(1), .Z_SIGNED(1))
        check_10 (.clk(clk), .done(done[10]), .failures(failures[10]));
    // Elements of more than 64 bits once they are aligned.
    strassenc_concat_check #(.TOGETHER(0), .A_LANES(1), .B_LANES(1), .A_WORDS(1), .B_WORDS(1),
        .A_BITS(40), .A_SIGNED(1), .B_BITS(33), .B_SIGNED(0), .A_SHIFT(30), .B_SHIFT(24),
        .SHIFT(28), .Z_BITS(43), .Z_SIGNED(1))
        check_11 (.clk(clk), .done(done[11]), .failures(failures[11]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] | failures[5]
                    | failures[6] | failures[7] | failures[8] | failures[9] | failures[10]
                    | failures[11]) == 0) $display("PASS strassenc_concat");
            else begin
                $display("FAIL strassenc_concat");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
