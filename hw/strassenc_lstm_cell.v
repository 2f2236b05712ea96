// strassenc_lstm_cell: a unit of an LSTM per word, from its gates i, f, g and o to its h; it keeps
// the c of all UNITS units.
//
// s  = sigma(f) * c * 2^KEPT_SHIFT + sigma(i) * tanh(g) * 2^NEW_SHIFT
// c' = saturate(round(s / 2^C_SHIFT))
// v  = saturate(round(c' / 2^INDEX_SHIFT)) to GATE_BITS bits
// h  = saturate(round(sigma(o) * tanh(v) / 2^H_SHIFT))
// Halves round up; a shift <= 0 by which something is divided is an exact left shift. All values
// are in two's complement; i lies in the low bits. sigma and tanh are tables outside, see
// strassenc_curve: of i, f and o, and of g and c', the first one in the low bits of addresses and
// data; data is the word of the address that table_enable was last high with, one clock later.
// A step is UNITS words. All c are 0 before the steps that strassenc_starts says.
// A unit's word may come once its h of the step before has left. m_user is s_user, word by word.
// Latency: 14 clocks, one word per clock. Everything moves while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_lstm_cell #(
    parameter UNITS        = 4,
    parameter STEPS        = 0,
    parameter GATE_BITS    = 8,
    parameter SIGMOID_FRAC = 7,
    parameter TANH_FRAC    = 7,
    parameter C_BITS       = 12,
    parameter H_BITS       = 8,
    parameter KEPT_SHIFT   = 0,
    parameter NEW_SHIFT    = 0,
    parameter C_SHIFT      = 7,
    parameter INDEX_SHIFT  = 3,
    parameter H_SHIFT      = 7
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
    output wire [3*(GATE_BITS-1)-1:0]    sigmoid_address,
    input  wire [3*(SIGMOID_FRAC+1)-1:0] sigmoid_data,
    output wire [2*(GATE_BITS-1)-1:0]    tanh_address,
    input  wire [2*(TANH_FRAC+1)-1:0]    tanh_data
);
    localparam        STAGES     = 14;
    localparam        UNIT_BITS  = UNITS > 1 ? $clog2(UNITS) : 1;
    localparam [31:0] LAST_UNIT  = UNITS - 1;
    localparam [31:0] ONE        = 1;
    localparam        A_BITS     = GATE_BITS - 1;
    localparam        S_BITS     = SIGMOID_FRAC + 2;
    localparam        T_BITS     = TANH_FRAC + 2;
    localparam        KEPT_BITS  = S_BITS + C_BITS;
    localparam        NEW_BITS   = S_BITS + T_BITS;
    localparam        KEPT_WIDE  = KEPT_BITS + KEPT_SHIFT;
    localparam        NEW_WIDE   = NEW_BITS + NEW_SHIFT;
    localparam        SUM_BITS   = (KEPT_WIDE > NEW_WIDE ? KEPT_WIDE : NEW_WIDE) + 1;

    reg [STAGES-1:0] valid;
    reg [STAGES-1:0] user;
    // The unit of the next word, and of the next c'; a sequence starts with this step.
    reg [UNIT_BITS-1:0] unit;
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
            new_unit <= {UNIT_BITS{1'b0}};
        end else if (step) begin
            valid <= {valid[STAGES-2:0], s_valid};
            if (s_valid) unit <= last ? {UNIT_BITS{1'b0}} : unit + ONE[UNIT_BITS-1:0];
            if (valid[5])
                new_unit <= new_unit == LAST_UNIT[UNIT_BITS-1:0]
                    ? {UNIT_BITS{1'b0}} : new_unit + ONE[UNIT_BITS-1:0];
        end

    always @(posedge clk)
        if (step) begin
            user <= {user[STAGES-2:0], s_user};
            if (s_valid) started <= start;
        end

    // ==== sigma(i), sigma(f) and tanh(g), 3 clocks; c of the unit beside them
    wire [GATE_BITS-1:0] gate_i = s_data[0*GATE_BITS +: GATE_BITS];
    wire [GATE_BITS-1:0] gate_f = s_data[1*GATE_BITS +: GATE_BITS];
    wire [GATE_BITS-1:0] gate_g = s_data[2*GATE_BITS +: GATE_BITS];
    wire [GATE_BITS-1:0] gate_o = s_data[3*GATE_BITS +: GATE_BITS];
    wire signed [S_BITS-1:0] i;
    wire signed [S_BITS-1:0] f;
    wire signed [T_BITS-1:0] g;
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(SIGMOID_FRAC), .SIGMOID(1)) sigmoid_i (
        .clk(clk), .enable(step), .v(gate_i), .value(i),
        .rom_address(sigmoid_address[0 +: A_BITS]), .rom_data(sigmoid_data[0 +: SIGMOID_FRAC+1])
    );
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(SIGMOID_FRAC), .SIGMOID(1)) sigmoid_f (
        .clk(clk), .enable(step), .v(gate_f), .value(f),
        .rom_address(sigmoid_address[A_BITS +: A_BITS]),
        .rom_data(sigmoid_data[SIGMOID_FRAC+1 +: SIGMOID_FRAC+1])
    );
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(TANH_FRAC), .SIGMOID(0)) tanh_g (
        .clk(clk), .enable(step), .v(gate_g), .value(g),
        .rom_address(tanh_address[0 +: A_BITS]), .rom_data(tanh_data[0 +: TANH_FRAC+1])
    );

    reg        [C_BITS-1:0]    c [0:UNITS-1];
    reg        [UNIT_BITS-1:0] unit_1;
    reg        [C_BITS-1:0]    c_read;
    reg signed [C_BITS-1:0]    c_old;
    reg        [1:0]           starting;
    always @(posedge clk)
        if (step) begin
            unit_1 <= unit;
            c_read <= c[unit_1];
            starting <= {starting[0], start};
            c_old  <= c_read & {C_BITS{!starting[1]}};
        end

    // ==== Products, 1 clock
    reg signed [KEPT_BITS-1:0] kept;
    reg signed [NEW_BITS-1:0]  added;
    always @(posedge clk)
        if (step) begin
            kept  <= f * c_old;
            added <= i * g;
        end

    // ==== c', 2 clocks
    wire [SUM_BITS-1:0] kept_wide = {{(SUM_BITS-KEPT_BITS){kept[KEPT_BITS-1]}}, kept} << KEPT_SHIFT;
    wire [SUM_BITS-1:0] new_wide  = {{(SUM_BITS-NEW_BITS){added[NEW_BITS-1]}}, added} << NEW_SHIFT;
    wire [C_BITS-1:0]   c_new;
    strassenc_round #(.X_BITS(SUM_BITS), .SHIFT(C_SHIFT), .Z_BITS(C_BITS)) round_c (
        .clk(clk), .enable(step), .x(kept_wide + new_wide), .z(c_new)
    );
    always @(posedge clk) if (step & valid[5]) c[new_unit] <= c_new;

    // ==== tanh(c'), 2 and 3 clocks; sigma(o) beside it
    wire [GATE_BITS-1:0] index;
    strassenc_round #(.X_BITS(C_BITS), .SHIFT(INDEX_SHIFT), .Z_BITS(GATE_BITS)) round_index (
        .clk(clk), .enable(step), .x(c_new), .z(index)
    );
    wire signed [T_BITS-1:0] t;
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(TANH_FRAC), .SIGMOID(0)) tanh_c (
        .clk(clk), .enable(step), .v(index), .value(t),
        .rom_address(tanh_address[A_BITS +: A_BITS]),
        .rom_data(tanh_data[TANH_FRAC+1 +: TANH_FRAC+1])
    );

    // o waits for 8 clocks, the oldest one at the top.
    reg [8*GATE_BITS-1:0] waiting_o;
    always @(posedge clk) if (step) waiting_o <= {waiting_o[7*GATE_BITS-1:0], gate_o};
    wire signed [S_BITS-1:0] o;
    strassenc_curve #(.V_BITS(GATE_BITS), .FRAC(SIGMOID_FRAC), .SIGMOID(1)) sigmoid_o (
        .clk(clk), .enable(step), .v(waiting_o[7*GATE_BITS +: GATE_BITS]), .value(o),
        .rom_address(sigmoid_address[2*A_BITS +: A_BITS]),
        .rom_data(sigmoid_data[2*(SIGMOID_FRAC+1) +: SIGMOID_FRAC+1])
    );

    // ==== h, 1 and 2 clocks
    reg signed [NEW_BITS-1:0] shown;
    always @(posedge clk) if (step) shown <= o * t;
    wire [H_BITS-1:0] h;
    strassenc_round #(.X_BITS(NEW_BITS), .SHIFT(H_SHIFT), .Z_BITS(H_BITS)) round_h (
        .clk(clk), .enable(step), .x(shown), .z(h)
    );
    assign m_data = h;
endmodule

`default_nettype wire
