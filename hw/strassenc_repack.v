// strassenc_repack: packs a frame of ELEMENTS elements anew, from words of FROM elements to words
// of TO.
//
// Element 0 of a word lies in its low bits. What the last word of a frame that enters holds beyond
// the frame's elements is dropped; what the last one that leaves holds beyond them is zero.
// Everything moves by units of UNIT elements, which divides FROM, TO and ELEMENTS: the greater it
// is, the less logic there is. A frame enters while the one before leaves, but not before that
// one's last word does. m_user is the user bit of the frame's first word and low on the others.
// Latency: 1 clock from the word with the last of an output word's elements; FROM or TO elements
// per clock, the fewer of them. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_repack #(
    parameter BITS     = 8,
    parameter FROM     = 2,
    parameter TO       = 3,
    parameter ELEMENTS = 12,
    parameter UNIT     = 1
) (
    input  wire                 clk,
    input  wire                 clken,
    input  wire                 rst,
    input  wire                 s_valid,
    output wire                 s_ready,
    input  wire [FROM*BITS-1:0] s_data,
    input  wire                 s_user,
    output wire                 m_valid,
    input  wire                 m_ready,
    output wire [TO*BITS-1:0]   m_data,
    output wire                 m_user
);
    localparam        WORDS      = (ELEMENTS + FROM - 1) / FROM;
    localparam        TAIL       = ELEMENTS - (WORDS - 1) * FROM;
    localparam        UNIT_BITS  = UNIT * BITS;
    // One unit too few for a word that leaves, and a word that enters.
    localparam        CAPACITY   = (TO + FROM) / UNIT - 1;
    localparam        STORE_BITS = CAPACITY * UNIT_BITS;
    localparam        ABOVE_BITS = STORE_BITS - FROM * BITS;
    localparam        COUNT_BITS = $clog2(CAPACITY + 1);
    localparam        WORD_BITS  = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam [31:0] FROM_UNITS = FROM / UNIT;
    localparam [31:0] TO_UNITS   = TO / UNIT;
    localparam [31:0] TAIL_UNITS = TAIL / UNIT;
    localparam [31:0] LAST       = WORDS - 1;
    localparam [31:0] ONE        = 1;
    // What the last word of a frame holds of it.
    localparam [FROM*BITS-1:0] OF_TAIL = {FROM*BITS{1'b1}} >> ((FROM - TAIL) * BITS);

    // The elements that wait, the first one in the low bits, zeros above them; how many units they
    // are; the number of the word that enters next; whether the elements are the last ones of their
    // frame; the user bit of the word that leaves next.
    reg [STORE_BITS-1:0] store;
    reg [COUNT_BITS-1:0]         count;
    reg [WORD_BITS-1:0]          word;
    reg                          ended;
    reg                          user;

    wire                  at_last   = word == LAST[WORD_BITS-1:0];
    wire                  full      = count >= TO_UNITS[COUNT_BITS-1:0];
    // Units that stay once a word has left.
    wire [COUNT_BITS-1:0] left      = full ? count - TO_UNITS[COUNT_BITS-1:0] : {COUNT_BITS{1'b0}};
    // The word at hand is the last one of its frame.
    wire                  finishing = ended & left == {COUNT_BITS{1'b0}};
    wire                  leave     = m_valid & m_ready;
    wire                  accept    = s_valid & s_ready;
    wire [COUNT_BITS-1:0] place     = leave ? left : count;
    wire [COUNT_BITS-1:0] more      = at_last
        ? TAIL_UNITS[COUNT_BITS-1:0] : FROM_UNITS[COUNT_BITS-1:0];

    assign m_valid = full | ended;
    assign m_data  = store[TO*BITS-1:0];
    assign m_user  = user;
    assign s_ready = ended
        ? finishing & m_ready : !full | (m_ready & left < TO_UNITS[COUNT_BITS-1:0]);

    always @(posedge clk)
        if (rst) begin
            count <= {COUNT_BITS{1'b0}};
            word  <= {WORD_BITS{1'b0}};
            ended <= 1'b0;
        end else if (clken) begin
            count <= accept ? place + more : place;
            if (accept) begin
                word  <= at_last ? {WORD_BITS{1'b0}} : word + ONE[WORD_BITS-1:0];
                ended <= at_last;
            end else if (leave & finishing) ended <= 1'b0;
        end

    // The word that enters, moved to its place.
    wire [FROM*BITS-1:0]  enters = at_last ? s_data & OF_TAIL : s_data;
    wire [STORE_BITS-1:0] wide;
    generate
        if (ABOVE_BITS == 0) begin : single
            assign wide = enters;
        end else begin : several
            assign wide = {{ABOVE_BITS{1'b0}}, enters};
        end
    endgenerate
    reg [STORE_BITS-1:0] placed;
    integer              i;
    always @* begin
        placed = wide;
        for (i = 1; i < TO / UNIT; i = i + 1)
            if (place == i[COUNT_BITS-1:0]) placed = wide << (i * UNIT_BITS);
    end

    // What stays; an empty store may hold anything, as it does before the first frame.
    wire [STORE_BITS-1:0] rest = count == {COUNT_BITS{1'b0}}
        ? {STORE_BITS{1'b0}} : leave ? store >> (TO * BITS) : store;

    always @(posedge clk)
        if (clken) begin
            store <= accept ? rest | placed : rest;
            if (accept & word == {WORD_BITS{1'b0}}) user <= s_user;
            else if (leave)                         user <= 1'b0;
        end
endmodule

`default_nettype wire
