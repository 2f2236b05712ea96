// strassenc_recall: the words of x pass, then those of h, each at once and once; h is zeros where a
// sequence starts, by user bit or by count, and in the first step after reset, which takes none.
`default_nettype none

module prove_recall #(
    parameter X_WORDS = 2,
    parameter H_WORDS = 1,
    parameter STEPS   = 0
) (
    input  wire       clk,
    input  wire       clken,
    input  wire       free_reset,
    input  wire       s_valid,
    input  wire [1:0] s_data,
    input  wire       s_user,
    input  wire       h_valid,
    input  wire [1:0] h_data,
    input  wire       h_user,
    input  wire       m_ready,
    output wire       bad
);
    wire       rst, s_ready, h_ready, m_valid, m_user;
    wire [2:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_recall #(
        .LANES   (1),
        .X_BITS  (2),
        .X_SIGNED(0),
        .H_BITS  (2),
        .Z_BITS  (3),
        .X_WORDS (X_WORDS),
        .H_WORDS (H_WORDS),
        .STEPS   (STEPS)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .s_user (s_user),
        .h_valid(h_valid),
        .h_ready(h_ready),
        .h_data (h_data),
        .h_user (h_user),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    // How many words of the step have left; whether it is the first one, and whether it starts a
    // sequence, which is so where the user bit says it or after so many steps.
    reg  [2:0] left, step;
    reg        is_first, starts;
    wire       user = STEPS == 0 ? s_user : s_user & step == 3'd0;
    wire       of_x  = left < X_WORDS;
    wire       moves = clken & m_valid & m_ready;
    always @(posedge clk)
        if (rst) begin
            left     <= 3'd0;
            step     <= 3'd0;
            is_first <= 1'b1;
        end else if (moves) begin
            if (left == 3'd0) starts <= STEPS == 0 ? s_user : step == 3'd0;
            left <= left == X_WORDS + H_WORDS - 1 ? 3'd0 : left + 3'd1;
            if (left == X_WORDS + H_WORDS - 1) begin
                is_first <= 1'b0;
                step     <= step == STEPS - 1 ? 3'd0 : step + 3'd1;
            end
        end

    wire [2:0] h = is_first | starts ? 3'd0 : {h_data[1], h_data};
    assign bad = !rst & (m_valid != (of_x ? s_valid : h_valid | is_first)
        | s_ready != (m_ready & of_x) | h_ready != (m_ready & !of_x & !is_first)
        | (m_valid & (m_data != (of_x ? {1'b0, s_data} : h) | m_user != (user & left == 3'd0))));
endmodule

`default_nettype wire
