// Self-checking testbench of strassenc_serialiser with 1, 2, 3 and 8 beats: beats, m_last and
// m_user under random stalls.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_serialiser_check #(
    parameter BEATS = 2
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    reg                rst;
    reg                clken;
    reg                s_valid;
    wire               s_ready;
    reg  [BEATS*8-1:0] s_data;
    reg                s_user;
    wire               m_valid;
    reg                m_ready;
    wire [7:0]         m_data;
    wire               m_last;
    wire               m_user;

    strassenc_serialiser #(
        .BEAT_BITS(8),
        .BEATS    (BEATS)
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
    integer frame, beat, i, limit;
    reg     taken;

    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        rst = 1'b1;
        s_valid = 1'b0;
        s_user = 1'b0;
        m_ready = 1'b0;
        repeat (2) @(negedge clk);
        rst = 1'b0;
        for (frame = 0; frame < 200; frame = frame + 1) begin
            for (i = 0; i < BEATS; i = i + 1) s_data[8*i +: 8] = $random(seed);
            s_user = $random(seed) & 1;
            s_valid = 1'b0;
            // Now and then a reset takes the frame away after one beat, and it is given again from
            // the start.
            limit = (frame & 15) == 7 ? 1 : BEATS;
            beat = 0;
            while (beat < limit) begin
                s_valid = s_valid || ($random(seed) & 1) == 0;
                m_ready = $random(seed) & 1;
                clken   = ($random(seed) & 3) != 0;
                @(posedge clk);
                taken = clken && m_valid && m_ready;
                if (taken) begin
                    if (m_data !== s_data[8*beat +: 8] || m_last !== (beat == BEATS - 1)
                            || m_user !== (s_user && beat == 0)) begin
                        failures = failures + 1;
                        $display("BEATS %0d, frame %0d, beat %0d: %h, last %b, user %b", BEATS,
                                 frame, beat, m_data, m_last, m_user);
                    end
                    if ((clken && s_valid && s_ready) !== (beat == BEATS - 1)) begin
                        failures = failures + 1;
                        $display("BEATS %0d, frame %0d, beat %0d: ready %b", BEATS, frame, beat,
                                 s_ready);
                    end
                    beat = beat + 1;
                end
                @(negedge clk);
            end
            if (limit != BEATS) begin
                rst = 1'b1;
                s_valid = 1'b0;
                @(negedge clk) rst = 1'b0;
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_serialiser_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [3:0] done;
    wire [31:0] failures_1, failures_2, failures_3, failures_8;
    strassenc_serialiser_check #(.BEATS(1)) check_1 (.clk(clk), .done(done[0]),
        .failures(failures_1));
    strassenc_serialiser_check #(.BEATS(2)) check_2 (.clk(clk), .done(done[1]),
        .failures(failures_2));
    strassenc_serialiser_check #(.BEATS(3)) check_3 (.clk(clk), .done(done[2]),
        .failures(failures_3));
    strassenc_serialiser_check #(.BEATS(8)) check_8 (.clk(clk), .done(done[3]),
        .failures(failures_8));

    always @(negedge clk)
        if (&done) begin
            if (failures_1 + failures_2 + failures_3 + failures_8 == 0)
                $display("PASS strassenc_serialiser");
            else begin
                $display("FAIL strassenc_serialiser");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
