// strassenc_best: of each WORDS words the K largest elements leave, by their indices, the first of
// equal ones first, with the first word's user bit; none is lost or told twice. What is due follows
// from the place of each element among all of them, which a tree does not count.
`default_nettype none

module prove_best #(
    parameter LANES = 2,
    parameter WORDS = 2,
    parameter K     = 1
) (
    input  wire             clk,
    input  wire             clken,
    input  wire             free_reset,
    input  wire             s_valid,
    input  wire [LANES-1:0] s_data,
    input  wire             s_user,
    input  wire             m_ready,
    output wire             bad
);
    localparam ALL    = LANES * WORDS;
    localparam Z_BITS = ALL > 1 ? $clog2(ALL) : 1;
    localparam STAGES = 1 + (LANES > 1 ? $clog2(LANES) : 0);

    wire                rst, s_ready, m_valid, m_user;
    wire [K*Z_BITS-1:0] m_data;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_best #(
        .LANES   (LANES),
        .X_BITS  (1),
        .X_SIGNED(0),
        .WORDS   (WORDS),
        .K       (K),
        .Z_BITS  (Z_BITS)
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

    // The words that have come, and all elements with the one that comes.
    reg  [ALL-1:0] come;
    reg  [3:0]     count;
    reg            user;
    wire           last = count == WORDS - 1;
    wire [ALL-1:0] all;
    genvar         w;
    generate
        for (w = 0; w < WORDS; w = w + 1) begin : word
            assign all[w*LANES +: LANES] = count == w ? s_data : come[w*LANES +: LANES];
        end
    endgenerate

    // The element that so many others are before is at that place.
    reg  [K*Z_BITS-1:0] due;
    reg  [3:0]          before_it;
    integer             i, j;
    always @* begin
        due = {K*Z_BITS{1'b0}};
        for (i = 0; i < ALL; i = i + 1) begin
            before_it = 4'd0;
            for (j = 0; j < ALL; j = j + 1)
                if (all[j] > all[i] | (all[j] == all[i] & j < i)) before_it = before_it + 4'd1;
            for (j = 0; j < K; j = j + 1) if (before_it == j) due[j*Z_BITS +: Z_BITS] = i;
        end
    end

    // Results on their way, the oldest on top.
    reg  [STAGES-1:0]              valids, users;
    reg  [STAGES*K*Z_BITS-1:0]     results;
    wire [STAGES:0]                next_valids = {valids, s_valid & last};
    wire [STAGES:0]                next_users  = {users, count == 4'd0 ? s_user : user};
    wire [(STAGES+1)*K*Z_BITS-1:0] next_results = {results, due};
    wire                           waits  = valids[STAGES-1];
    wire                           moves  = !waits | m_ready;
    always @(posedge clk)
        if (rst) begin
            count  <= 4'd0;
            valids <= {STAGES{1'b0}};
        end else if (clken & moves) begin
            valids  <= next_valids[STAGES-1:0];
            users   <= next_users[STAGES-1:0];
            results <= next_results[STAGES*K*Z_BITS-1:0];
            if (s_valid) begin
                come  <= all;
                count <= last ? 4'd0 : count + 4'd1;
                if (count == 4'd0) user <= s_user;
            end
        end

    assign bad = !rst & (m_valid != waits | s_ready != moves
        | (waits & (m_data != results[(STAGES-1)*K*Z_BITS +: K*Z_BITS]
            | m_user != users[STAGES-1])));
endmodule

`default_nettype wire
