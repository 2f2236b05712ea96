// strassenc_collector: a frame of BEATS beats becomes a vector, beat by beat in its place; any
// other frame is dropped and told.
`default_nettype none

module prove_collector #(
    parameter BEATS    = 3,
    parameter BY_COUNT = 0
) (
    input  wire       clk,
    input  wire       clken,
    input  wire       free_reset,
    input  wire       s_valid,
    input  wire [1:0] s_data,
    input  wire       s_last,
    input  wire       s_user,
    input  wire       m_ready,
    input  wire       clear,
    output wire       bad
);
    wire               rst, s_ready, m_valid, m_user, frame_error;
    wire [2*BEATS-1:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_collector #(
        .BEAT_BITS(2),
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

    // Beats since the last frame's end, BEATS for all that are too many; the beats themselves.
    reg  [2:0]         beat;
    reg  [2*BEATS-1:0] beats;
    reg                user, wrong;
    wire               accept = s_valid & s_ready;
    wire               full   = beat == BEATS - 1;
    wire               last   = BY_COUNT != 0 ? full : s_last;
    integer            i;
    reg  [2*BEATS-1:0] now;
    always @* begin
        now = beats;
        for (i = 0; i < BEATS; i = i + 1) if (beat == i) now[2*i+:2] = s_data;
    end
    wire first_user = beat == 3'd0 ? s_user : user;

    always @(posedge clk) begin
        if (rst) beat <= 3'd0;
        else if (clken & accept) beat <= last ? 3'd0 : beat == BEATS ? beat : beat + 3'd1;
        if (clken & accept) begin
            beats <= now;
            user  <= first_user;
        end
        if (rst) wrong <= 1'b0;
        else if (clken) wrong <= accept & last != full & beat != BEATS | wrong & !clear;
    end

    // Of a frame that is dropped beats may wait for the taker.
    wire ready_bad = beat < BEATS ? s_ready != (m_ready | !full) : m_ready & !s_ready;

    assign bad = !rst & (m_valid != (s_valid & last & full) | ready_bad | frame_error != wrong
        | (m_valid & (m_data != now | m_user != first_user)));
endmodule

`default_nettype wire
