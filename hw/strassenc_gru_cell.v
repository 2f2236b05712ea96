// strassenc_gru_cell: a unit of a GRU per word, from its gates r, z, n_x and n_h to its h; it keeps
// the c of all UNITS units, which is h before it is rounded for the products of the gates.
//
// v  = saturate(round((n_x * 2^SIGMOID_FRAC + sigma(r) * n_h) / 2^SIGMOID_FRAC)) to GATE_BITS bits
// n  = tanh(v) * 2^NEW_SHIFT
// c' = saturate(round((n * 2^SIGMOID_FRAC + sigma(z) * (c * 2^KEPT_SHIFT - n)) / 2^C_SHIFT))
// h  = saturate(round(c' / 2^H_SHIFT))
// Halves round up; a shift <= 0 by which something is divided is an exact left shift. All values
// are in two's complement; r lies in the low bits. sigma and tanh are tables outside, see
// strassenc_curve: of r and z, and of v, the first one in the low bits of addresses and data; data
// is the word of the address that table_enable was last high with, one clock later.
// A step is UNITS words. All c are 0 before the steps that strassenc_starts says.
// A unit's word may come once its h of the step before has left. m_user is s_user, word by word.
// Latency: 15 clocks, one word per clock. Everything moves while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_gru_cell #(
    parameter UNITS        = 4,
    parameter STEPS        = 0,
    parameter GATE_BITS    = 8,
    parameter SIGMOID_FRAC = 7,
    parameter TANH_FRAC    = 7,
    parameter C_BITS       = 12,
    parameter H_BITS       = 8,
    parameter KEPT_SHIFT   = 0,
    parameter NEW_SHIFT    = 3,
    parameter C_SHIFT      = 7,
    parameter H_SHIFT      = 3
) (
    input  wire                          clk,
    input  wire                          clken,
    input  wire                          rst,
    input  wire                          s_valid,
    output wire                          s_ready,
    input  wire [4*GATE_BITS-1:0]        s_data,
    input  wire                          s_user,
    output wire                          m_valid,
    input  wire                          m_ready,
    output wire [H_BITS-1:0]             m_data,
    output wire                          m_user,
    output wire                          table_enable,
    output wire [2*(GATE_BITS-1)-1:0]    sigmoid_address,
    input  wire [2*(SIGMOID_FRAC+1)-1:0] sigmoid_data,
    output wire [GATE_BITS-2:0]          tanh_address,
    input  wire [TANH_FRAC:0]            tanh_data
);
    localparam        STAGES     = 15;
    localparam        UNIT_BITS  = UNITS > 1 ? $clog2(UNITS) : 1;
    localparam [31:0] LAST_UNIT  = UNITS - 1;
    localparam [31:0] ONE        = 1;
    localparam        A_BITS     = GATE_BITS - 1;
    localparam        S_BITS     = SIGMOID_FRAC + 2;
    localparam        T_BITS     = TANH_FRAC + 2;
    localparam        RESET_BITS = S_BITS + GATE_BITS;
    localparam        KEPT_WIDE  = C_BITS + KEPT_SHIFT;
    localparam        NEW_WIDE   = T_BITS + NEW_SHIFT;
    // c and n aligned, and their difference.
    localparam        D_BITS     = (KEPT_WIDE > NEW_WIDE ? KEPT_WIDE : NEW_WIDE) + 1;
    localparam        SHARE_BITS = S_BITS + D_BITS;

    reg [STAGES-1:0] valid;
    reg [STAGES-1:0] user;
    // The unit of the next word, of the next c that is read, and of the next c'; a sequence starts
    // with this step.
    reg [UNIT_BITS-1:0] unit;
    reg [UNIT_BITS-1:0] old_unit;
    reg [UNIT_BITS-1:0] new_unit;
    reg                 started;

    wire advance = !m_valid | m_ready;
    wire step    = advance & clken;
    wire first   = unit == {UNIT_BITS{1'b0}};
    wire last    = unit == LAST_UNIT[UNIT_BITS-1:0];
    wire starts;
    wire fresh;
    wire start   = first ? starts : started;
    strassenc_starts #(.STEPS(STEPS)) of_steps (
        .clk(clk), .rst(rst), .enable(step & s_valid), .last(last), .user(s_user),
        .fresh(fresh), .start(starts)
    );
    wire unused = &{1'b0, fresh};

    assign s_ready      = advance;
    assign m_valid      = valid[STAGES-1];
    assign m_user       = user[STAGES-1];
    assign table_enable = step;

    always @(posedge clk)
        if (rst) begin
            valid    <= {STAGES{1'b0}};
            unit     <= {UNIT_BITS{1'b0}};
            old_unit <= {UNIT_BITS{1'b0}};
            new_unit <= {UNIT_BITS{1'b0}};
        end else if (step) begin
            valid <= {valid[STAGES-2:0], s_valid};
            if (s_valid) unit <= last ? {UNIT_BITS{1'b0}} : unit + ONE[UNIT_BITS-1:0];
            if (valid[6])
                old_unit <= old_unit == LAST_UNIT[UNIT_BITS-1:0]
                    ? {UNIT_BITS{1'b0}} : old_unit + ONE[UNIT_BITS-1:0];
            if (valid[12])
                new_unit <= new_unit == LAST_UNIT[UNIT_BITS-1:0]
                    ? {UNIT_BITS{1'b0}} : new_unit + ONE[UNIT_BITS-1:0];
        end

    always @(posedge clk)
        if (step) begin
            user <= {user[STAGES-2:0], s_user};
            if (s_valid) started <= start;
        end

    // ==== sigma(r), 3 clocks; n_x and n_h beside it
    wire [GATE_BITS-1:0] gate_r   = s_data[0*GATE_BITS +: GATE_BITS];
    wire [GATE_BITS-1:0] gate_z   = s_data[1*GATE_BITS +: GATE_BITS];
    wire [GATE_BITS-1:0] gate_n_x = s_data[2*GATE_BITS +: GATE_BITS];
    wire [GATE_BITS-1:0] gate_n_h = s_data[3*GATE_BITS +: GATE_BITS];
    wire signed [S_BITS-1:0] r;
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(SIGMOID_FRAC), .SIGMOID(1)) sigmoid_r (
        .clk(clk), .enable(step), .v(gate_r), .value(r),
        .rom_address(sigmoid_address[0 +: A_BITS]), .rom_data(sigmoid_data[0 +: SIGMOID_FRAC+1])
    );

    // What waits, the oldest one at the top.
    reg [4*GATE_BITS-1:0] waiting_n_x;
    reg [3*GATE_BITS-1:0] waiting_n_h;
    reg [6*GATE_BITS-1:0] waiting_z;
    always @(posedge clk)
        if (step) begin
            waiting_n_x <= {waiting_n_x[3*GATE_BITS-1:0], gate_n_x};
            waiting_n_h <= {waiting_n_h[2*GATE_BITS-1:0], gate_n_h};
            waiting_z   <= {waiting_z[5*GATE_BITS-1:0], gate_z};
        end

    // ==== sigma(r) * n_h, 1 clock
    wire signed [GATE_BITS-1:0]  n_h = waiting_n_h[2*GATE_BITS +: GATE_BITS];
    wire        [GATE_BITS-1:0]  n_x = waiting_n_x[3*GATE_BITS +: GATE_BITS];
    reg  signed [RESET_BITS-1:0] reset;
    always @(posedge clk) if (step) reset <= r * n_h;

    // ==== v, 2 clocks
    wire [RESET_BITS:0]  n_x_wide   = {{(RESET_BITS+1-GATE_BITS){n_x[GATE_BITS-1]}}, n_x};
    wire [RESET_BITS:0]  reset_wide = {reset[RESET_BITS-1], reset};
    wire [GATE_BITS-1:0] v;
    strassenc_round #(
        .X_BITS(RESET_BITS + 1), .SHIFT(SIGMOID_FRAC), .Z_BITS(GATE_BITS)
    ) round_v (
        .clk(clk), .enable(step), .x((n_x_wide << SIGMOID_FRAC) + reset_wide), .z(v)
    );

    // ==== tanh(v) and sigma(z), 3 clocks; c of the unit beside them
    wire        [T_BITS-1:0] n;
    wire signed [S_BITS-1:0] z;
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(TANH_FRAC), .SIGMOID(0)) tanh_v (
        .clk(clk), .enable(step), .v(v), .value(n),
        .rom_address(tanh_address), .rom_data(tanh_data)
    );
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(SIGMOID_FRAC), .SIGMOID(1)) sigmoid_z (
        .clk(clk), .enable(step), .v(waiting_z[5*GATE_BITS +: GATE_BITS]), .value(z),
        .rom_address(sigmoid_address[A_BITS +: A_BITS]),
        .rom_data(sigmoid_data[SIGMOID_FRAC+1 +: SIGMOID_FRAC+1])
    );

    reg [C_BITS-1:0] c [0:UNITS-1];
    reg [C_BITS-1:0] c_read;
    reg [C_BITS-1:0] c_old;
    reg [7:0]        starting;
    always @(posedge clk)
        if (step) begin
            starting <= {starting[6:0], start};
            c_read   <= c[old_unit];
            c_old    <= c_read & {C_BITS{!starting[7]}};
        end

    // ==== c - n, 1 clock
    wire [D_BITS-1:0] c_wide = {{(D_BITS-C_BITS){c_old[C_BITS-1]}}, c_old} << KEPT_SHIFT;
    wire [D_BITS-1:0] n_wide = {{(D_BITS-T_BITS){n[T_BITS-1]}}, n} << NEW_SHIFT;
    reg signed [D_BITS-1:0] difference;
    reg signed [S_BITS-1:0] z_1;
    reg        [D_BITS-1:0] n_1;
    always @(posedge clk)
        if (step) begin
            difference <= c_wide - n_wide;
            z_1        <= z;
            n_1        <= n_wide;
        end

    // ==== sigma(z) * (c - n), 1 clock
    reg signed [SHARE_BITS-1:0] share;
    reg        [D_BITS-1:0]     n_2;
    always @(posedge clk)
        if (step) begin
            share <= z_1 * difference;
            n_2   <= n_1;
        end

    // ==== c', 2 clocks
    wire [SHARE_BITS-1:0] n_again = {{(SHARE_BITS-D_BITS){n_2[D_BITS-1]}}, n_2} << SIGMOID_FRAC;
    wire [C_BITS-1:0]     c_new;
    strassenc_round #(.X_BITS(SHARE_BITS), .SHIFT(C_SHIFT), .Z_BITS(C_BITS)) round_c (
        .clk(clk), .enable(step), .x(n_again + share), .z(c_new)
    );
    always @(posedge clk) if (step & valid[12]) c[new_unit] <= c_new;

    // ==== h, 2 clocks
    wire [H_BITS-1:0] h;
    strassenc_round #(.X_BITS(C_BITS), .SHIFT(H_SHIFT), .Z_BITS(H_BITS)) round_h (
        .clk(clk), .enable(step), .x(c_new), .z(h)
    );
    assign m_data = h;
endmodule

`default_nettype wire
