// Self-checking testbench of strassenc_best: every clock compared with a plain model, under gaps,
// stalls, clken and resets; one to nine indices of words of 1 to 10 elements, signed and unsigned,
// of which many are equal.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_best_check #(
    parameter LANES    = 4,
    parameter X_BITS   = 8,
    parameter X_SIGNED = 1,
    parameter WORDS    = 1,
    parameter K        = 1,
    parameter Z_BITS   = 2,
    parameter SEED     = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam IN_BITS      = LANES * X_BITS;
    localparam OUT_BITS     = K * Z_BITS;
    localparam CLOCKS       = 400;
    localparam LATENCY      = LANES > 1 ? 1 + $clog2(LANES) : 1;
    localparam GROUP        = WORDS;

    reg                     rst;
    reg                     clken;
    reg                     s_valid;
    wire                    s_ready;
    reg  [IN_BITS-1:0]      s_data;
    reg                     s_user;
    wire                    m_valid;
    reg                     m_ready;
    wire [OUT_BITS-1:0]     m_data;
    wire                    m_user;

    strassenc_best #(
        .LANES   (LANES),
        .X_BITS  (X_BITS),
        .X_SIGNED(X_SIGNED),
        .WORDS   (WORDS),
        .K       (K),
        .Z_BITS  (Z_BITS)
    ) dut (
        .clk        (clk),
        .clken      (clken),
        .rst        (rst),
        .s_valid    (s_valid),
        .s_ready    (s_ready),
        .s_data     (s_data),
        .s_user     (s_user),
        .m_valid    (m_valid),
        .m_ready    (m_ready),
        .m_data     (m_data),
        .m_user     (m_user)
    );

    integer                 seed = SEED;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer                 mode, clocks, i, k, taken;
    reg                     pending, step;
    // What the primitive should be: the results on their way, the last stage at m_data, and the
    // group at hand.
    reg                     stage_valid [0:LATENCY-1];
    reg                     stage_user  [0:LATENCY-1];
    reg [OUT_BITS-1:0]      stage_data  [0:LATENCY-1];
    integer                 position;
    reg                     group_user;
    reg [OUT_BITS-1:0]      result;
    reg signed [63:0]       all [0:WORDS*LANES-1];
    reg [WORDS*LANES-1:0]   told;
    integer                 lane, place, best;

    // A word: each element at either end of its range, or anything. The more ends, the more often
    // all of them at one.
    integer                 kind;
    reg [X_BITS-1:0]        drawn;
    task draw(input integer ends);
        begin
            kind = ($random(seed) & 7) + ends;
            for (i = 0; i < LANES; i = i + 1) begin
                case (kind >= 6 ? kind : $random(seed) & 7)
                    6:       drawn = ~({X_BITS{1'b1}} >> 1);
                    7:       drawn = {X_BITS{1'b1}} >> 1;
                    8:       drawn = {X_BITS{1'b1}};
                    default: drawn = {$random(seed), $random(seed)};
                endcase
                s_data[i*X_BITS +: X_BITS] = drawn;
            end
        end
    endtask

    function signed [63:0] number(input [X_BITS-1:0] bits);
        number = X_SIGNED != 0 && bits[X_BITS-1]
            ? $signed({{(64-X_BITS){1'b1}}, bits}) : $signed({{(64-X_BITS){1'b0}}, bits});
    endfunction

    // The largest that is not told yet, the first of them, K times, once all are there.
    task compute;
        begin
            for (lane = 0; lane < LANES; lane = lane + 1)
                all[position*LANES+lane] = number(s_data[lane*X_BITS +: X_BITS]);
            told = {WORDS*LANES{1'b0}};
            for (place = 0; place < K && position == WORDS - 1; place = place + 1) begin
                best = -1;
                for (lane = 0; lane < WORDS * LANES; lane = lane + 1)
                    if (!told[lane] && (best < 0 || all[lane] > all[best])) best = lane;
                told[best] = 1'b1;
                result[place*Z_BITS +: Z_BITS] = best[Z_BITS-1:0];
            end
        end
    endtask

    // One more failure; the first ones are told.
    task fail;
        begin
            failures = failures + 1;
            if (failures < 10)
                $display(
                    "set %0d, mode %0d, clock %0d: ready %b, valid %b, %h, user %b, not %b, %h, %b",
                    SEED, mode, clocks, s_ready, m_valid, m_data, m_user, stage_valid[LATENCY-1],
                    stage_data[LATENCY-1], stage_user[LATENCY-1]);
        end
    endtask

    task forget;
        begin
            for (k = 0; k < LATENCY; k = k + 1) stage_valid[k] = 1'b0;
            position = 0;
        end
    endtask

    // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: both random, and clken
    // and resets too.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        s_data = {IN_BITS{1'b0}};
        s_user = 1'b0;
        s_valid = 1'b0;
        m_ready = 1'b0;
        clocks = 0;
        for (mode = 0; mode < 5; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            pending = 1'b0;
            taken = 0;
            repeat (2) @(negedge clk);
            rst = 1'b0;
            forget;
            for (clocks = 0; clocks < CLOCKS; clocks = clocks + 1) begin
                // A giver may not withdraw a word.
                if (!pending) begin
                    s_valid = mode == 0 || mode == 2 || ($random(seed) & 3) == 0;
                    draw(mode == 0 ? 2 : 0);
                    s_user = $random(seed) & 1;
                end
                m_ready = mode == 0 || mode == 1 || ($random(seed) & 3) == 0;
                clken   = mode != 4 || ($random(seed) & 3) != 0;
                rst     = mode == 4 && ($random(seed) & 63) == 0;
                @(posedge clk);
                // Everything is as it should be in this clock, whether anything moves or not.
                step = !stage_valid[LATENCY-1] || m_ready;
                if (s_ready !== step || m_valid !== stage_valid[LATENCY-1]) fail;
                else if (m_valid
                    && (m_data !== stage_data[LATENCY-1] || m_user !== stage_user[LATENCY-1])) fail;
                if (m_valid && m_ready && clken) taken = taken + 1;
                pending = s_valid && !(step && clken && !rst);
                // What this edge does.
                if (rst) forget;
                else if (step && clken) begin
                    for (k = LATENCY - 1; k > 0; k = k - 1) begin
                        stage_valid[k] = stage_valid[k-1];
                        stage_user[k]  = stage_user[k-1];
                        stage_data[k]  = stage_data[k-1];
                    end
                    stage_valid[0] = 1'b0;
                    if (s_valid) begin
                        if (position == 0) group_user = s_user;
                        compute;
                        stage_valid[0] = position == GROUP - 1;
                        stage_user[0]  = group_user;
                        stage_data[0]  = result;
                        position = position == GROUP - 1 ? 0 : position + 1;
                    end
                end
                @(negedge clk);
            end
            // One word per clock.
            if (mode == 0 && taken != (CLOCKS - LATENCY) / GROUP) begin
                failures = failures + 1;
                $display("set %0d, full rate: %0d results in %0d clocks", SEED, taken, CLOCKS);
            end
            if (taken < CLOCKS / (16 * GROUP)) begin
                failures = failures + 1;
                $display("set %0d, mode %0d: only %0d results", SEED, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_best_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [13:0] done;
    wire [31:0] failures [0:13];

    strassenc_best_check #(.LANES(1), .X_BITS(8), .X_SIGNED(1), .WORDS(1), .K(1),
        .Z_BITS(1), .SEED(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_best_check #(.LANES(2), .X_BITS(8), .X_SIGNED(1), .WORDS(1), .K(1),
        .Z_BITS(1), .SEED(2))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_best_check #(.LANES(10), .X_BITS(20), .X_SIGNED(1), .WORDS(1), .K(1),
        .Z_BITS(4), .SEED(3))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_best_check #(.LANES(10), .X_BITS(20), .X_SIGNED(1), .WORDS(1), .K(3),
        .Z_BITS(4), .SEED(4))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_best_check #(.LANES(5), .X_BITS(6), .X_SIGNED(1), .WORDS(2), .K(1),
        .Z_BITS(4), .SEED(5))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_best_check #(.LANES(1), .X_BITS(8), .X_SIGNED(0), .WORDS(10), .K(1),
        .Z_BITS(4), .SEED(6))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_best_check #(.LANES(1), .X_BITS(4), .X_SIGNED(1), .WORDS(10), .K(3),
        .Z_BITS(4), .SEED(7))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    strassenc_best_check #(.LANES(2), .X_BITS(3), .X_SIGNED(1), .WORDS(5), .K(5),
        .Z_BITS(4), .SEED(8))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));
    strassenc_best_check #(.LANES(3), .X_BITS(5), .X_SIGNED(0), .WORDS(3), .K(9),
        .Z_BITS(4), .SEED(9))
        check_8 (.clk(clk), .done(done[8]), .failures(failures[8]));
    strassenc_best_check #(.LANES(4), .X_BITS(2), .X_SIGNED(0), .WORDS(1), .K(4),
        .Z_BITS(2), .SEED(10))
        check_9 (.clk(clk), .done(done[9]), .failures(failures[9]));
    strassenc_best_check #(.LANES(7), .X_BITS(40), .X_SIGNED(1), .WORDS(3), .K(4),
        .Z_BITS(5), .SEED(11))
        check_10 (.clk(clk), .done(done[10]), .failures(failures[10]));
    strassenc_best_check #(.LANES(2), .X_BITS(1), .X_SIGNED(1), .WORDS(2), .K(2),
        .Z_BITS(2), .SEED(12))
        check_11 (.clk(clk), .done(done[11]), .failures(failures[11]));
    strassenc_best_check #(.LANES(2), .X_BITS(1), .X_SIGNED(0), .WORDS(2), .K(3),
        .Z_BITS(2), .SEED(13))
        check_12 (.clk(clk), .done(done[12]), .failures(failures[12]));
    strassenc_best_check #(.LANES(2), .X_BITS(54), .X_SIGNED(1), .WORDS(3), .K(2),
        .Z_BITS(3), .SEED(14))
        check_13 (.clk(clk), .done(done[13]), .failures(failures[13]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] |
                failures[5] | failures[6] | failures[7] | failures[8] | failures[9] |
                failures[10] | failures[11] | failures[12] | failures[13]) == 0)
                $display("PASS strassenc_best");
            else begin
                $display("FAIL strassenc_best");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
