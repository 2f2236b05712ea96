// Self-checking testbench of strassenc_threshold: every clock compared with a plain model, under
// gaps, stalls, clken and resets; bounds within the elements' range, at its ends and below it.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_threshold_check #(
    parameter            LANES    = 4,
    parameter            X_BITS   = 8,
    parameter            X_SIGNED = 1,
    parameter [X_BITS:0] ABOVE    = 0,
    parameter            SEED     = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam IN_BITS      = LANES * X_BITS;
    localparam OUT_BITS     = LANES;
    localparam CLOCKS       = 400;
    localparam LATENCY      = 1;
    localparam GROUP        = 1;

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

    strassenc_threshold #(
        .LANES   (LANES),
        .X_BITS  (X_BITS),
        .X_SIGNED(X_SIGNED),
        .ABOVE   (ABOVE)
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
    reg signed [63:0]       above;
    integer                 lane;

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

    task compute;
        begin
            above = $signed({{(63-X_BITS){ABOVE[X_BITS]}}, ABOVE});
            for (lane = 0; lane < LANES; lane = lane + 1)
                result[lane] = number(s_data[lane*X_BITS +: X_BITS]) > above;
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

module strassenc_threshold_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [9:0] done;
    wire [31:0] failures [0:9];

    strassenc_threshold_check #(.LANES(1), .X_BITS(8), .X_SIGNED(1), .ABOVE(9'h000), .SEED(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_threshold_check #(.LANES(4), .X_BITS(8), .X_SIGNED(1), .ABOVE(9'h1fd), .SEED(2))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_threshold_check #(.LANES(3), .X_BITS(6), .X_SIGNED(0), .ABOVE(7'd20), .SEED(3))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_threshold_check #(.LANES(2), .X_BITS(8), .X_SIGNED(1), .ABOVE(9'h17f), .SEED(4))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_threshold_check #(.LANES(2), .X_BITS(8), .X_SIGNED(1), .ABOVE(9'h07f), .SEED(5))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_threshold_check #(.LANES(2), .X_BITS(8), .X_SIGNED(0), .ABOVE(9'h1ff), .SEED(6))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_threshold_check #(.LANES(2), .X_BITS(8), .X_SIGNED(0), .ABOVE(9'h0ff), .SEED(7))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    strassenc_threshold_check #(.LANES(1), .X_BITS(54), .X_SIGNED(1), .ABOVE(55'd12345678901),
        .SEED(8))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));
    strassenc_threshold_check #(.LANES(2), .X_BITS(1), .X_SIGNED(1), .ABOVE(2'b11), .SEED(9))
        check_8 (.clk(clk), .done(done[8]), .failures(failures[8]));
    strassenc_threshold_check #(.LANES(2), .X_BITS(1), .X_SIGNED(0), .ABOVE(2'b00), .SEED(10))
        check_9 (.clk(clk), .done(done[9]), .failures(failures[9]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] |
                failures[5] | failures[6] | failures[7] | failures[8] | failures[9]) == 0)
                $display("PASS strassenc_threshold");
            else begin
                $display("FAIL strassenc_threshold");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
