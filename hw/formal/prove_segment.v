// strassenc_segment around a pipeline of its own: what is admitted, when a word is seen, that none
// is lost, doubled, changed or overtaken.
`default_nettype none

module prove_segment #(
    parameter STAGES   = 3,
    parameter DEPTH    = 4,
    parameter INTERVAL = 1
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire m_ready,
    output wire bad
);
    wire       rst, s_valid, s_ready, s_user, s_data, m_valid, m_user, m_data, taker_bad;
    wire [5:0] held;
    wire       accept = s_valid & s_ready;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(3'd0),
        .items(3'd1), .valid(s_valid), .ready(s_ready), .data({s_user, s_data})
    );
    taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready),
        .items(3'd1), .data({m_user, m_data}), .bad(taker_bad)
    );
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, accept}),
        .leave({2'd0, m_valid & m_ready}), .held(held)
    );

    // The pipeline's data, and where its words are.
    reg  [STAGES-1:0] data;
    reg  [STAGES-1:0] valids;
    wire [STAGES:0]   next_data   = {data, s_data};
    wire [STAGES:0]   next_valids = {valids, accept};
    always @(posedge clk)
        if (rst) valids <= {STAGES{1'b0}};
        else if (clken) valids <= next_valids[STAGES-1:0];
    always @(posedge clk) if (clken) data <= next_data[STAGES-1:0];

    strassenc_segment #(
        .STAGES  (STAGES),
        .BITS    (1),
        .DEPTH   (DEPTH),
        .INTERVAL(INTERVAL)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_user (s_user),
        .result (next_data[STAGES-1]),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_user (m_user),
        .m_data (m_data)
    );

    // Words that have not yet been under way for STAGES clocks.
    reg     [5:0] under_way;
    integer       k;
    always @* begin
        under_way = 6'd0;
        for (k = 0; k < STAGES - 1; k = k + 1) under_way = under_way + valids[k];
    end

    // From the first edge with rst high until the first without; clocks until the next word.
    reg       in_reset, taken, known = 1'b0;
    reg [5:0] rest;
    always @(posedge clk) begin
        in_reset <= rst | (in_reset & !clken);
        if (rst) rest <= 6'd0;
        else if (clken) rest <= accept ? INTERVAL - 1 : rest - {5'd0, rest != 6'd0};
        if (rst) taken <= 1'b0;
        else if (clken) taken <= m_valid & m_ready;
        known    <= 1'b1;
    end

    assign bad = taker_bad | (known & (in_reset ? s_ready | m_valid
        : s_ready != (held + {5'd0, taken} < DEPTH & rest == 6'd0)
            | m_valid != (held != under_way)));
endmodule

`default_nettype wire
