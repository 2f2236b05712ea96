// strassenc_framer: whatever frames come in, frames of BEATS words leave: each word in its place,
// zeros for those that are missing, none of those that are too many, and either is told.
`default_nettype none

module prove_framer #(
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
    wire       rst, s_ready, m_valid, m_user, frame_error;
    wire [1:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_framer #(
        .BITS    (2),
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

    // The place in its frame of the word that comes next, BEATS for all that are too many, and of
    // the one that leaves next.
    reg  [2:0] from, to;
    reg        wrong;
    wire       in   = s_valid & s_ready;
    wire       out  = m_valid & m_ready;
    wire       last = BY_COUNT != 0 ? from == BEATS - 1 : s_last;
    always @(posedge clk)
        if (rst) begin
            from  <= 3'd0;
            to    <= 3'd0;
            wrong <= 1'b0;
        end else if (clken) begin
            if (in) from <= last ? 3'd0 : from == BEATS ? from : from + 3'd1;
            if (out) to <= to == BEATS - 1 ? 3'd0 : to + 3'd1;
            wrong <= in & from != BEATS & last != (from == BEATS - 1) | wrong & !clear;
        end

    assign bad = !rst & (
        // A word that comes in leaves in its place at once, or is one too many.
        (in & (out ? from != to | m_data != s_data : from != BEATS))
        // One that leaves alone is missing from a frame that has ended.
        | (out & !in & (m_data != 2'd0 | from != 3'd0 | to == 3'd0))
        // Offered is what can be taken; whoever is ready waits for nothing else.
        | (m_ready & s_valid & !in & !out) | (m_valid & m_ready & !out)
        | (m_valid & m_user != (s_user & to == 3'd0))
        | frame_error != wrong);
endmodule

`default_nettype wire
