// strassenc_fork: either side gets every word once and in order, and a word is taken as soon as
// both have had it.
`default_nettype none

module prove_fork (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire a_ready,
    input  wire b_ready,
    output wire bad
);
    wire       rst, s_valid, s_ready, a_valid, b_valid, a_bad, b_bad;
    wire [1:0] s_data, a_data, b_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(3'd0),
        .items(3'd1), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker taker_a (
        .clk(clk), .clken(clken), .rst(rst), .valid(a_valid), .ready(a_ready), .items(3'd1),
        .data(a_data), .bad(a_bad)
    );
    taker taker_b (
        .clk(clk), .clken(clken), .rst(rst), .valid(b_valid), .ready(b_ready), .items(3'd1),
        .data(b_data), .bad(b_bad)
    );
    strassenc_fork #(
        .BITS(2)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .a_valid(a_valid),
        .a_ready(a_ready),
        .a_data (a_data),
        .b_valid(b_valid),
        .b_ready(b_ready),
        .b_data (b_data)
    );

    // What either side has had, less what was taken: 0, or 1 until the other has had it, too.
    reg  a_had, b_had;
    wire a_has = a_had | (a_valid & a_ready);
    wire b_has = b_had | (b_valid & b_ready);
    wire take  = s_valid & s_ready;
    always @(posedge clk)
        if (rst) {a_had, b_had} <= 2'd0;
        else if (clken) {a_had, b_had} <= {a_has & !take, b_has & !take};

    assign bad = a_bad | b_bad | (!rst & (take != (a_has & b_has) | (a_had & a_valid)
        | (b_had & b_valid) | (s_valid & !a_had & !a_valid) | (s_valid & !b_had & !b_valid)));
endmodule

`default_nettype wire
