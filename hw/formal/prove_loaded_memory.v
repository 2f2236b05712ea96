// strassenc_loaded_memory: loaded by strassenc_reload, two memories and a register behind them in
// the table hold each its own bits of it, once the input is open; other loads may have been broken
// off by reset before.
`default_nettype none

module prove_loaded_memory #(
    parameter BITS  = 2,
    parameter DEPTH = 3,
    parameter REST  = 3
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire asks,
    input  wire [6:0] paints,
    input  wire [3:0] shows,
    output wire bad
);
    // From the lowest bit on: a register, the second memory, of one word, the first one.
    localparam OWN          = BITS * DEPTH;
    localparam ALL          = OWN + BITS + REST;
    localparam WORDS        = (ALL + 31) / 32;
    localparam ADDRESS_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam TO_BITS      = DEPTH > 1 ? $clog2(DEPTH) : 1;

    wire                    rst, hold, loading, read, begins, shift, shifted, full, unread;
    wire             [31:0] loads;
    wire [ADDRESS_BITS-1:0] address;
    // Which bit of the table is set: one, any; and which word is looked at.
    reg               [6:0] red;
    reg               [3:0] shown;
    reg              [31:0] word;
    always @(posedge clk)
        if (rst) begin
            red   <= paints;
            shown <= shows;
        end
    wire [31:0] here = 32'd1 << red[4:0];
    always @(posedge clk) if (clken & read) word <= address == red >> 5 ? here : 32'd0;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_reload #(
        .BITS(ALL)
    ) reload (
        .clk(clk), .clken(clken), .rst(rst), .load(asks & !loading), .between(1'b1),
        .empty(1'b1), .hold(hold), .loading(loading), .loads(loads), .read(read),
        .address(address), .word(word), .begins(begins), .shift(shift), .shifted(shifted)
    );

    wire    [BITS-1:0] first, second;
    wire [TO_BITS-1:0] looks = shown[TO_BITS-1:0];
    strassenc_loaded_memory #(
        .BITS(BITS), .DEPTH(DEPTH)
    ) dut (
        .clk(clk), .begins(begins), .shift(shift & clken), .s(shifted), .enters(1'b1),
        .full(full), .enable(1'b1), .address(looks), .data(first)
    );
    strassenc_loaded_memory #(
        .BITS(BITS), .DEPTH(1)
    ) behind (
        .clk(clk), .begins(begins), .shift(shift & clken), .s(shifted), .enters(full),
        .full(unread), .enable(1'b1), .address(1'b0), .data(second)
    );
    reg [REST-1:0] rest;
    always @(posedge clk) if (shift & clken) rest <= {rest, shifted};

    // Two clocks after the input opened, what is read was written.
    reg [1:0] open;
    always @(posedge clk) open <= {open[0], !rst & !hold} & {2{!rst & !hold}};

    wire [ALL-1:0] table_bits = {{(ALL-1){1'b0}}, 1'b1} << red;
    wire [OWN-1:0] own        = table_bits[ALL-1 -: OWN];
    wire           wrong      = first != own[looks*BITS +: BITS]
        | second != table_bits[REST +: BITS] | rest != table_bits[REST-1:0];
    assign bad = !rst & open[1] & looks < DEPTH & wrong;
endmodule

`default_nettype wire
