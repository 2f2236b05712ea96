// strassenc_loaded_memory: the parameters of a folded layer, which are loaded at run time into a
// memory that is read as a ROM is.
//
// After `begins` it takes as many bits of `s` as it holds, one in each clock in which `shift` is
// high, from the clock on in which `enters` is: those that come before are other memories'. The
// highest bit of the last word comes first. It is `full` when it has them all, and takes no more.
//
// A word is read with one clock of latency. What is read while it is loaded has no meaning.
`default_nettype none

module strassenc_loaded_memory #(
    parameter BITS         = 8,
    parameter DEPTH        = 4,
    parameter ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  wire                    clk,
    input  wire                    begins,
    input  wire                    shift,
    input  wire                    s,
    input  wire                    enters,
    output reg                     full,
    input  wire                    enable,
    input  wire [ADDRESS_BITS-1:0] address,
    output reg          [BITS-1:0] data
);
    localparam        COUNT_BITS = BITS > 1 ? $clog2(BITS) : 1;
    localparam [31:0] LAST_BIT   = BITS - 1;
    localparam [31:0] LAST_WORD  = DEPTH - 1;
    localparam [31:0] ONE        = 1;

    reg         [BITS-1:0] memory [0:DEPTH-1];
    reg         [BITS-1:0] word;
    // The bit that comes next, and the word that it is of.
    reg   [COUNT_BITS-1:0] at;
    reg [ADDRESS_BITS-1:0] to;

    wire            takes   = shift & enters & !full;
    wire            is_last = at == {COUNT_BITS{1'b0}};
    wire [BITS:0]   both    = {word, s};
    wire [BITS-1:0] next    = both[BITS-1:0];

    always @(posedge clk)
        if (begins) begin
            full <= 1'b0;
            at   <= LAST_BIT[COUNT_BITS-1:0];
            to   <= LAST_WORD[ADDRESS_BITS-1:0];
        end else if (takes) begin
            at <= is_last ? LAST_BIT[COUNT_BITS-1:0] : at - ONE[COUNT_BITS-1:0];
            if (is_last) begin
                full <= to == {ADDRESS_BITS{1'b0}};
                to   <= to - ONE[ADDRESS_BITS-1:0];
            end
        end

    always @(posedge clk) if (takes) word <= next;
    always @(posedge clk) if (takes & is_last) memory[to] <= next;
    always @(posedge clk) if (enable) data <= memory[address];

    wire unused = &{1'b0, both[BITS]};
endmodule

`default_nettype wire
