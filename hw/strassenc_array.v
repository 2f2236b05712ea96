// strassenc_array: a ternary matrix-vector array: ROWS sums of LANES elements with weights -1, 0
// and +1 each.
//
// Each word accepted meets the ROM word of the running address, 0 to DEPTH - 1 and again from 0;
// SUMS words in a row make one result, or, where SUMS is 0, as many as there are up to the next one
// with s_last, which otherwise means nothing. The addresses of a result are gone through REPEATS
// times before the next ones, so that REPEATS * DEPTH words make a round; where REPEATS is not 1, a
// result ends with the last address.
// The ROM lies outside: rom_data is the word of the rom_address that rom_enable was last high with,
// one clock later, and stands until rom_enable is high again. Weight (row, lane) is
// rom_data[2*(row*LANES+lane) +: 2]: 00 is 0, 01 is +1, 11 is -1. Results are sums modulo 2^U_BITS
// in two's complement, row 0 in the low bits. m_user is the user bit of the first of a result's
// words.
// Latency: 2 + max(1, clog2(LANES)) clocks from the last of a result's words: x, a binary tree of
// adders, the accumulator, which is the output register. Everything moves while m_valid is low or
// m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_array #(
    parameter LANES    = 8,
    parameter X_BITS   = 8,
    parameter X_SIGNED = 1,
    parameter ROWS     = 4,
    parameter SUMS     = 1,
    parameter DEPTH    = 1,
    parameter U_BITS   = 16,
    parameter REPEATS  = 1
) (
    input  wire                                         clk,
    input  wire                                         clken,
    input  wire                                         rst,
    input  wire                                         s_valid,
    output wire                                         s_ready,
    input  wire [LANES*X_BITS-1:0]                      s_data,
    input  wire                                         s_user,
    input  wire                                         s_last,
    output reg                                          m_valid,
    input  wire                                         m_ready,
    output wire [ROWS*U_BITS-1:0]                       m_data,
    output reg                                          m_user,
    output wire                                         rom_enable,
    output wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0]   rom_address,
    input  wire [ROWS*LANES*2-1:0]                      rom_data
);
    localparam        LEVELS       = LANES > 2 ? $clog2(LANES) : 1;
    localparam        ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam        COUNT_BITS   = SUMS > 1 ? $clog2(SUMS) : 1;
    localparam [31:0] LAST_ADDRESS = DEPTH - 1;
    localparam [31:0] LAST_COUNT   = SUMS > 1 ? SUMS - 1 : 0;
    localparam [31:0] LAST_REPEAT  = REPEATS - 1;
    localparam [31:0] ONE          = 1;
    // A sign bit in front of an unsigned operand.
    localparam        OPERAND_BITS = X_SIGNED != 0 ? X_BITS : X_BITS + 1;
    localparam        RESULT_BITS  = OPERAND_BITS + LEVELS < U_BITS
        ? OPERAND_BITS + LEVELS : U_BITS;

    reg  [ADDRESS_BITS-1:0]  address;
    // Bit 0 stands for x, bit n for level n of the adders.
    reg  [LEVELS:0]          valid;
    reg  [LEVELS:0]          user;
    reg  [LANES*X_BITS-1:0]  x;

    wire advance = !m_valid | m_ready;
    wire step    = advance & clken;
    // What leaves the adders is the first word of its sum, and the last one.
    wire first;
    wire last;
    // The addresses of the result at hand come once more, from this one on.
    wire                    again;
    wire [ADDRESS_BITS-1:0] origin;
    wire [ADDRESS_BITS-1:0] next_address =
        address == LAST_ADDRESS[ADDRESS_BITS-1:0]
            ? {ADDRESS_BITS{1'b0}} : address + ONE[ADDRESS_BITS-1:0];

    assign s_ready     = advance;
    assign rom_enable  = s_valid & step;
    assign rom_address = address;

    always @(posedge clk)
        if (rst) begin
            address <= {ADDRESS_BITS{1'b0}};
            valid   <= {(LEVELS+1){1'b0}};
            m_valid <= 1'b0;
        end else if (step) begin
            if (s_valid) address <= again ? origin : next_address;
            valid   <= {valid[LEVELS-1:0], s_valid};
            m_valid <= valid[LEVELS] & last;
        end

    generate
        if (SUMS == 0) begin : told
            // As valid, of the last words.
            reg [LEVELS:0] ends;
            reg            fresh;
            assign first = fresh;
            assign last  = ends[LEVELS];
            always @(posedge clk)
                if (rst) fresh <= 1'b1;
                else if (step & valid[LEVELS]) fresh <= last;
            always @(posedge clk) if (step) ends <= {ends[LEVELS-1:0], s_last};
        end else begin : counted
            // Words in the accumulator that belong to the sum at hand.
            reg [COUNT_BITS-1:0] count;
            assign first = count == {COUNT_BITS{1'b0}};
            assign last  = count == LAST_COUNT[COUNT_BITS-1:0];
            always @(posedge clk)
                if (rst) count <= {COUNT_BITS{1'b0}};
                else if (step & valid[LEVELS])
                    count <= last ? {COUNT_BITS{1'b0}} : count + ONE[COUNT_BITS-1:0];
            wire unused = s_last;
        end

        if (REPEATS == 1) begin : once
            assign again  = 1'b0;
            assign origin = {ADDRESS_BITS{1'b0}};
        end else begin : several
            localparam REPEAT_BITS = $clog2(REPEATS);

            reg  [REPEAT_BITS-1:0] repeated;
            wire                   repeats_end = repeated == LAST_REPEAT[REPEAT_BITS-1:0];
            // The last address of the result at hand.
            wire                   addresses_end;

            assign again = addresses_end & !repeats_end;

            always @(posedge clk)
                if (rst) repeated <= {REPEAT_BITS{1'b0}};
                else if (rom_enable & addresses_end)
                    repeated <= repeats_end ? {REPEAT_BITS{1'b0}} : repeated + ONE[REPEAT_BITS-1:0];

            if (SUMS == 0) begin : marked
                reg [ADDRESS_BITS-1:0] from;
                assign addresses_end = s_last;
                assign origin        = from;
                always @(posedge clk)
                    if (rst) from <= {ADDRESS_BITS{1'b0}};
                    else if (rom_enable & addresses_end & repeats_end) from <= next_address;
            end else if (SUMS == 1) begin : single
                assign addresses_end = 1'b1;
                assign origin        = address;
            end else begin : words
                // As count is, but of the words accepted.
                reg [COUNT_BITS-1:0] accepted;
                assign addresses_end = accepted == LAST_COUNT[COUNT_BITS-1:0];
                assign origin        = address - LAST_COUNT[ADDRESS_BITS-1:0];
                always @(posedge clk)
                    if (rst) accepted <= {COUNT_BITS{1'b0}};
                    else if (rom_enable)
                        accepted <= addresses_end
                            ? {COUNT_BITS{1'b0}} : accepted + ONE[COUNT_BITS-1:0];
            end
        end
    endgenerate

    always @(posedge clk)
        if (step) begin
            x    <= s_data;
            user <= {user[LEVELS-1:0], s_user};
            if (valid[LEVELS] & first) m_user <= user[LEVELS];
        end

    // A node of the tree stands for value, or for -value where negative is high, and for 0 where it
    // is off: so every adder adds or subtracts, and none negates.
    genvar r, l, i;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : row
            for (l = 0; l <= LEVELS; l = l + 1) begin : level
                localparam COUNT = (LANES + (1 << l) - 1) >> l;
                localparam WIDTH = OPERAND_BITS + l < U_BITS ? OPERAND_BITS + l : U_BITS;
                for (i = 0; i < COUNT; i = i + 1) begin : node
                    wire [WIDTH-1:0] value;
                    wire             on;
                    wire             negative;
                    if (l == 0) begin : leaf
                        wire              sign   = X_SIGNED != 0 ? x[i*X_BITS+X_BITS-1] : 1'b0;
                        wire [X_BITS:0]   wide   = {sign, x[i*X_BITS +: X_BITS]};
                        wire [1:0]        weight = rom_data[2*(r*LANES+i) +: 2];
                        // The bits above the operand, or above those of the result.
                        wire              unused = &{1'b0, wide};
                        assign value    = wide[WIDTH-1:0];
                        assign on       = weight[0];
                        assign negative = weight[1];
                    end else begin : inner
                        localparam BELOW_COUNT = (LANES + (1 << (l - 1)) - 1) >> (l - 1);
                        localparam BELOW       = OPERAND_BITS + l - 1 < U_BITS
                            ? OPERAND_BITS + l - 1 : U_BITS;
                        wire [BELOW-1:0] a          = row[r].level[l-1].node[2*i].value;
                        wire             a_on       = row[r].level[l-1].node[2*i].on;
                        wire             a_negative = row[r].level[l-1].node[2*i].negative;
                        wire [BELOW:0]   a_wide     = {a[BELOW-1], a};
                        reg  [WIDTH-1:0] held;
                        reg              held_negative;
                        if (2 * i + 1 < BELOW_COUNT) begin : pair
                            wire [BELOW-1:0] b          = row[r].level[l-1].node[2*i+1].value;
                            wire             b_on       = row[r].level[l-1].node[2*i+1].on;
                            wire             b_negative = row[r].level[l-1].node[2*i+1].negative;
                            wire [BELOW:0]   b_wide     = {b[BELOW-1], b};
                            wire [WIDTH-1:0] sum;
                            wire             unused     = &{1'b0, a_wide, b_wide};
                            strassenc_gated_add #(
                                .BITS(WIDTH)
                            ) adder (
                                .a_on    (a_on),
                                .a       (a_wide[WIDTH-1:0]),
                                .b_on    (b_on),
                                .b       (b_wide[WIDTH-1:0]),
                                .subtract(a_negative ^ b_negative),
                                .y       (sum)
                            );
                            always @(posedge clk) if (step) held <= sum;
                        end else begin : odd
                            wire             unused     = &{1'b0, a_wide};
                            always @(posedge clk)
                                if (step) held <= a_wide[WIDTH-1:0] & {WIDTH{a_on}};
                        end
                        always @(posedge clk) if (step) held_negative <= a_negative;
                        assign value    = held;
                        assign on       = 1'b1;
                        assign negative = held_negative;
                    end
                end
            end

            wire [RESULT_BITS-1:0] result = row[r].level[LEVELS].node[0].value;
            wire [U_BITS:0]        wide   =
                {{(U_BITS-RESULT_BITS+1){result[RESULT_BITS-1]}}, result};
            wire                   unused = &{1'b0, wide};
            reg  [U_BITS-1:0]      total;
            wire [U_BITS-1:0]      sum;
            strassenc_gated_add #(
                .BITS(U_BITS)
            ) adder (
                .a_on    (!first),
                .a       (total),
                .b_on    (row[r].level[LEVELS].node[0].on),
                .b       (wide[U_BITS-1:0]),
                .subtract(row[r].level[LEVELS].node[0].negative),
                .y       (sum)
            );
            always @(posedge clk) if (step & valid[LEVELS]) total <= sum;
            assign m_data[r*U_BITS +: U_BITS] = total;
        end
    endgenerate
endmodule

`default_nettype wire
