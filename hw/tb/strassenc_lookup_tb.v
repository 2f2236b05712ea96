// Self-checking testbench of strassenc_lookup: indices within and beyond the table, rows of one and
// of several words; clock by clock under random stalls of giver and taker, clken, reset in mid-row.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_lookup_check #(
    parameter INDEX_BITS = 4,
    parameter ROWS       = 10,
    parameter WORDS      = 1,
    parameter BITS       = 8
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam STRIDE       = 1 << $clog2(WORDS);
    localparam DEPTH        = ROWS * STRIDE;
    localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

    reg                     rst;
    reg                     clken;
    reg                     s_valid;
    wire                    s_ready;
    reg  [INDEX_BITS-1:0]   s_data;
    reg                     s_user;
    wire                    m_valid;
    reg                     m_ready;
    wire [BITS-1:0]         m_data;
    wire                    m_user;
    wire                    table_enable;
    wire [ADDRESS_BITS-1:0] table_address;
    reg  [BITS-1:0]         table_data;
    strassenc_lookup #(.INDEX_BITS(INDEX_BITS), .ROWS(ROWS), .WORDS(WORDS), .BITS(BITS)) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user),
        .table_enable(table_enable), .table_address(table_address), .table_data(table_data)
    );
    reg [BITS-1:0] rom [0:DEPTH-1];
    always @(posedge clk) if (table_enable) table_data <= rom[table_address];

    integer        seed = ROWS + 64 * WORDS + 4096 * BITS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer        mode, clocks, taken, word, row, k;
    reg            pending, advance;
    // Whether an index was beyond the table.
    reg            beyond = 1'b0;
    // What the register at m_data stands for.
    reg            valid, user;
    reg [BITS-1:0] data;

    // mode 0: full rate; 1: slow taker; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        for (k = 0; k < DEPTH; k = k + 1) rom[k] = {$random(seed), $random(seed)};
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            s_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            valid = 1'b0;
            pending = 1'b0;
            word = 0;
            taken = 0;
            for (clocks = 0; clocks < 600; clocks = clocks + 1) begin
                if (!pending) begin
                    s_valid = mode < 2 || ($random(seed) & 3) != 0;
                    s_data = $random(seed);
                    s_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 63) == 0;
                advance = !valid || m_ready;
                #1;
                if (s_ready !== (advance && word == WORDS - 1) || m_valid !== valid
                        || (valid && (m_data !== data || m_user !== user))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("ROWS %0d WORDS %0d, mode %0d, clock %0d: %b %b, %h %b, not %h %b",
                                 ROWS, WORDS, mode, clocks, s_ready, m_valid, m_data, m_user, data,
                                 user);
                end
                @(posedge clk);
                pending = s_valid && !(clken && advance && word == WORDS - 1) && !rst;
                if (rst) begin
                    valid = 1'b0;
                    word = 0;
                end else if (clken && advance) begin
                    if (valid) taken = taken + 1;
                    valid = s_valid;
                    if (s_valid) begin
                        row = s_data < ROWS ? s_data : ROWS - 1;
                        beyond = beyond || s_data >= ROWS;
                        data = rom[row * STRIDE + word];
                        user = s_user && word == 0;
                        word = word == WORDS - 1 ? 0 : word + 1;
                    end
                end
                @(negedge clk);
            end
            // One word per clock, the first one a clock late.
            if (mode == 0 ? taken != 599 : taken < 50) begin
                failures = failures + 1;
                $display("ROWS %0d WORDS %0d, mode %0d: %0d words", ROWS, WORDS, mode, taken);
            end
        end
        if (ROWS < (1 << INDEX_BITS) && !beyond) begin
            failures = failures + 1;
            $display("ROWS %0d: no index beyond the table", ROWS);
        end
        done = 1'b1;
    end
endmodule

module strassenc_lookup_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [5:0] done;
    wire [31:0] failures [0:5];
    strassenc_lookup_check #(.INDEX_BITS(4), .ROWS(10), .WORDS(1), .BITS(8))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_lookup_check #(.INDEX_BITS(3), .ROWS(8), .WORDS(4), .BITS(5))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_lookup_check #(.INDEX_BITS(5), .ROWS(17), .WORDS(3), .BITS(12))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_lookup_check #(.INDEX_BITS(2), .ROWS(1), .WORDS(1), .BITS(1))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    strassenc_lookup_check #(.INDEX_BITS(1), .ROWS(1), .WORDS(5), .BITS(40))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_lookup_check #(.INDEX_BITS(1), .ROWS(2), .WORDS(2), .BITS(3))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]
                | failures[5]) == 0)
                $display("PASS strassenc_lookup");
            else begin
                $display("FAIL strassenc_lookup");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
