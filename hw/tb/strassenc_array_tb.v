// Self-checking testbench of strassenc_array: every clock compared with a plain model, under gaps,
// stalls, clken and resets; 1, 2, 3, 5, 8 and 17 lanes, 1 to 4 rows, weights and elements at the
// ends of their ranges; ROM words that are read once, twice and three times; results of as many
// words each, and such of SUMS words and of one more in turn, whose ends are told.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_array_check #(
    parameter LANES    = 8,
    parameter X_BITS   = 8,
    parameter X_SIGNED = 1,
    parameter ROWS     = 4,
    parameter SUMS     = 1,
    parameter DEPTH    = 1,
    parameter U_BITS   = 16,
    parameter SEED     = 1,
    parameter REPEATS  = 1,
    parameter TOLD     = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam IN_BITS      = LANES * X_BITS;
    localparam OUT_BITS     = ROWS * U_BITS;
    localparam ROM_BITS     = ROWS * LANES * 2;
    localparam CLOCKS       = 400;
    localparam LATENCY      = 2
        + (LANES > 4 ? (LANES > 8 ? (LANES > 16 ? 5 : 4) : 3) : LANES > 2 ? 2 : 1);
    // Words of two results.
    localparam PAIR         = 2 * SUMS + (TOLD != 0 ? 1 : 0);

    reg                     rst;
    reg                     clken;
    reg                     s_valid;
    wire                    s_ready;
    reg  [IN_BITS-1:0]      s_data;
    reg                     s_user;
    reg                     s_last;
    wire                    m_valid;
    reg                     m_ready;
    wire [OUT_BITS-1:0]     m_data;
    wire                    m_user;
    wire                    rom_enable;
    wire [ADDRESS_BITS-1:0] rom_address;
    reg  [ROM_BITS-1:0]     rom_data;

    strassenc_array #(
        .LANES   (LANES),
        .X_BITS  (X_BITS),
        .X_SIGNED(X_SIGNED),
        .ROWS    (ROWS),
        .SUMS    (TOLD != 0 ? 0 : SUMS),
        .DEPTH   (DEPTH),
        .U_BITS  (U_BITS),
        .REPEATS (REPEATS)
    ) dut (
        .clk        (clk),
        .clken      (clken),
        .rst        (rst),
        .s_valid    (s_valid),
        .s_ready    (s_ready),
        .s_data     (s_data),
        .s_user     (s_user),
        .s_last     (s_last),
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
    integer                 mode, clocks, i, k, taken;
    reg                     pending, step;
    // What the primitive should be: the results on their way, the last stage at m_data, and the
    // group at hand.
    reg                     stage_valid [0:LATENCY-1];
    reg                     stage_user  [0:LATENCY-1];
    reg [OUT_BITS-1:0]      stage_data  [0:LATENCY-1];
    integer                 position;
    // Words of the result at hand; how often its ROM words have been read; whether it is an odd
    // one; the address that the next word meets, and that of the first one.
    integer                 group, repeated, odd, address, origin;
    // Seeds are nothing to Verilator; high bits are cut off.
    wire unused = &{1'b0, seed, address};
    reg [ROM_BITS-1:0]      entry;
    reg                     group_user;
    reg [OUT_BITS-1:0]      result;
    reg signed [63:0]       sums [0:ROWS-1];
    reg signed [63:0]       operand;
    integer                 row, lane;

    // A word: each element at either end of its range, or anything. The more ends, the more often
    // all of them at one.
    integer                 kind;
    reg [X_BITS-1:0]        drawn;
    task draw(input integer ends);
        begin
            kind = ($random(seed) & 7) + ends;
            for (i = 0; i < LANES; i = i + 1) begin
                case (kind >= 6 ? kind : $random(seed) & 7)
                    6:       drawn = ~({X_BITS{1'b1}} >> 1);
                    7:       drawn = {X_BITS{1'b1}} >> 1;
                    8:       drawn = {X_BITS{1'b1}};
                    default: drawn = {$random(seed), $random(seed)};
                endcase
                s_data[i*X_BITS +: X_BITS] = drawn;
            end
        end
    endtask

    function signed [63:0] number(input [X_BITS-1:0] bits);
        number = X_SIGNED != 0 && bits[X_BITS-1]
            ? $signed({{(64-X_BITS){1'b1}}, bits}) : $signed({{(64-X_BITS){1'b0}}, bits});
    endfunction

    task compute;
        for (row = 0; row < ROWS; row = row + 1) begin
            if (position == 0) sums[row] = 64'sd0;
            for (lane = 0; lane < LANES; lane = lane + 1) begin
                operand = number(s_data[lane*X_BITS +: X_BITS]);
                case (entry[2*(row*LANES+lane) +: 2])
                    2'b00:   ;
                    2'b01:   sums[row] = sums[row] + operand;
                    2'b11:   sums[row] = sums[row] - operand;
                    default: failures = failures + 1;
                endcase
            end
            operand = sums[row];
            result[row*U_BITS +: U_BITS] = operand[U_BITS-1:0];
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
            group = SUMS;
            repeated = 0;
            odd = 0;
            address = 0;
            origin = 0;
        end
    endtask

    // Goes on to the next word.
    task next_word;
        begin
            position = position + 1;
            address = (address + 1) % DEPTH;
            if (position == group) begin
                position = 0;
                repeated = (repeated + 1) % REPEATS;
                if (repeated != 0) address = origin;
                else begin
                    origin = address;
                    odd = TOLD != 0 && !odd && !(REPEATS > 1 && address == 0);
                    group = SUMS + odd;
                end
            end
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
        s_last = 1'b0;
        s_valid = 1'b0;
        m_ready = 1'b0;
        clocks = 0;
        // Rows of -1 only and of +1 only, then anything.
        for (i = 0; i < DEPTH; i = i + 1)
            for (row = 0; row < ROWS; row = row + 1) begin
                kind = $random(seed) & 3;
                for (lane = 0; lane < LANES; lane = lane + 1)
                    case (kind == 0 ? 2 : kind == 1 ? 1 : $random(seed) & 3)
                        1:       rom[i][2*(row*LANES+lane) +: 2] = 2'b01;
                        2, 3:    rom[i][2*(row*LANES+lane) +: 2] = 2'b11;
                        default: rom[i][2*(row*LANES+lane) +: 2] = 2'b00;
                    endcase
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
                // Without a word it means nothing, nor where words are counted.
                s_last = TOLD != 0 && s_valid ? position == group - 1 : $random(seed) & 1;
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
                        stage_valid[0] = position == group - 1;
                        stage_user[0]  = group_user;
                        stage_data[0]  = result;
                        next_word;
                    end
                end
                @(negedge clk);
            end
            // One word per clock.
            if (mode == 0 && TOLD == 0 && taken != (CLOCKS - LATENCY) / SUMS) begin
                failures = failures + 1;
                $display("set %0d, full rate: %0d results in %0d clocks", SEED, taken, CLOCKS);
            end
            if (taken < CLOCKS / (8 * PAIR)) begin
                failures = failures + 1;
                $display("set %0d, mode %0d: only %0d results", SEED, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_array_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [19:0] done;
    wire [31:0] failures [0:19];

    strassenc_array_check #(.LANES(1), .X_BITS(8), .X_SIGNED(1), .ROWS(1), .SUMS(1), .DEPTH(1),
        .U_BITS(9), .SEED(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_array_check #(.LANES(1), .X_BITS(4), .X_SIGNED(0), .ROWS(4), .SUMS(3), .DEPTH(6),
        .U_BITS(7), .SEED(2))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_array_check #(.LANES(2), .X_BITS(8), .X_SIGNED(1), .ROWS(2), .SUMS(4), .DEPTH(4),
        .U_BITS(12), .SEED(3))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_array_check #(.LANES(3), .X_BITS(8), .X_SIGNED(0), .ROWS(3), .SUMS(2), .DEPTH(6),
        .U_BITS(12), .SEED(4))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_array_check #(.LANES(5), .X_BITS(7), .X_SIGNED(1), .ROWS(4), .SUMS(5), .DEPTH(10),
        .U_BITS(13), .SEED(5))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_array_check #(.LANES(8), .X_BITS(8), .X_SIGNED(0), .ROWS(4), .SUMS(1), .DEPTH(7),
        .U_BITS(12), .SEED(6))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_array_check #(.LANES(8), .X_BITS(20), .X_SIGNED(1), .ROWS(2), .SUMS(3), .DEPTH(3),
        .U_BITS(26), .SEED(7))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    // Results modulo 2^U_BITS, in the tree and in the accumulator; a single bit.
    strassenc_array_check #(.LANES(5), .X_BITS(8), .X_SIGNED(1), .ROWS(3), .SUMS(2), .DEPTH(4),
        .U_BITS(6), .SEED(8))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));
    strassenc_array_check #(.LANES(3), .X_BITS(6), .X_SIGNED(0), .ROWS(2), .SUMS(7), .DEPTH(7),
        .U_BITS(8), .SEED(9))
        check_8 (.clk(clk), .done(done[8]), .failures(failures[8]));
    strassenc_array_check #(.LANES(2), .X_BITS(1), .X_SIGNED(1), .ROWS(2), .SUMS(2), .DEPTH(2),
        .U_BITS(1), .SEED(10))
        check_9 (.clk(clk), .done(done[9]), .failures(failures[9]));
    // The ROM need not come round with the sums.
    strassenc_array_check #(.LANES(17), .X_BITS(1), .X_SIGNED(0), .ROWS(3), .SUMS(3), .DEPTH(4),
        .U_BITS(40), .SEED(11))
        check_10 (.clk(clk), .done(done[10]), .failures(failures[10]));
    // The ROM words of a result once more, and twice more: single ones and several, one result's
    // and several.
    strassenc_array_check #(.LANES(3), .X_BITS(5), .X_SIGNED(1), .ROWS(2), .SUMS(1), .DEPTH(1),
        .U_BITS(8), .SEED(12), .REPEATS(2))
        check_11 (.clk(clk), .done(done[11]), .failures(failures[11]));
    strassenc_array_check #(.LANES(4), .X_BITS(8), .X_SIGNED(0), .ROWS(3), .SUMS(1), .DEPTH(5),
        .U_BITS(12), .SEED(13), .REPEATS(3))
        check_12 (.clk(clk), .done(done[12]), .failures(failures[12]));
    strassenc_array_check #(.LANES(2), .X_BITS(8), .X_SIGNED(1), .ROWS(2), .SUMS(3), .DEPTH(3),
        .U_BITS(12), .SEED(14), .REPEATS(2))
        check_13 (.clk(clk), .done(done[13]), .failures(failures[13]));
    strassenc_array_check #(.LANES(5), .X_BITS(4), .X_SIGNED(0), .ROWS(2), .SUMS(2), .DEPTH(8),
        .U_BITS(9), .SEED(15), .REPEATS(3))
        check_14 (.clk(clk), .done(done[14]), .failures(failures[14]));
    strassenc_array_check #(.LANES(1), .X_BITS(7), .X_SIGNED(1), .ROWS(4), .SUMS(4), .DEPTH(12),
        .U_BITS(10), .SEED(16), .REPEATS(2))
        check_15 (.clk(clk), .done(done[15]), .failures(failures[15]));
    strassenc_array_check #(.LANES(9), .X_BITS(3), .X_SIGNED(1), .ROWS(1), .SUMS(5), .DEPTH(10),
        .U_BITS(9), .SEED(17), .REPEATS(3))
        check_16 (.clk(clk), .done(done[16]), .failures(failures[16]));
    // Results whose ends are told: the ROM comes round with them, or does not; once and several
    // times.
    strassenc_array_check #(.LANES(3), .X_BITS(6), .X_SIGNED(1), .ROWS(2), .SUMS(2), .DEPTH(4),
        .U_BITS(10), .SEED(18), .TOLD(1))
        check_17 (.clk(clk), .done(done[17]), .failures(failures[17]));
    strassenc_array_check #(.LANES(2), .X_BITS(8), .X_SIGNED(0), .ROWS(3), .SUMS(1), .DEPTH(3),
        .U_BITS(11), .SEED(19), .REPEATS(3), .TOLD(1))
        check_18 (.clk(clk), .done(done[18]), .failures(failures[18]));
    strassenc_array_check #(.LANES(1), .X_BITS(5), .X_SIGNED(1), .ROWS(2), .SUMS(3), .DEPTH(14),
        .U_BITS(9), .SEED(20), .REPEATS(2), .TOLD(1))
        check_19 (.clk(clk), .done(done[19]), .failures(failures[19]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4] | failures[5]
                | failures[6] |
                    failures[7] | failures[8] | failures[9] | failures[10] | failures[11]
                        | failures[12] | failures[13] |
                    failures[14] | failures[15] | failures[16] | failures[17] | failures[18]
                        | failures[19]) == 0)
                $display("PASS strassenc_array");
            else begin
                $display("FAIL strassenc_array");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
