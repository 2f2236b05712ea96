// strassenc_last: of every frame the words of its last pixel pass, each at once and once, the first
// of them with the user bit of the frame; no other waits for anybody.
`default_nettype none

module prove_last #(
    parameter PIXELS = 2,
    parameter WORDS  = 1
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
    wire [1:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_last #(
        .BITS  (2),
        .PIXELS(PIXELS),
        .WORDS (WORDS)
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

    // The pixel and the word of the frame at hand; its user bit.
    reg  [2:0] pixel, word;
    reg        of_frame;
    wire       shown  = pixel == PIXELS - 1;
    wire       begins = pixel == 3'd0 & word == 3'd0;
    wire       user   = begins ? s_user : of_frame;
    always @(posedge clk)
        if (rst) begin
            pixel <= 3'd0;
            word  <= 3'd0;
        end else if (clken & s_valid & s_ready) begin
            if (begins) of_frame <= s_user;
            word <= word == WORDS - 1 ? 3'd0 : word + 3'd1;
            if (word == WORDS - 1) pixel <= shown ? 3'd0 : pixel + 3'd1;
        end

    assign bad = !rst & (s_ready != (m_ready | !shown) | m_valid != (s_valid & shown)
        | (m_valid & (m_data != s_data | m_user != (user & word == 3'd0))));
endmodule

`default_nettype wire
