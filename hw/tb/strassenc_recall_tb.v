// Self-checking testbench of strassenc_recall: both streams joined and extended, zeros in the first
// step and where a sequence starts, by user bit and by count, what comes back taken all the same;
// clock by clock under random stalls of both givers and the taker, clken, reset.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_recall_check #(
    parameter LANES    = 1,
    parameter X_BITS   = 8,
    parameter X_SIGNED = 1,
    parameter H_BITS   = 8,
    parameter Z_BITS   = 8,
    parameter X_WORDS  = 1,
    parameter H_WORDS  = 1,
    parameter STEPS    = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg                     rst;
    reg                     clken;
    reg                     s_valid;
    wire                    s_ready;
    reg  [LANES*X_BITS-1:0] s_data;
    reg                     s_user;
    reg                     h_valid;
    wire                    h_ready;
    reg  [LANES*H_BITS-1:0] h_data;
    reg                     h_user;
    wire                    m_valid;
    reg                     m_ready;
    wire [LANES*Z_BITS-1:0] m_data;
    wire                    m_user;
    strassenc_recall #(
        .LANES(LANES), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .H_BITS(H_BITS), .Z_BITS(Z_BITS),
        .X_WORDS(X_WORDS),
        .H_WORDS(H_WORDS), .STEPS(STEPS)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .h_valid(h_valid), .h_ready(h_ready), .h_data(h_data), .h_user(h_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user)
    );

    integer                seed = X_BITS + 64 * H_BITS + 4096 * X_WORDS + H_WORDS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer                mode, clocks, frames, step, word, lane;
    reg                    pending_s, pending_h, fresh, start, of_h, due_valid, due_user;
    reg [LANES*Z_BITS-1:0] due;
    reg [X_BITS-1:0]       x;
    reg [H_BITS-1:0]       h;

    // mode 0: full rate; 1: slow taker; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            s_valid = 1'b0;
            h_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            pending_s = 1'b0;
            pending_h = 1'b0;
            fresh = 1'b1;
            word = 0;
            step = 0;
            frames = 0;
            for (clocks = 0; clocks < 1200; clocks = clocks + 1) begin
                if (!pending_s) begin
                    s_valid = mode < 2 || ($random(seed) & 3) != 0;
                    for (lane = 0; lane < LANES; lane = lane + 1)
                        s_data[lane*X_BITS +: X_BITS] = $random(seed);
                    // What is on the other words is not read.
                    s_user = $random(seed);
                end
                if (!pending_h) begin
                    h_valid = mode < 2 || ($random(seed) & 3) != 0;
                    for (lane = 0; lane < LANES; lane = lane + 1)
                        h_data[lane*H_BITS +: H_BITS] = $random(seed);
                    h_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 63) == 0;
                of_h = word >= X_WORDS;
                due_valid = of_h ? h_valid || fresh : s_valid;
                due_user = s_user && word == 0 && (STEPS == 0 || step % STEPS == 0);
                for (lane = 0; lane < LANES; lane = lane + 1) begin
                    x = s_data[lane*X_BITS +: X_BITS];
                    h = h_data[lane*H_BITS +: H_BITS];
                    if (!of_h)
                        due[lane*Z_BITS +: Z_BITS] = {{Z_BITS{X_SIGNED != 0 && x[X_BITS-1]}}, x};
                    else if (fresh || start)  due[lane*Z_BITS +: Z_BITS] = 0;
                    else
                        due[lane*Z_BITS +: Z_BITS] = {{Z_BITS{h[H_BITS-1]}}, h};
                end
                #1;
                if (s_ready !== (m_ready && !of_h) || h_ready !== (m_ready && of_h && !fresh)
                    || m_valid !== due_valid
                        || (due_valid
                            && (m_data !== due || (!of_h && m_user !== due_user)
                            || (of_h && m_user !== 1'b0)))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("X %0d H %0d, mode %0d, %0d, word %0d: %b %b %b, %h %b, not %h %b",
                                 X_BITS, H_BITS, mode, clocks, word, s_ready, h_ready, m_valid,
                                 m_data, m_user, due, due_user);
                end
                @(posedge clk);
                pending_s = s_valid && !(clken && m_ready && !of_h) && !rst;
                pending_h = h_valid && !(clken && m_ready && of_h && !fresh) && !rst;
                if (rst) begin
                    fresh = 1'b1;
                    word = 0;
                    step = 0;
                end else if (clken && due_valid && m_ready) begin
                    if (word == 0) start = STEPS == 0 ? s_user : step % STEPS == 0;
                    word = word + 1;
                    if (word == X_WORDS + H_WORDS) begin
                        word = 0;
                        step = step + 1;
                        fresh = 1'b0;
                        frames = frames + 1;
                    end
                end
                @(negedge clk);
            end
            // One word per clock.
            if (mode == 0 ? frames != 1200 / (X_WORDS + H_WORDS) : frames < 20) begin
                failures = failures + 1;
                $display("X %0d H %0d, mode %0d: %0d frames", X_BITS, H_BITS, mode, frames);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_recall_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [4:0] done;
    wire [31:0] failures [0:4];
    strassenc_recall_check #(.LANES(1), .X_BITS(8), .X_SIGNED(1), .H_BITS(8), .Z_BITS(8),
        .X_WORDS(1), .H_WORDS(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_recall_check #(.LANES(2), .X_BITS(5), .X_SIGNED(0), .H_BITS(8), .Z_BITS(8),
        .X_WORDS(3), .H_WORDS(2))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_recall_check #(.LANES(3), .X_BITS(8), .X_SIGNED(0), .H_BITS(4), .Z_BITS(9),
        .X_WORDS(1), .H_WORDS(4), .STEPS(3))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_recall_check #(.LANES(1), .X_BITS(3), .X_SIGNED(1), .H_BITS(6), .Z_BITS(6),
        .X_WORDS(5), .H_WORDS(1), .STEPS(1))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_recall_check #(.LANES(4), .X_BITS(1), .X_SIGNED(0), .H_BITS(2), .Z_BITS(2),
        .X_WORDS(2), .H_WORDS(7))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]) == 0)
                $display("PASS strassenc_recall");
            else begin
                $display("FAIL strassenc_recall");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
