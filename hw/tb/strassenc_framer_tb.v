// Self-checking testbench of strassenc_framer with 1, 2, 3 and 8 beats, clock by clock: frames of
// the right length, short and long ones under random stalls, user bits, clken, clears of
// frame_error, also in the clock of an error, reset in mid-frame; by count, where the same s_last
// mean nothing.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_framer_check #(
    parameter BEATS    = 2,
    parameter BY_COUNT = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg         rst;
    reg         clken;
    reg         s_valid;
    wire        s_ready;
    reg  [11:0] s_data;
    reg         s_last;
    reg         s_user;
    wire        m_valid;
    reg         m_ready;
    wire [11:0] m_data;
    wire        m_user;
    reg         clear;
    wire        frame_error;

    strassenc_framer #(
        .BITS    (12),
        .BEATS   (BEATS),
        .BY_COUNT(BY_COUNT)
    ) dut (
        .clk              (clk),
        .clken            (clken),
        .rst              (rst),
        .s_valid          (s_valid),
        .s_ready          (s_ready),
        .s_data           (s_data),
        .s_last           (s_last),
        .s_user           (s_user),
        .m_valid          (m_valid),
        .m_ready          (m_ready),
        .m_data           (m_data),
        .m_user           (m_user),
        .frame_error_clear(clear),
        .frame_error      (frame_error)
    );

    integer    seed = BEATS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer    mode, clocks, kind, length, given, out, frames;
    integer    shorts = 0;
    integer    longs = 0;
    integer    clears = 0;
    integer    ties = 0;
    reg        pending, error, wrong, filling, dropping, valid, ready, user;
    reg [11:0] data;

    task new_frame;
        begin
            // Mostly frames of the right length, now and then one that is too short or too long.
            kind = mode == 0 ? 15 : $random(seed) & 15;
            length = BEATS;
            if (BY_COUNT != 0) kind = 15;
            if (kind < 2 && BEATS > 1) length = 1 + ($random(seed) & 1023) % (BEATS - 1);
            if (kind == 2) length = BEATS + 1;
            if (kind == 3) length = 2 * BEATS;
            if (kind == 4) length = 3 * BEATS + 1;
            given = 0;
            out = 0;
        end
    endtask

    // mode 0: full rate and no wrong frames; 1: random; 2: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = 12'd0;
        s_last = 1'b0;
        s_user = 1'b0;
        clear = 1'b0;
        for (mode = 0; mode < 3; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            repeat (2) @(negedge clk);
            error = 1'b0;
            frames = 0;
            pending = 1'b0;
            new_frame;
            for (clocks = 0; clocks < 2000; clocks = clocks + 1) begin
                // What the frame at hand still asks for.
                filling = given == length && out < BEATS;
                dropping = given < length && out == BEATS;
                if (!pending) begin
                    s_valid = mode == 0 || ($random(seed) & 3) != 0;
                    s_data = $random(seed) | 1;
                    s_user = $random(seed);
                    s_last = BY_COUNT != 0 ? $random(seed) : given == length - 1;
                end
                // Anything may be offered while zeros go out.
                if (filling) begin
                    s_valid = $random(seed);
                    s_last = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 2 || ($random(seed) & 3) != 0;
                clear = mode != 0 && ($random(seed) & 3) == 0;
                rst = mode == 2 && ($random(seed) & 63) == 0;
                valid = filling || (s_valid && !dropping);
                ready = dropping || (m_ready && !filling);
                data = filling ? 12'd0 : s_data;
                user = s_user && out == 0;
                #1;
                if (m_valid !== valid || s_ready !== ready || frame_error !== error
                        || (valid && (m_data !== data || m_user !== user))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "BEATS %0d, mode %0d, at %0d, %0d/%0d/%0d: %b %b %b, %h %b not %h %b",
                            BEATS, mode, clocks, given, length, out, m_valid, s_ready, frame_error,
                            m_data, m_user, data, user);
                end
                @(posedge clk);
                pending = s_valid && !(clken && ready) && !rst && !filling;
                if (rst) begin
                    error = 1'b0;
                    new_frame;
                end else if (clken) begin
                    if (s_valid && ready) given = given + 1;
                    // Told once, with the last word that is given or the last one that leaves.
                    wrong = !filling && !dropping && valid && m_ready
                            && ((given == length) != (out == BEATS - 1));
                    if (valid && m_ready) out = out + 1;
                    if (error && clear && !wrong) clears = clears + 1;
                    if (clear && wrong) ties = ties + 1;
                    error = wrong || (error && !clear);
                    if (given == length && out == BEATS) begin
                        frames = frames + 1;
                        if (length < BEATS) shorts = shorts + 1;
                        if (length > BEATS) longs = longs + 1;
                        new_frame;
                    end
                end
                @(negedge clk);
            end
            if (frames < (mode == 0 ? 2000 / BEATS : 20)) begin
                failures = failures + 1;
                $display("BEATS %0d, mode %0d: only %0d frames", BEATS, mode, frames);
            end
        end
        if (BY_COUNT == 0
            && ((shorts < 5 && BEATS > 1) || longs < 5 || clears < 5 || ties < 5)) begin
            failures = failures + 1;
            $display(
                "BEATS %0d: only %0d short, %0d long frames, %0d clears, %0d of them with an error",
                BEATS, shorts, longs, clears, ties);
        end
        done = 1'b1;
    end
endmodule

module strassenc_framer_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [5:0] done;
    wire [31:0] failures [0:5];
    strassenc_framer_check #(.BEATS(1)) check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_framer_check #(.BEATS(2)) check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_framer_check #(.BEATS(3)) check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_framer_check #(.BEATS(8)) check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_framer_check #(.BEATS(1), .BY_COUNT(1)) check_4 (.clk(clk), .done(done[4]),
        .failures(failures[4]));
    strassenc_framer_check #(.BEATS(3), .BY_COUNT(1)) check_5 (.clk(clk), .done(done[5]),
        .failures(failures[5]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]
                | failures[5]) == 0)
                $display("PASS strassenc_framer");
            else begin
                $display("FAIL strassenc_framer");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
