// Self-checking testbench of strassenc_frame_end with 1, 2, 3 and 8 beats: data, m_last, user bit,
// random stalls, clken, reset in mid-frame.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_frame_end_check #(
    parameter BEATS = 2
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
    reg         s_user;
    wire        m_valid;
    reg         m_ready;
    wire [11:0] m_data;
    wire        m_last;
    wire        m_user;

    strassenc_frame_end #(
        .BITS (12),
        .BEATS(BEATS)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .s_user (s_user),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_last (m_last),
        .m_user (m_user)
    );

    integer seed = BEATS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer clocks, beat, frames;
    reg     pending;

    // User bits of words other than the first are anything.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_data = 12'd0;
        s_user = 1'b0;
        rst = 1'b1;
        s_valid = 1'b0;
        repeat (2) @(negedge clk);
        beat = 0;
        frames = 0;
        pending = 1'b0;
        for (clocks = 0; clocks < 2000; clocks = clocks + 1) begin
            if (!pending) begin
                s_valid = ($random(seed) & 3) != 0;
                s_data = $random(seed);
                s_user = $random(seed);
            end
            m_ready = $random(seed);
            clken = ($random(seed) & 3) != 0;
            rst = ($random(seed) & 63) == 0;
            #1;
            if (m_valid !== s_valid || s_ready !== m_ready || (s_valid && (m_data !== s_data
                    || m_last !== (beat == BEATS - 1) || m_user !== (s_user && beat == 0)))) begin
                failures = failures + 1;
                if (failures < 10)
                    $display(
                        "BEATS %0d, clock %0d, beat %0d: valid %b, ready %b, %h, last %b, user %b",
                        BEATS, clocks, beat, m_valid, s_ready, m_data, m_last, m_user);
            end
            @(posedge clk);
            pending = s_valid && !(clken && m_ready) && !rst;
            if (rst) beat = 0;
            else if (clken && s_valid && m_ready) begin
                if (beat == BEATS - 1) frames = frames + 1;
                beat = beat == BEATS - 1 ? 0 : beat + 1;
            end
            @(negedge clk);
        end
        if (frames < 30) begin
            failures = failures + 1;
            $display("BEATS %0d: only %0d frames", BEATS, frames);
        end
        done = 1'b1;
    end
endmodule

module strassenc_frame_end_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [3:0] done;
    wire [31:0] failures [0:3];
    strassenc_frame_end_check #(.BEATS(1)) check_0 (.clk(clk), .done(done[0]),
        .failures(failures[0]));
    strassenc_frame_end_check #(.BEATS(2)) check_1 (.clk(clk), .done(done[1]),
        .failures(failures[1]));
    strassenc_frame_end_check #(.BEATS(3)) check_2 (.clk(clk), .done(done[2]),
        .failures(failures[2]));
    strassenc_frame_end_check #(.BEATS(8)) check_3 (.clk(clk), .done(done[3]),
        .failures(failures[3]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3]) == 0)
                $display("PASS strassenc_frame_end");
            else begin
                $display("FAIL strassenc_frame_end");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
