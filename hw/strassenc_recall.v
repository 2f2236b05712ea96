// strassenc_recall: the X_WORDS words of x of every step, then the H_WORDS words of the h that the
// step before ended in.
//
// h comes back on a stream of its own, a step of it for every step of x. The first step after reset
// waits for none. The words of h are zeros where a sequence starts, see strassenc_starts; those
// that come back are taken all the same, so that the user bit decides no clock. Every element is
// extended to Z_BITS bits, two's complement. m_user is the user bit of the first word of x of a
// step that starts a sequence, and low on the others.
// Latency: none. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_recall #(
    parameter LANES    = 1,
    parameter X_BITS   = 8,
    parameter X_SIGNED = 1,
    parameter H_BITS   = 8,
    parameter Z_BITS   = 8,
    parameter X_WORDS  = 1,
    parameter H_WORDS  = 1,
    parameter STEPS    = 0
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire                    rst,
    input  wire                    s_valid,
    output wire                    s_ready,
    input  wire [LANES*X_BITS-1:0] s_data,
    input  wire                    s_user,
    input  wire                    h_valid,
    output wire                    h_ready,
    input  wire [LANES*H_BITS-1:0] h_data,
    input  wire                    h_user,
    output wire                    m_valid,
    input  wire                    m_ready,
    output wire [LANES*Z_BITS-1:0] m_data,
    output wire                    m_user
);
    localparam        WORDS     = X_WORDS + H_WORDS;
    localparam        WORD_BITS = $clog2(WORDS);
    localparam [31:0] FIRST_H   = X_WORDS;
    localparam [31:0] LAST      = WORDS - 1;
    localparam [31:0] ONE       = 1;

    reg [WORD_BITS-1:0] word;
    // A sequence starts with the step at hand.
    reg                 start;

    wire of_h  = word >= FIRST_H[WORD_BITS-1:0];
    wire first = word == {WORD_BITS{1'b0}};
    wire last  = word == LAST[WORD_BITS-1:0];
    wire moves = m_valid & m_ready & clken;
    // What is so at the first word; nothing has gone round since reset.
    wire starts;
    wire fresh;
    strassenc_starts #(.STEPS(STEPS)) of_steps (
        .clk(clk), .rst(rst), .enable(moves), .last(last), .user(s_user),
        .fresh(fresh), .start(starts)
    );

    assign m_valid = of_h ? h_valid | fresh : s_valid;
    assign s_ready = m_ready & !of_h;
    assign h_ready = m_ready & of_h & !fresh;
    assign m_user  = s_user & first & starts;

    wire unused = &{1'b0, h_user};

    always @(posedge clk)
        if (rst) word <= {WORD_BITS{1'b0}};
        else if (moves) word <= last ? {WORD_BITS{1'b0}} : word + ONE[WORD_BITS-1:0];

    always @(posedge clk) if (moves & first) start <= starts;

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire [X_BITS-1:0] x = s_data[i*X_BITS +: X_BITS];
            wire [H_BITS-1:0] h = h_data[i*H_BITS +: H_BITS] & {H_BITS{!start}};
            wire [Z_BITS-1:0] x_wide;
            wire [Z_BITS-1:0] h_wide;
            if (Z_BITS > X_BITS) begin : extend_x
                assign x_wide = {{(Z_BITS-X_BITS){X_SIGNED != 0 ? x[X_BITS-1] : 1'b0}}, x};
            end else begin : same_x
                assign x_wide = x;
            end
            if (Z_BITS > H_BITS) begin : extend_h
                assign h_wide = {{(Z_BITS-H_BITS){h[H_BITS-1]}}, h};
            end else begin : same_h
                assign h_wide = h;
            end
            assign m_data[i*Z_BITS +: Z_BITS] = of_h ? h_wide : x_wide;
        end
    endgenerate
endmodule

`default_nettype wire
