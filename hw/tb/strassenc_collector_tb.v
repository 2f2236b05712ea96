// Self-checking testbench of strassenc_collector with 1, 2, 3 and 8 beats: vectors under random
// stalls, wrong s_last both ways, resynchronisation, clears of frame_error, also in the clock of an
// error, reset in mid-frame; by count, where s_last means nothing.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_collector_check #(
    parameter BEATS    = 2,
    parameter BY_COUNT = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg                rst;
    reg                clken;
    reg                s_valid;
    wire               s_ready;
    reg  [7:0]         s_data;
    reg                s_last;
    reg                s_user;
    wire               m_valid;
    reg                m_ready;
    wire [BEATS*8-1:0] m_data;
    wire               m_user;
    reg                clear;
    wire               frame_error;

    strassenc_collector #(
        .BEAT_BITS(8),
        .BEATS    (BEATS),
        .BY_COUNT (BY_COUNT)
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

    integer           seed = BEATS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer           frame, beat, length, kind;
    reg               delivered;
    // frame_error_clear is high while beats are given, so that it meets errors.
    reg               always_clear;
    reg [BEATS*8-1:0] expected, seen;
    reg               seen_user, expected_user;

    // Offers one beat until it is taken; notes a vector that leaves meanwhile.
    task give(input [7:0] data, input last, input user);
        reg accepted;
        begin
            accepted = 1'b0;
            while (!accepted) begin
                s_valid = $random(seed) & 1;
                m_ready = $random(seed) & 1;
                clken   = ($random(seed) & 3) != 0;
                s_data  = data;
                s_last  = last;
                s_user  = user;
                clear   = always_clear;
                @(posedge clk);
                accepted = clken && s_valid && s_ready;
                if (clken && m_valid && m_ready) begin
                    if (delivered || !accepted) begin
                        failures = failures + 1;
                        $display("BEATS %0d, frame %0d: a vector too many", BEATS, frame);
                    end
                    delivered = 1'b1;
                    seen = m_data;
                    seen_user = m_user;
                end
                @(negedge clk);
            end
            s_valid = 1'b0;
            clear = 1'b0;
        end
    endtask

    task expect_delivered(input should);
        if (delivered !== should) begin
            failures = failures + 1;
            $display("BEATS %0d, frame %0d of %0d beats: delivered %b", BEATS, frame, length,
                     delivered);
        end
    endtask

    task reset;
        begin
            rst = 1'b1;
            s_valid = 1'b0;
            @(negedge clk) rst = 1'b0;
        end
    endtask

    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = 8'd0;
        s_last = 1'b0;
        s_user = 1'b0;
        clear = 1'b0;
        always_clear = 1'b0;
        reset;
        reset;
        for (frame = 0; frame < 300; frame = frame + 1) begin
            // Mostly frames of the right length, now and then one that is too short or too long.
            kind = BY_COUNT != 0 ? 15 : $random(seed) & 15;
            length = BEATS;
            if (kind == 0 && BEATS > 1) length = BEATS - 1;
            if (kind == 1) length = BEATS + 1;
            if (kind == 2) length = 2 * BEATS;
            if (kind == 3) length = 3 * BEATS + 1;
            delivered = 1'b0;
            // What is wrong with a long frame is found before its end, and would be cleared then.
            always_clear = length <= BEATS && ($random(seed) & 1) == 0;
            for (beat = 0; beat < length; beat = beat + 1) begin
                expected_user = beat == 0 ? $random(seed) & 1 : expected_user;
                if (beat < BEATS) expected[8*beat +: 8] = $random(seed);
                give(beat < BEATS ? expected[8*beat +: 8] : 8'hee,
                     BY_COUNT != 0 ? ($random(seed) & 1) == 0 : beat == length - 1,
                         beat == 0 && expected_user);
            end
            expect_delivered(length == BEATS);
            if (length == BEATS && (seen !== expected || seen_user !== expected_user)) begin
                failures = failures + 1;
                $display("BEATS %0d, frame %0d: %h came out instead of %h", BEATS, frame, seen,
                         expected);
            end
            if (length != BEATS) begin
                if (frame_error !== 1'b1) begin
                    failures = failures + 1;
                    $display("BEATS %0d, frame %0d of %0d beats: no frame_error", BEATS, frame,
                             length);
                end
                // Now and then the flag stays, and the next frame must pass all the same.
                case ($random(seed) & 3)
                    0: reset;
                    1: begin
                        clken = 1'b0;
                        clear = 1'b1;
                        @(negedge clk);
                        if (frame_error !== 1'b1) begin
                            failures = failures + 1;
                            $display("BEATS %0d: frame_error was cleared with clken low", BEATS);
                        end
                        clken = 1'b1;
                        @(negedge clk) clear = 1'b0;
                        if (frame_error !== 1'b0) begin
                            failures = failures + 1;
                            $display("BEATS %0d: frame_error was not cleared", BEATS);
                        end
                    end
                    default: ;
                endcase
            end
            if (BY_COUNT != 0 && frame_error !== 1'b0) begin
                failures = failures + 1;
                $display("BEATS %0d: frame_error by count", BEATS);
            end
            if (kind == 4 && BEATS > 1) begin
                // Reset in mid-frame: what was begun is forgotten, without an error.
                reset;
                give(8'hdd, 1'b0, 1'b0);
                reset;
                if (frame_error !== 1'b0) begin
                    failures = failures + 1;
                    $display("BEATS %0d: frame_error after a reset", BEATS);
                end
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_collector_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [5:0] done;
    wire [31:0] failures_1, failures_2, failures_3, failures_8, failures_a, failures_b;
    strassenc_collector_check #(.BEATS(1)) check_1 (.clk(clk), .done(done[0]),
        .failures(failures_1));
    strassenc_collector_check #(.BEATS(2)) check_2 (.clk(clk), .done(done[1]),
        .failures(failures_2));
    strassenc_collector_check #(.BEATS(3)) check_3 (.clk(clk), .done(done[2]),
        .failures(failures_3));
    strassenc_collector_check #(.BEATS(8)) check_8 (.clk(clk), .done(done[3]),
        .failures(failures_8));
    strassenc_collector_check #(.BEATS(1), .BY_COUNT(1)) check_a (.clk(clk), .done(done[4]),
        .failures(failures_a));
    strassenc_collector_check #(.BEATS(3), .BY_COUNT(1)) check_b (.clk(clk), .done(done[5]),
        .failures(failures_b));

    always @(negedge clk)
        if (&done) begin
            if (failures_1 + failures_2 + failures_3 + failures_8 + failures_a + failures_b == 0)
                $display("PASS strassenc_collector");
            else begin
                $display("FAIL strassenc_collector");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
