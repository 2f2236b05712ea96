// strassenc_frame_end: words pass, and the last of every BEATS is marked.
`default_nettype none

module prove_frame_end #(
    parameter BEATS = 3
) (
    input  wire       clk,
    input  wire       clken,
    input  wire       free_reset,
    input  wire       s_valid,
    input  wire [1:0] s_data,
    input  wire       s_user,
    input  wire       m_ready,
    output wire       bad
);
    wire       rst, s_ready, m_valid, m_last, m_user;
    wire [1:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_frame_end #(
        .BITS (2),
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

    // Words of the frame that have passed.
    reg  [2:0] passed;
    wire       last = passed == BEATS - 1;
    always @(posedge clk)
        if (rst) passed <= 3'd0;
        else if (clken & m_valid & m_ready) passed <= last ? 3'd0 : passed + 3'd1;

    assign bad = !rst & (m_valid != s_valid | s_ready != m_ready | m_data != s_data
        | m_last != last | m_user != (s_user & passed == 3'd0));
endmodule

`default_nettype wire
