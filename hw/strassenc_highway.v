// strassenc_highway: a unit of a highway layer per word, z = x + round(sigma(t) * (cut(h) - x)),
// half up.
//
// a holds t in the low bits and h above, both in two's complement; cut(h) is h within 0 and the
// greatest x. b holds x, in units of h. z is a mean of the two, and so as wide as x. sigma is a
// table outside, see strassenc_curve: sigmoid_data is the word of the sigmoid_address that
// table_enable was last high with, one clock later. GATE_BITS holds every x as a signed number.
// A word of a and one of b are taken together; m_user is a_user, word by word.
// Latency: 6 clocks, one word per clock. Everything moves while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_highway #(
    parameter GATE_BITS    = 8,
    parameter SIGMOID_FRAC = 7,
    parameter X_BITS       = 8,
    parameter X_SIGNED     = 1
) (
    input  wire                   clk,
    input  wire                   clken,
    input  wire                   rst,
    input  wire                   a_valid,
    output wire                   a_ready,
    input  wire [2*GATE_BITS-1:0] a_data,
    input  wire                   a_user,
    input  wire                   b_valid,
    output wire                   b_ready,
    input  wire [X_BITS-1:0]      b_data,
    input  wire                   b_user,
    output wire                   m_valid,
    input  wire                   m_ready,
    output wire [X_BITS-1:0]      m_data,
    output wire                   m_user,
    output wire                   table_enable,
    output wire [GATE_BITS-2:0]   sigmoid_address,
    input  wire [SIGMOID_FRAC:0]  sigmoid_data
);
    localparam STAGES    = 6;
    // x, and h once it is cut, as signed numbers.
    localparam WIDE      = X_SIGNED != 0 ? X_BITS : X_BITS + 1;
    localparam S_BITS    = SIGMOID_FRAC + 2;
    localparam FULL_BITS = S_BITS + WIDE + 1;
    localparam SUM_BITS  = FULL_BITS + 1;
    // The greatest x.
    localparam [GATE_BITS-1:0] LOW_BIT  = 1;
    localparam [GATE_BITS-1:0] GREATEST = (LOW_BIT << (WIDE - 1)) - LOW_BIT;

    reg [STAGES-1:0] valid;
    reg [STAGES-1:0] user;

    wire advance = !m_valid | m_ready;
    wire step    = advance & clken;

    assign a_ready      = advance & b_valid;
    assign b_ready      = advance & a_valid;
    assign m_valid      = valid[STAGES-1];
    assign m_user       = user[STAGES-1];
    assign table_enable = step;

    wire unused_user = &{1'b0, b_user};

    always @(posedge clk)
        if (rst) valid <= {STAGES{1'b0}};
        else if (step) valid <= {valid[STAGES-2:0], a_valid & b_valid};

    always @(posedge clk) if (step) user <= {user[STAGES-2:0], a_user};

    // ==== sigma(t), 3 clocks; h - x beside it
    wire signed [S_BITS-1:0] t;
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(SIGMOID_FRAC), .SIGMOID(1)) sigmoid_t (
        .clk(clk), .enable(step), .v(a_data[GATE_BITS-1:0]), .value(t),
        .rom_address(sigmoid_address), .rom_data(sigmoid_data)
    );

    wire [GATE_BITS-1:0] h      = a_data[GATE_BITS +: GATE_BITS];
    wire                 above  = !h[GATE_BITS-1] & h > GREATEST;
    wire                 x_sign = X_SIGNED != 0 ? b_data[X_BITS-1] : 1'b0;

    reg        [WIDE-1:0] h_cut;
    reg        [WIDE-1:0] x_1;
    reg        [WIDE-1:0] x_2;
    reg        [WIDE-1:0] x_3;
    reg        [WIDE-1:0] x_4;
    reg        [WIDE:0]   difference_2;
    reg signed [WIDE:0]   difference_3;
    always @(posedge clk)
        if (step) begin
            h_cut        <= h[GATE_BITS-1]
                ? {WIDE{1'b0}} : above ? GREATEST[WIDE-1:0] : h[WIDE-1:0];
            difference_2 <= {h_cut[WIDE-1], h_cut} - {x_1[WIDE-1], x_1};
            difference_3 <= difference_2;
            x_2          <= x_1;
            x_3          <= x_2;
            x_4          <= x_3;
        end
    generate
        if (X_SIGNED != 0) begin : signed_x
            always @(posedge clk) if (step) x_1 <= b_data;
            wire unused = &{1'b0, x_sign};
        end else begin : unsigned_x
            always @(posedge clk) if (step) x_1 <= {x_sign, b_data};
        end
    endgenerate

    // ==== The product, 1 clock, and z, 2 clocks: x joins it before the one rounding
    reg signed [FULL_BITS-1:0] full;
    always @(posedge clk) if (step) full <= t * difference_3;

    wire [SUM_BITS-1:0] x_wide = {{(SUM_BITS-WIDE){x_4[WIDE-1]}}, x_4} << SIGMOID_FRAC;
    wire [WIDE-1:0]     z;
    strassenc_round #(.X_BITS(SUM_BITS), .SHIFT(SIGMOID_FRAC), .Z_BITS(WIDE)) round_z (
        .clk(clk), .enable(step), .x({full[FULL_BITS-1], full} + x_wide), .z(z)
    );
    assign m_data = z[X_BITS-1:0];
    // The sign of an unsigned one.
    wire unused_z = &{1'b0, z};
endmodule

`default_nettype wire
