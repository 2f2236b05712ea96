// strassenc_best: of every WORDS words of LANES elements each the indices of the K largest.
//
// The largest comes first, in the low bits; of equal elements, the first. Element i of word w has
// the index w*LANES+i, which Z_BITS hold. K is at most WORDS*LANES. m_user is the user bit of the
// first of the WORDS words.
// Latency: 1 + clog2(LANES) clocks from the last of the words: a tree over the elements of a word,
// each of whose nodes keeps its K largest, and the largest so far, which are the output register.
// Everything moves while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_best #(
    parameter LANES    = 4,
    parameter X_BITS   = 8,
    parameter X_SIGNED = 1,
    parameter WORDS    = 1,
    parameter K        = 1,
    parameter Z_BITS   = 2
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire                    rst,
    input  wire                    s_valid,
    output wire                    s_ready,
    input  wire [LANES*X_BITS-1:0] s_data,
    input  wire                    s_user,
    output reg                     m_valid,
    input  wire                    m_ready,
    output wire [K*Z_BITS-1:0]     m_data,
    output reg                     m_user
);
    localparam              LEVELS    = LANES > 1 ? $clog2(LANES) : 0;
    localparam              LANE_BITS = LANES > 1 ? $clog2(LANES) : 1;
    // An element in an order without signs, and its place in the word.
    localparam              ENTRY     = X_BITS + LANE_BITS;
    localparam [X_BITS-1:0] ONE       = 1;
    localparam [X_BITS-1:0] FLIP      = X_SIGNED != 0 ? ONE << (X_BITS - 1) : {X_BITS{1'b0}};
    // What the tree keeps of a word.
    localparam              KEPT      = LANES < K ? LANES : K;

    wire advance = !m_valid | m_ready;
    wire step    = advance & clken;
    // What leaves the tree.
    wire valid, user;
    // Whether that is the first word of a result, and the last one.
    wire first, last;

    assign s_ready = advance;

    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (step) m_valid <= valid & last;

    always @(posedge clk) if (step & valid & first) m_user <= user;

    genvar l, i;
    generate
        if (LEVELS == 0) begin : at_once
            assign valid = s_valid;
            assign user  = s_user;
        end else begin : staged
            reg  [LEVELS-1:0] valids, users;
            wire [LEVELS:0]   next_valids = {valids, s_valid};
            wire [LEVELS:0]   next_users  = {users, s_user};
            assign valid = next_valids[LEVELS];
            assign user  = next_users[LEVELS];
            always @(posedge clk)
                if (rst) valids <= {LEVELS{1'b0}};
                else if (step) valids <= next_valids[LEVELS-1:0];
            always @(posedge clk) if (step) users <= next_users[LEVELS-1:0];
        end

        for (l = 0; l <= LEVELS; l = l + 1) begin : level
            for (i = 0; i < (LANES + (1 << l) - 1) >> l; i = i + 1) begin : node
                // Elements from the node's first one on, and entries that it keeps of its own.
                localparam REST = LANES - (i << l);
                localparam OWN  = REST < 1 << l ? REST : 1 << l;
                localparam BEST = OWN < K ? OWN : K;
                wire [BEST*ENTRY-1:0] best;
                if (l == 0) begin : leaf
                    localparam [31:0] LANE = i;
                    assign best = {s_data[i*X_BITS +: X_BITS] ^ FLIP, LANE[LANE_BITS-1:0]};
                end else begin : inner
                    localparam HALF = 1 << (l - 1);
                    reg [BEST*ENTRY-1:0] held;
                    assign best = held;
                    if (REST > HALF) begin : pair
                        localparam RIGHT = OWN - HALF;
                        wire [BEST*ENTRY-1:0] merged;
                        strassenc_merge #(
                            .KEY_BITS(X_BITS),
                            .TAG_BITS(LANE_BITS),
                            .A       (HALF < K ? HALF : K),
                            .B       (RIGHT < K ? RIGHT : K),
                            .COUNT   (BEST)
                        ) merge (
                            .a(level[l-1].node[2*i].best),
                            .b(level[l-1].node[2*i+1].best),
                            .m(merged)
                        );
                        always @(posedge clk) if (step) held <= merged;
                    end else begin : odd
                        always @(posedge clk) if (step) held <= level[l-1].node[2*i].best;
                    end
                end
            end
        end

        wire [KEPT*ENTRY-1:0] of_word = level[LEVELS].node[0].best;

        if (WORDS == 1) begin : single
            wire unused = &{1'b0, of_word};
            assign first = 1'b1;
            assign last  = 1'b1;
            for (i = 0; i < K; i = i + 1) begin : index
                reg [Z_BITS-1:0] held;
                always @(posedge clk) if (step) held <= of_word[i*ENTRY +: Z_BITS];
                assign m_data[i*Z_BITS +: Z_BITS] = held;
            end
        end else begin : several
            localparam        COUNT_BITS = $clog2(WORDS);
            localparam [31:0] LAST       = WORDS - 1;
            localparam [31:0] ONE_WORD   = 1;
            localparam [31:0] STRIDE     = LANES;
            // Whether it is there, its element, and its index.
            localparam        BITS       = 1 + X_BITS + Z_BITS;

            reg  [COUNT_BITS-1:0] count;
            // The index of the word's first element.
            reg  [Z_BITS-1:0]     base;
            reg  [K*BITS-1:0]     best;
            wire [K*BITS-1:0]     so_far;
            wire [KEPT*BITS-1:0]  more;
            wire [K*BITS-1:0]     merged;

            assign first = count == {COUNT_BITS{1'b0}};
            assign last  = count == LAST[COUNT_BITS-1:0];

            always @(posedge clk)
                if (rst) begin
                    count <= {COUNT_BITS{1'b0}};
                    base  <= {Z_BITS{1'b0}};
                end else if (step & valid) begin
                    count <= last ? {COUNT_BITS{1'b0}} : count + ONE_WORD[COUNT_BITS-1:0];
                    base  <= last ? {Z_BITS{1'b0}} : base + STRIDE[Z_BITS-1:0];
                end

            for (i = 0; i < KEPT; i = i + 1) begin : of_word_only
                wire [ENTRY-1:0]            entry = of_word[i*ENTRY +: ENTRY];
                wire [Z_BITS+LANE_BITS-1:0] lane  =
                    {{Z_BITS{1'b0}}, entry[LANE_BITS-1:0]};
                wire                        unused = &{1'b0, lane};
                assign more[i*BITS +: BITS] =
                    {1'b1, entry[LANE_BITS +: X_BITS], base + lane[Z_BITS-1:0]};
            end
            for (i = 0; i < K; i = i + 1) begin : held
                wire [BITS-1:0] entry = best[i*BITS +: BITS];
                // All of it: what a comparison reads is known from the first word on.
                assign so_far[i*BITS +: BITS] = entry & {BITS{!first}};
                assign m_data[i*Z_BITS +: Z_BITS] = entry[Z_BITS-1:0];
            end
            strassenc_merge #(
                .KEY_BITS(1 + X_BITS),
                .TAG_BITS(Z_BITS),
                .A       (K),
                .B       (KEPT),
                .COUNT   (K)
            ) merge (
                .a(so_far),
                .b(more),
                .m(merged)
            );
            always @(posedge clk) if (step & valid) best <= merged;
        end
    endgenerate
endmodule

`default_nettype wire
