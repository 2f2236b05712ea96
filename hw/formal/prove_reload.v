// strassenc_reload: nothing moves but while the input is closed, between two frames, and the core
// is empty; each bit of the table is shifted once, the last one first; then the input opens.
`default_nettype none

module prove_reload #(
    parameter BITS = 34
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire asks,
    input  wire offers,
    input  wire last,
    input  wire leaves,
    input  wire [6:0] paints,
    output wire bad
);
    localparam WORDS        = (BITS + 31) / 32;
    localparam ADDRESS_BITS = WORDS > 1 ? $clog2(WORDS) : 1;

    wire                    rst, hold, loading, read, begins, shift, shifted;
    wire             [31:0] loads;
    wire [ADDRESS_BITS-1:0] address;
    // Which bits of the table are set: one, any.
    reg               [6:0] red;
    reg              [31:0] word;
    always @(posedge clk) if (rst) red <= paints;
    wire [31:0] here = 32'd1 << red[4:0];
    always @(posedge clk) if (clken & read) word <= address == red >> 5 ? here : 32'd0;

    // Frames that are under way, and whether one enters.
    reg       begun;
    reg [2:0] under_way;
    wire      accept  = offers & !hold & under_way != 3'd7;
    wire      between = accept ? last : !begun;
    wire      out     = leaves & under_way != 3'd0;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_reload #(
        .BITS(BITS)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst), .load(asks & !loading), .between(between),
        .empty(under_way == 3'd0), .hold(hold), .loading(loading), .loads(loads), .read(read),
        .address(address), .word(word), .begins(begins), .shift(shift), .shifted(shifted)
    );

    // Bits that were shifted since the input was closed.
    reg [6:0] moved;
    reg       was_held;
    always @(posedge clk) begin
        if (rst) begin
            begun    <= 1'b0;
            under_way <= 3'd0;
        end else if (clken) begin
            begun    <= accept ? !last : begun;
            under_way <= under_way + {2'd0, accept & last} - {2'd0, out};
        end
        if (rst | !hold) moved <= 7'd0;
        else if (clken & shift) moved <= moved + 7'd1;
        was_held <= !rst & hold;
    end

    wire bad_shift = shift & (!hold | !loading | begun | under_way != 3'd0 | moved >= BITS
        | shifted != (red == BITS - 1 - moved));
    // One clock after the last bit.
    wire bad_open  = was_held & !hold & moved != BITS;
    assign bad = !rst & (bad_shift | bad_open | (hold & !loading) | (begins & moved != 7'd0));
endmodule

`default_nettype wire
