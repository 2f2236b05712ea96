// Self-checking testbench of strassenc_lstm_cell: sequences that start at random, by count and
// after reset, shifts to both sides, saturation of c, of its index and of h; clock by clock under
// random stalls of giver and taker, clken, reset in mid-frame.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_lstm_cell_check #(
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
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam DEPTH  = 1 << (GATE_BITS - 1);
    localparam STAGES = 14;
    localparam A_BITS = GATE_BITS - 1;

    reg                           rst;
    reg                           clken;
    reg                           s_valid;
    wire                          s_ready;
    reg  [4*GATE_BITS-1:0]        s_data;
    reg                           s_user;
    wire                          m_valid;
    reg                           m_ready;
    wire [H_BITS-1:0]             m_data;
    wire                          m_user;
    wire                          table_enable;
    wire [3*A_BITS-1:0]           sigmoid_address;
    reg  [3*(SIGMOID_FRAC+1)-1:0] sigmoid_data;
    wire [2*A_BITS-1:0]           tanh_address;
    reg  [2*(TANH_FRAC+1)-1:0]    tanh_data;
    strassenc_lstm_cell #(
        .UNITS(UNITS), .STEPS(STEPS), .GATE_BITS(GATE_BITS), .SIGMOID_FRAC(SIGMOID_FRAC),
        .TANH_FRAC(TANH_FRAC), .C_BITS(C_BITS), .H_BITS(H_BITS), .KEPT_SHIFT(KEPT_SHIFT),
        .NEW_SHIFT(NEW_SHIFT), .C_SHIFT(C_SHIFT),
        .INDEX_SHIFT(INDEX_SHIFT),
        .H_SHIFT(H_SHIFT)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user),
        .table_enable(table_enable), .sigmoid_address(sigmoid_address), .sigmoid_data(sigmoid_data),
        .tanh_address(tanh_address), .tanh_data(tanh_data)
    );
    reg [SIGMOID_FRAC:0] sigmoid_rom [0:DEPTH-1];
    reg [TANH_FRAC:0]    tanh_rom    [0:DEPTH-1];
    always @(posedge clk)
        if (table_enable) begin
            sigmoid_data <=
                {sigmoid_rom[sigmoid_address[2*A_BITS +: A_BITS]],
                sigmoid_rom[sigmoid_address[A_BITS +: A_BITS]],
                             sigmoid_rom[sigmoid_address[0 +: A_BITS]]};
            tanh_data    <=
                {tanh_rom[tanh_address[A_BITS +: A_BITS]], tanh_rom[tanh_address[0 +: A_BITS]]};
        end

    integer           seed = UNITS + 64 * GATE_BITS + 4096 * C_BITS;
    integer           mode, clocks, taken, accepted, k, unit, steps;
    // How often c reached an end of its range.
    integer           ends = 0;
    reg               pending, advance, fresh, start;
    reg signed [63:0] c [0:UNITS-1];
    reg signed [63:0] i, f, g, o, t, sum, h;
    // Seeds are nothing to Verilator; high bits are cut off.
    wire unused = &{1'b0, seed, h};
    reg               stage_valid [0:STAGES-1];
    reg               stage_user  [0:STAGES-1];
    reg [H_BITS-1:0]  stage_data  [0:STAGES-1];

    // The table's value at a number of GATE_BITS bits.
    function signed [63:0] looked_up(input signed [63:0] v, input sigmoid);
        integer magnitude;
        begin
            magnitude = v < 0 ? -v : v;
            if (magnitude > DEPTH - 1) magnitude = DEPTH - 1;
            looked_up = sigmoid ? sigmoid_rom[magnitude] : tanh_rom[magnitude];
            if (v < 0) looked_up = (sigmoid ? 64'sd1 <<< SIGMOID_FRAC : 64'sd0) - looked_up;
        end
    endfunction

    function signed [63:0] rounded(input signed [63:0] v, input integer shift, input integer bits);
        begin
            if (shift > 0) rounded = (v + (64'sd1 <<< (shift - 1))) >>> shift;
            else           rounded = v <<< -shift;
            if (rounded < -(64'sd1 <<< (bits - 1)))    rounded = -(64'sd1 <<< (bits - 1));
            if (rounded > (64'sd1 <<< (bits - 1)) - 1) rounded = (64'sd1 <<< (bits - 1)) - 1;
        end
    endfunction

    function signed [63:0] gate(input integer number);
        gate = $signed({{(64-GATE_BITS){s_data[(number+1)*GATE_BITS-1]}},
            s_data[number*GATE_BITS +: GATE_BITS]});
    endfunction

    // What the word at hand makes of the model.
    task accept;
        begin
            if (unit == 0) start = STEPS == 0 ? s_user || fresh : steps % STEPS == 0;
            if (start) c[unit] = 0;
            i = looked_up(gate(0), 1'b1);
            f = looked_up(gate(1), 1'b1);
            g = looked_up(gate(2), 1'b0);
            o = looked_up(gate(3), 1'b1);
            sum = ((f * c[unit]) <<< KEPT_SHIFT) + ((i * g) <<< NEW_SHIFT);
            c[unit] = rounded(sum, C_SHIFT, C_BITS);
            if (c[unit] == -(64'sd1 <<< (C_BITS - 1)) || c[unit] == (64'sd1 <<< (C_BITS - 1)) - 1)
                ends = ends + 1;
            t = looked_up(rounded(c[unit], INDEX_SHIFT, GATE_BITS), 1'b0);
            h = rounded(o * t, H_SHIFT, H_BITS);
            unit = unit + 1;
            if (unit == UNITS) begin
                unit = 0;
                steps = steps + 1;
                fresh = 1'b0;
            end
        end
    endtask

    // mode 0: full rate; 1: slow taker; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        for (k = 0; k < DEPTH; k = k + 1) begin
            sigmoid_rom[k] = ($random(seed) & 32'h7fffffff) % ((1 << SIGMOID_FRAC) + 1);
            tanh_rom[k] = ($random(seed) & 32'h7fffffff) % ((1 << TANH_FRAC) + 1);
        end
        sigmoid_rom[DEPTH-1] = 1 << SIGMOID_FRAC;
        tanh_rom[DEPTH-1] = 1 << TANH_FRAC;
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            s_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            for (k = 0; k < STAGES; k = k + 1) stage_valid[k] = 1'b0;
            pending = 1'b0;
            fresh = 1'b1;
            unit = 0;
            steps = 0;
            accepted = 0;
            taken = 0;
            for (clocks = 0; clocks < 3000; clocks = clocks + 1) begin
                if (!pending) begin
                    // A unit's word waits for its h of the step before.
                    s_valid = (mode < 2 || ($random(seed) & 3) != 0) && accepted - taken < UNITS;
                    s_data = {$random(seed), $random(seed), $random(seed)};
                    for (k = 0; k < 4; k = k + 1)
                        case ($random(seed) & 7)
                            0:       s_data[k*GATE_BITS +: GATE_BITS] = {GATE_BITS{1'b1}} >> 1;
                            1:       s_data[k*GATE_BITS +: GATE_BITS] = ~({GATE_BITS{1'b1}} >> 1);
                            default: ;
                        endcase
                    // What is on the other words is not read.
                    s_user = ($random(seed) & 7) == 0;
                    // For a while nothing is forgotten, so that c grows, upwards or downwards.
                    if ((clocks & 512) != 0) begin
                        s_data[2*GATE_BITS-1:0] = {2{1'b0, {(GATE_BITS-1){1'b1}}}};
                        s_data[2*GATE_BITS +: GATE_BITS] =
                            {(clocks & 1024) != 0, {(GATE_BITS-1){(clocks & 1024) == 0}}};
                        s_user = 1'b0;
                    end
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 127) == 0;
                advance = !stage_valid[STAGES-1] || m_ready;
                #1;
                if (s_ready !== advance || m_valid !== stage_valid[STAGES-1]
                        || (m_valid
                            && (m_data !== stage_data[STAGES-1]
                            || m_user !== stage_user[STAGES-1]))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "UNITS %0d C %0d, mode %0d, clock %0d: %b %b, %h %b, not %b, %h %b",
                            UNITS, C_BITS, mode, clocks, s_ready, m_valid, m_data, m_user,
                            stage_valid[STAGES-1], stage_data[STAGES-1], stage_user[STAGES-1]);
                end
                @(posedge clk);
                pending = s_valid && !(clken && advance) && !rst;
                if (rst) begin
                    for (k = 0; k < STAGES; k = k + 1) stage_valid[k] = 1'b0;
                    fresh = 1'b1;
                    unit = 0;
                    steps = 0;
                    accepted = 0;
                    taken = 0;
                end else if (clken && advance) begin
                    if (stage_valid[STAGES-1]) taken = taken + 1;
                    for (k = STAGES - 1; k > 0; k = k - 1) begin
                        stage_valid[k] = stage_valid[k-1];
                        stage_user[k]  = stage_user[k-1];
                        stage_data[k]  = stage_data[k-1];
                    end
                    stage_valid[0] = s_valid;
                    if (s_valid) begin
                        stage_user[0] = s_user;
                        accept;
                        stage_data[0] = h[H_BITS-1:0];
                        accepted = accepted + 1;
                    end
                end
                @(negedge clk);
            end
            // One word per clock, where units are many enough.
            if (mode == 0 && UNITS > STAGES && taken != 3000 - STAGES) begin
                failures = failures + 1;
                $display("UNITS %0d, full rate: %0d words", UNITS, taken);
            end
            if (mode < 3 && taken < 100) begin
                failures = failures + 1;
                $display("UNITS %0d, mode %0d: %0d words", UNITS, mode, taken);
            end
        end
        if (ends == 0) begin
            failures = failures + 1;
            $display("UNITS %0d C %0d: c never reached an end", UNITS, C_BITS);
        end
        done = 1'b1;
    end
endmodule

module strassenc_lstm_cell_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [4:0] done;
    wire [31:0] failures [0:4];
    strassenc_lstm_cell_check #(.UNITS(20), .GATE_BITS(8), .SIGMOID_FRAC(7), .TANH_FRAC(7),
        .C_BITS(10), .H_BITS(8),
        .KEPT_SHIFT(0), .NEW_SHIFT(0), .C_SHIFT(7), .INDEX_SHIFT(3), .H_SHIFT(7))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_lstm_cell_check #(.UNITS(1), .GATE_BITS(6), .SIGMOID_FRAC(4), .TANH_FRAC(9),
        .C_BITS(7), .H_BITS(5),
        .KEPT_SHIFT(6), .NEW_SHIFT(0), .C_SHIFT(10), .INDEX_SHIFT(-1), .H_SHIFT(8))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_lstm_cell_check #(.UNITS(5), .STEPS(40), .GATE_BITS(5), .SIGMOID_FRAC(9),
        .TANH_FRAC(1), .C_BITS(10), .H_BITS(9),
        .KEPT_SHIFT(0), .NEW_SHIFT(5), .C_SHIFT(8), .INDEX_SHIFT(6), .H_SHIFT(1))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    // Left shifts throughout.
    strassenc_lstm_cell_check #(.UNITS(3), .GATE_BITS(9), .SIGMOID_FRAC(2), .TANH_FRAC(3),
        .C_BITS(14), .H_BITS(7),
        .KEPT_SHIFT(0), .NEW_SHIFT(0), .C_SHIFT(-2), .INDEX_SHIFT(-3), .H_SHIFT(-1))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    // As narrow as can be.
    strassenc_lstm_cell_check #(.UNITS(2), .GATE_BITS(2), .SIGMOID_FRAC(1), .TANH_FRAC(1),
        .C_BITS(2), .H_BITS(2),
        .KEPT_SHIFT(0), .NEW_SHIFT(0), .C_SHIFT(0), .INDEX_SHIFT(0), .H_SHIFT(1))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]) == 0)
                $display("PASS strassenc_lstm_cell");
            else begin
                $display("FAIL strassenc_lstm_cell");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
