// Self-checking testbench of strassenc_shift_add_bank: every clock compared with a plain model that
// multiplies, under gaps, stalls, clken and resets; both kinds of operand and both of their ends,
// digits of any sign and shift and none, halves that round up.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_shift_add_bank_check #(
    parameter LANES       = 4,
    parameter U_BITS      = 16,
    parameter U_SIGNED    = 1,
    parameter TERMS       = 2,
    parameter AMOUNT_BITS = 3,
    parameter SHIFT       = 0,
    parameter M_BITS      = 24,
    parameter DEPTH       = 1,
    parameter SEED        = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam IN_BITS      = LANES * U_BITS;
    localparam OUT_BITS     = LANES * M_BITS;
    localparam DIGIT_BITS   = AMOUNT_BITS + 2;
    localparam ROM_BITS     = LANES * TERMS * DIGIT_BITS;
    localparam CLOCKS       = 400;
    localparam LATENCY      = 3;
    localparam GROUP        = 1;

    reg                     rst;
    reg                     clken;
    reg                     s_valid;
    wire                    s_ready;
    reg  [IN_BITS-1:0]      s_data;
    reg                     s_user;
    wire                    m_valid;
    reg                     m_ready;
    wire [OUT_BITS-1:0]     m_data;
    wire                    m_user;
    wire                    rom_enable;
    wire [ADDRESS_BITS-1:0] rom_address;
    reg  [ROM_BITS-1:0]     rom_data;

    strassenc_shift_add_bank #(
        .LANES      (LANES),
        .U_BITS     (U_BITS),
        .U_SIGNED   (U_SIGNED),
        .TERMS      (TERMS),
        .AMOUNT_BITS(AMOUNT_BITS),
        .SHIFT      (SHIFT),
        .M_BITS     (M_BITS),
        .DEPTH      (DEPTH)
    ) dut (
        .clk        (clk),
        .clken      (clken),
        .rst        (rst),
        .s_valid    (s_valid),
        .s_ready    (s_ready),
        .s_data     (s_data),
        .s_user     (s_user),
        .m_valid    (m_valid),
        .m_ready    (m_ready),
        .m_data     (m_data),
        .m_user     (m_user),
        .rom_enable (rom_enable),
        .rom_address(rom_address),
        .rom_data   (rom_data)
    );

    reg [ROM_BITS-1:0] rom [0:DEPTH-1];
    always @(posedge clk) if (rom_enable) rom_data <= rom[rom_address];

    integer                 seed = SEED;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer                 mode, clocks, i, k, taken;
    reg                     pending, step;
    // What the primitive should be: the results on their way, the last stage at m_data, and the
    // group at hand.
    reg                     stage_valid [0:LATENCY-1];
    reg                     stage_user  [0:LATENCY-1];
    reg [OUT_BITS-1:0]      stage_data  [0:LATENCY-1];
    integer                 position;
    integer                 address;
    reg [ROM_BITS-1:0]      entry;
    reg                     group_user;
    reg [OUT_BITS-1:0]      result;
    reg signed [63:0]       exact;
    reg signed [63:0]       coefficient;
    integer                 lane, term;
    reg [DIGIT_BITS-1:0]    digit;

    // A word: each element at either end of its range, or anything. The more ends, the more often
    // all of them at one.
    integer                 kind;
    reg [U_BITS-1:0]        drawn;
    task draw(input integer ends);
        begin
            kind = ($random(seed) & 7) + ends;
            for (i = 0; i < LANES; i = i + 1) begin
                case (kind >= 6 ? kind : $random(seed) & 7)
                    6:       drawn = ~({U_BITS{1'b1}} >> 1);
                    7:       drawn = {U_BITS{1'b1}} >> 1;
                    8:       drawn = {U_BITS{1'b1}};
                    default: drawn = {$random(seed), $random(seed)};
                endcase
                s_data[i*U_BITS +: U_BITS] = drawn;
            end
        end
    endtask

    function signed [63:0] number(input [U_BITS-1:0] bits);
        number = U_SIGNED != 0 && bits[U_BITS-1]
            ? $signed({{(64-U_BITS){1'b1}}, bits}) : $signed({{(64-U_BITS){1'b0}}, bits});
    endfunction

    task compute;
        for (lane = 0; lane < LANES; lane = lane + 1) begin
            coefficient = 0;
            for (term = 0; term < TERMS; term = term + 1) begin
                digit = entry[(lane*TERMS+term)*DIGIT_BITS +: DIGIT_BITS];
                case (digit[1:0])
                    2'b01:   coefficient = coefficient + (64'sd1 <<< (digit >> 2));
                    2'b11:   coefficient = coefficient - (64'sd1 <<< (digit >> 2));
                    default: ;
                endcase
            end
            exact = number(s_data[lane*U_BITS +: U_BITS]) * coefficient;
            if (SHIFT > 0) exact = (exact + (64'sd1 <<< (SHIFT > 0 ? SHIFT - 1 : 0))) >>> SHIFT;
            result[lane*M_BITS +: M_BITS] = exact[M_BITS-1:0];
        end
    endtask

    // One more failure; the first ones are told.
    task fail;
        begin
            failures = failures + 1;
            if (failures < 10)
                $display(
                    "set %0d, mode %0d, clock %0d: ready %b, valid %b, %h, user %b, not %b, %h, %b",
                    SEED, mode, clocks, s_ready, m_valid, m_data, m_user, stage_valid[LATENCY-1],
                    stage_data[LATENCY-1], stage_user[LATENCY-1]);
        end
    endtask

    task forget;
        begin
            for (k = 0; k < LATENCY; k = k + 1) stage_valid[k] = 1'b0;
            position = 0;
            address = 0;
        end
    endtask

    // mode 0: full rate; 1: slow giver; 2: slow taker; 3: both random; 4: both random, and clken
    // and resets too.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        s_data = {IN_BITS{1'b0}};
        s_user = 1'b0;
        s_valid = 1'b0;
        m_ready = 1'b0;
        clocks = 0;
        // The least, the greatest, or any shift, with either sign or as nothing.
        for (i = 0; i < DEPTH; i = i + 1)
            for (lane = 0; lane < LANES * TERMS; lane = lane + 1) begin
                case ($random(seed) & 3)
                    0:       digit = {DIGIT_BITS{1'b0}};
                    1:       digit = {DIGIT_BITS{1'b1}};
                    default: digit = $random(seed);
                endcase
                case ($random(seed) & 3)
                    0:       digit[1:0] = 2'b00;
                    1:       digit[1:0] = 2'b01;
                    default: digit[1:0] = 2'b11;
                endcase
                rom[i][lane*DIGIT_BITS +: DIGIT_BITS] = digit;
            end
        for (mode = 0; mode < 5; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            pending = 1'b0;
            taken = 0;
            repeat (2) @(negedge clk);
            rst = 1'b0;
            forget;
            for (clocks = 0; clocks < CLOCKS; clocks = clocks + 1) begin
                // A giver may not withdraw a word.
                if (!pending) begin
                    s_valid = mode == 0 || mode == 2 || ($random(seed) & 3) == 0;
                    draw(mode == 0 ? 2 : 0);
                    s_user = $random(seed) & 1;
                end
                m_ready = mode == 0 || mode == 1 || ($random(seed) & 3) == 0;
                clken   = mode != 4 || ($random(seed) & 3) != 0;
                rst     = mode == 4 && ($random(seed) & 63) == 0;
                @(posedge clk);
                // Everything is as it should be in this clock, whether anything moves or not.
                step = !stage_valid[LATENCY-1] || m_ready;
                if (s_ready !== step || m_valid !== stage_valid[LATENCY-1]) fail;
                else if (m_valid
                    && (m_data !== stage_data[LATENCY-1] || m_user !== stage_user[LATENCY-1])) fail;
                if (rom_enable !== (s_valid && step && clken)) fail;
                if (rom_address !== address[ADDRESS_BITS-1:0]) fail;
                if (m_valid && m_ready && clken) taken = taken + 1;
                pending = s_valid && !(step && clken && !rst);
                // What this edge does.
                if (rst) forget;
                else if (step && clken) begin
                    for (k = LATENCY - 1; k > 0; k = k - 1) begin
                        stage_valid[k] = stage_valid[k-1];
                        stage_user[k]  = stage_user[k-1];
                        stage_data[k]  = stage_data[k-1];
                    end
                    stage_valid[0] = 1'b0;
                    if (s_valid) begin
                        if (position == 0) group_user = s_user;
                        entry = rom[address];
                        compute;
                        stage_valid[0] = position == GROUP - 1;
                        stage_user[0]  = group_user;
                        stage_data[0]  = result;
                        position = position == GROUP - 1 ? 0 : position + 1;
                        address  = address == DEPTH - 1 ? 0 : address + 1;
                    end
                end
                @(negedge clk);
            end
            // One word per clock.
            if (mode == 0 && taken != (CLOCKS - LATENCY) / GROUP) begin
                failures = failures + 1;
                $display("set %0d, full rate: %0d results in %0d clocks", SEED, taken, CLOCKS);
            end
            if (taken < CLOCKS / (16 * GROUP)) begin
                failures = failures + 1;
                $display("set %0d, mode %0d: only %0d results", SEED, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_shift_add_bank_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [9:0] done;
    wire [31:0] failures [0:9];

    strassenc_shift_add_bank_check #(.LANES(1), .U_BITS(8), .U_SIGNED(1), .TERMS(1),
        .AMOUNT_BITS(3), .SHIFT(0),
        .M_BITS(16), .DEPTH(1), .SEED(1)) check_0 (.clk(clk), .done(done[0]),
        .failures(failures[0]));
    strassenc_shift_add_bank_check #(.LANES(2), .U_BITS(8), .U_SIGNED(0), .TERMS(2),
        .AMOUNT_BITS(3), .SHIFT(1),
        .M_BITS(16), .DEPTH(2), .SEED(2)) check_1 (.clk(clk), .done(done[1]),
        .failures(failures[1]));
    strassenc_shift_add_bank_check #(.LANES(3), .U_BITS(12), .U_SIGNED(1), .TERMS(2),
        .AMOUNT_BITS(3), .SHIFT(4),
        .M_BITS(15), .DEPTH(3), .SEED(3)) check_2 (.clk(clk), .done(done[2]),
        .failures(failures[2]));
    strassenc_shift_add_bank_check #(.LANES(5), .U_BITS(18), .U_SIGNED(1), .TERMS(4),
        .AMOUNT_BITS(5), .SHIFT(20),
        .M_BITS(24), .DEPTH(5), .SEED(4)) check_3 (.clk(clk), .done(done[3]),
        .failures(failures[3]));
    strassenc_shift_add_bank_check #(.LANES(8), .U_BITS(5), .U_SIGNED(0), .TERMS(3),
        .AMOUNT_BITS(2), .SHIFT(3),
        .M_BITS(7), .DEPTH(9), .SEED(5)) check_4 (.clk(clk), .done(done[4]),
        .failures(failures[4]));
    // The least operands, coefficients of -1, 0 and 1, and results wider than the product.
    strassenc_shift_add_bank_check #(.LANES(2), .U_BITS(1), .U_SIGNED(1), .TERMS(1),
        .AMOUNT_BITS(0), .SHIFT(0),
        .M_BITS(2), .DEPTH(4), .SEED(6)) check_5 (.clk(clk), .done(done[5]),
        .failures(failures[5]));
    strassenc_shift_add_bank_check #(.LANES(3), .U_BITS(1), .U_SIGNED(0), .TERMS(2),
        .AMOUNT_BITS(1), .SHIFT(1),
        .M_BITS(12), .DEPTH(4), .SEED(7)) check_6 (.clk(clk), .done(done[6]),
        .failures(failures[6]));
    // Shifts as wide as the product and wider: 0, 1 for the half itself, and 0 for -1/2 stay.
    strassenc_shift_add_bank_check #(.LANES(1), .U_BITS(8), .U_SIGNED(1), .TERMS(2),
        .AMOUNT_BITS(3), .SHIFT(15),
        .M_BITS(2), .DEPTH(4), .SEED(8)) check_7 (.clk(clk), .done(done[7]),
        .failures(failures[7]));
    strassenc_shift_add_bank_check #(.LANES(2), .U_BITS(6), .U_SIGNED(1), .TERMS(1),
        .AMOUNT_BITS(2), .SHIFT(14),
        .M_BITS(2), .DEPTH(4), .SEED(9)) check_8 (.clk(clk), .done(done[8]),
        .failures(failures[8]));
    // Copies that wrap, and shifts beyond the bits that are kept.
    strassenc_shift_add_bank_check #(.LANES(2), .U_BITS(16), .U_SIGNED(1), .TERMS(3),
        .AMOUNT_BITS(4), .SHIFT(2),
        .M_BITS(6), .DEPTH(6), .SEED(10)) check_9 (.clk(clk), .done(done[9]),
        .failures(failures[9]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] | failures[5]
                | failures[6] |
                    failures[7] | failures[8] | failures[9]) == 0)
                $display("PASS strassenc_shift_add_bank");
            else begin
                $display("FAIL strassenc_shift_add_bank");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
