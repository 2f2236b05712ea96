// strassenc_segment: the control around a free-running pipeline: credits in front, a FIFO behind.
//
// The pipeline itself has no enable: what enters at a clock leaves it STAGES - 1 clocks later, on
// `result`, which the FIFO takes as boundary STAGES. One valid and one user bit run along. A word
// is admitted while fewer than DEPTH are under way or wait in the FIFO, so the FIFO always has room
// for what arrives. Both valid and ready come from registers, so no combinational path crosses it;
// a register more is between what takes words and what admits them, so that a slot is free again
// two clocks after its word was taken. A word each clock needs a DEPTH of STAGES + 2, one word
// every N clocks about an N-th of that. From one word to the next there are INTERVAL clocks at
// least, as many as a pipeline that computes digit by digit needs for one.
// Latency: STAGES clocks, 1 or more. Reset touches control only: what is under way is lost, and
// from the first edge with rst high until the first without, neither valid nor ready is high. clken
// low freezes it, and must freeze the pipeline too.
`default_nettype none

module strassenc_segment #(
    parameter STAGES   = 4,
    parameter BITS     = 8,
    parameter DEPTH    = 5,
    parameter INTERVAL = 1
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output wire            s_ready,
    input  wire            s_user,
    input  wire [BITS-1:0] result,
    output wire            m_valid,
    input  wire            m_ready,
    output wire            m_user,
    output wire [BITS-1:0] m_data
);
    localparam        COUNT_BITS = $clog2(DEPTH + 1);
    localparam [31:0] LAST       = DEPTH - 1;
    localparam [31:0] ONE        = 1;
    localparam [31:0] LAST_BUT_1 = DEPTH - 2;

    // Words that were admitted and not yet taken, but for what came and went at the last edge: no
    // port is in front of the counter.
    reg  [COUNT_BITS-1:0] count;
    reg                   accepted;
    reg                   taken;
    wire                  one_free = accepted ? count == LAST_BUT_1[COUNT_BITS-1:0]
                                              : count == LAST[COUNT_BITS-1:0];
    // Whether there is room, and whether the last word is long enough ago.
    reg                   ready;
    wire                  rested;
    assign                s_ready  = ready & rested;
    wire                  accept   = s_valid & s_ready;

    always @(posedge clk)
        if (rst) begin
            count    <= {COUNT_BITS{1'b0}};
            ready    <= 1'b0;
            accepted <= 1'b0;
            taken    <= 1'b0;
        end else if (clken) begin
            accepted <= accept;
            taken    <= m_valid & m_ready;
            if (accepted != taken)
                count <= accepted ? count + ONE[COUNT_BITS-1:0] : count - ONE[COUNT_BITS-1:0];
            // While there is no room, there are DEPTH words, a number whose top bit is set, or none
            // after a reset.
            ready <= taken | (ready ? !(accept & one_free) : !(accepted | count[COUNT_BITS-1]));
        end

    generate
        if (INTERVAL == 1) begin : at_once
            assign rested = 1'b1;
        end else begin : spaced
            localparam        REST_BITS = $clog2(INTERVAL);
            localparam [31:0] REST      = INTERVAL - 1;

            // Clocks until the next word may come.
            reg [REST_BITS-1:0] rest;
            assign rested = rest == {REST_BITS{1'b0}};
            always @(posedge clk)
                if (rst) rest <= {REST_BITS{1'b0}};
                else if (clken) begin
                    if (accept) rest <= REST[REST_BITS-1:0];
                    else if (!rested) rest <= rest - ONE[REST_BITS-1:0];
                end
        end
    endgenerate

    // Whether a word is in the last stage, and its user bit.
    wire arrives;
    wire user;
    generate
        if (STAGES == 1) begin : single
            assign arrives = accept;
            assign user    = s_user;
        end else begin : several
            // Bit k is boundary k + 1.
            reg  [STAGES-2:0] valids;
            reg  [STAGES-2:0] users;
            wire [STAGES-1:0] next_valids = {valids, accept};
            wire [STAGES-1:0] next_users  = {users, s_user};

            always @(posedge clk)
                if (rst) valids <= {(STAGES - 1){1'b0}};
                else if (clken) valids <= next_valids[STAGES-2:0];
            always @(posedge clk) if (clken) users <= next_users[STAGES-2:0];
            assign arrives = next_valids[STAGES-1];
            assign user    = next_users[STAGES-1];
        end
    endgenerate

    wire room;
    strassenc_fifo #(
        .BITS    (BITS + 1),
        .DEPTH   (DEPTH),
        .PROMISED(1)
    ) fifo (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(arrives),
        .s_ready(room),
        .s_data ({user, result}),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data ({m_user, m_data})
    );
    // The credits promise it.
    wire unused = &{1'b0, room};
endmodule

`default_nettype wire
