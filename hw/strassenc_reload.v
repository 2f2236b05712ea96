// strassenc_reload: loads the parameters of a core from a table, between two frames.
//
// After reset, and when `load` asks for it, it closes the input as soon as no frame is under way
// there (`hold`), waits until the core is `empty`, and shifts BITS bits out of the table into the
// chain of the parameters, the last bit of the last word first, in the clocks in which `shift` is
// high: bit i of the chain is bit i % 32 of word i / 32. Then the input opens again. `loading` is
// high from the clock after reset or `load` on, until then; `loads` counts how often it was done
// since reset. `begins` is high in the clock before the first word is read, and may be so before.
//
// The table has one clock of latency; its words are asked for by `read`. Reset touches control
// only. clken low freezes it, and so has to freeze the chain.
`default_nettype none

module strassenc_reload #(
    parameter BITS         = 32,
    parameter WORDS        = (BITS + 31) / 32,
    parameter ADDRESS_BITS = WORDS > 1 ? $clog2(WORDS) : 1
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire                    rst,
    input  wire                    load,
    input  wire                    between,
    input  wire                    empty,
    output reg                     hold,
    output reg                     loading,
    output reg              [31:0] loads,
    output reg                     read,
    output reg  [ADDRESS_BITS-1:0] address,
    input  wire             [31:0] word,
    output wire                    begins,
    output reg                     shift,
    output wire                    shifted
);
    localparam [31:0] LAST_WORD = WORDS - 1;
    localparam [31:0] LAST_BIT  = (BITS - 1) % 32;
    localparam [31:0] ONE       = 1;

    // The bit of the word that is shifted next.
    reg [4:0] at;

    wire is_low  = at == 5'd0;
    wire is_last = is_low & address == {ADDRESS_BITS{1'b0}};

    assign begins  = hold & empty & !shift & !read;
    assign shifted = word[at];

    always @(posedge clk)
        if (rst) begin
            hold     <= 1'b1;
            loading  <= 1'b1;
            loads    <= 32'd0;
            read <= 1'b0;
            shift    <= 1'b0;
        end else if (clken) begin
            if (load) loading <= 1'b1;
            if (loading & between) hold <= 1'b1;
            // A clock to read each word, then one for each of its bits.
            read <= begins | (shift & is_low & !is_last);
            shift    <= read | (shift & !is_low);
            if (shift & is_last) begin
                hold    <= 1'b0;
                loading <= 1'b0;
                loads   <= loads + ONE;
            end
        end
    always @(posedge clk)
        if (clken) begin
            if (begins) begin
                address    <= LAST_WORD[ADDRESS_BITS-1:0];
                at <= LAST_BIT[4:0];
            end else if (shift) begin
                if (is_low) address <= address - ONE[ADDRESS_BITS-1:0];
                at <= at - 5'd1;
            end
        end
endmodule

`default_nettype wire
