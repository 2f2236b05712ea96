// strassenc_lookup: the row of a table that each index names, WORDS words of BITS bits; an index of
// ROWS or more takes the last row.
//
// The ROM lies outside: table_data is the word of the table_address that table_enable was last high
// with, one clock later.
// Row k begins at address k * 2^ceil(log2(WORDS)). The index stays with its giver until the last
// word of its row is read.
// m_user is the index's user bit on the first word and low on the others.
// Latency: 1 clock, one word per clock. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_lookup #(
    parameter INDEX_BITS = 4,
    parameter ROWS       = 10,
    parameter WORDS      = 1,
    parameter BITS       = 8
) (
    input  wire                  clk,
    input  wire                  clken,
    input  wire                  rst,
    input  wire                  s_valid,
    output wire                  s_ready,
    input  wire [INDEX_BITS-1:0] s_data,
    input  wire                  s_user,
    output reg                   m_valid,
    input  wire                  m_ready,
    output wire [BITS-1:0]       m_data,
    output reg                   m_user,
    output wire                  table_enable,
    output wire [((ROWS << $clog2(WORDS)) > 1
        ? $clog2(ROWS << $clog2(WORDS)) : 1)-1:0] table_address,
    input  wire [BITS-1:0]       table_data
);
    localparam        WORD_BITS    = $clog2(WORDS);
    localparam        DEPTH        = ROWS << WORD_BITS;
    localparam        ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam        WIDE_BITS    = INDEX_BITS + WORD_BITS;
    localparam [31:0] LAST_ROW     = ROWS - 1;
    localparam [31:0] LAST_WORD    = WORDS - 1;
    localparam [31:0] ONE          = 1;

    wire advance = !m_valid | m_ready;

    wire [INDEX_BITS-1:0] row;
    wire [WIDE_BITS-1:0]  address;
    wire                  first;
    wire                  last;

    assign s_ready       = advance & last;
    assign m_data        = table_data;
    assign table_enable  = s_valid & advance & clken;
    assign table_address = address[ADDRESS_BITS-1:0];
    // No row is as far as all bits of an index reach.
    wire unused = &{1'b0, address};

    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (clken & advance) m_valid <= s_valid;

    always @(posedge clk) if (clken & advance) m_user <= s_user & first;

    generate
        if (ROWS >> INDEX_BITS != 0) begin : all_rows
            assign row = s_data;
        end else begin : some_rows
            assign row = s_data > LAST_ROW[INDEX_BITS-1:0] ? LAST_ROW[INDEX_BITS-1:0] : s_data;
        end

        if (WORDS == 1) begin : single
            assign address = row;
            assign first   = 1'b1;
            assign last    = 1'b1;
        end else begin : several
            reg [WORD_BITS-1:0] word;
            assign address = {row, word};
            assign first   = word == {WORD_BITS{1'b0}};
            assign last    = word == LAST_WORD[WORD_BITS-1:0];
            always @(posedge clk)
                if (rst) word <= {WORD_BITS{1'b0}};
                else if (table_enable) begin
                    if (last) word <= {WORD_BITS{1'b0}};
                    else      word <= word + ONE[WORD_BITS-1:0];
                end
        end
    endgenerate
endmodule

`default_nettype wire
