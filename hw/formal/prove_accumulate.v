// strassenc_accumulate: each COUNT words leave as one, their sum or the greatest of them, with the
// first one's user bit; none is lost or counted twice.
`default_nettype none

module prove_accumulate #(
    parameter MAXIMUM = 0,
    parameter COUNT   = 3
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
    wire       rst, s_ready, m_valid, m_user;
    wire [3:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_accumulate #(
        .LANES   (1),
        .X_BITS  (2),
        .X_SIGNED(0),
        .MAXIMUM (MAXIMUM),
        .COUNT   (COUNT),
        .Z_BITS  (4)
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
        .m_user (m_user)
    );

    // The words of the row that have come, and what they make; a whole row waits to leave.
    reg  [2:0] come;
    reg  [3:0] total;
    reg        user, waits;
    wire       accept = s_valid & s_ready;
    wire [3:0] before = come == 3'd0 ? 4'd0 : total;
    wire       last   = come == COUNT - 1;
    always @(posedge clk)
        if (rst) begin
            come  <= 3'd0;
            waits <= 1'b0;
        end else if (clken) begin
            waits <= (accept & last) | (waits & !m_ready);
            if (accept) begin
                come  <= last ? 3'd0 : come + 3'd1;
                total <= MAXIMUM == 0 ? before + s_data : s_data > before ? s_data : before;
                if (come == 3'd0) user <= s_user;
            end
        end

    assign bad = !rst & (m_valid != waits | s_ready != (!waits | m_ready)
        | (waits & (m_data != total | m_user != user)));
endmodule

`default_nettype wire
