// strassenc_threshold: of each word the bits of what is above the bound leave, with its user bit;
// none is lost or told twice.
`default_nettype none

module prove_threshold #(
    parameter       SIGNED = 1,
    parameter [3:0] ABOVE  = 0
) (
    input  wire       clk,
    input  wire       clken,
    input  wire       free_reset,
    input  wire       s_valid,
    input  wire [5:0] s_data,
    input  wire       s_user,
    input  wire       m_ready,
    output wire       bad
);
    wire       rst, s_ready, m_valid, m_user;
    wire [1:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_threshold #(
        .LANES   (2),
        .X_BITS  (3),
        .X_SIGNED(SIGNED),
        .ABOVE   (ABOVE)
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

    // Elements and bound as numbers from 0 on: 8 more than they are.
    wire [4:0] low   = {2'b00, s_data[2:0]} + (SIGNED != 0 & s_data[2] ? 5'd0 : 5'd8);
    wire [4:0] high  = {2'b00, s_data[5:3]} + (SIGNED != 0 & s_data[5] ? 5'd0 : 5'd8);
    wire [4:0] bound = {1'b0, ABOVE ^ 4'd8};
    reg        waits, user;
    reg  [1:0] due;
    wire       moves = !waits | m_ready;
    always @(posedge clk)
        if (rst) waits <= 1'b0;
        else if (clken & moves) begin
            waits <= s_valid;
            due   <= {high > bound, low > bound};
            user  <= s_user;
        end

    assign bad = !rst & (m_valid != waits | s_ready != moves
        | (waits & (m_data != due | m_user != user)));
endmodule

`default_nettype wire
