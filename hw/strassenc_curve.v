// strassenc_curve: the logistic function or tanh of v, from a table of half of it.
//
// Entry k of the ROM, 0 to 2^(V_BITS - 1) - 1, is the value at k, 0 to 2^FRAC; the last one is also
// that of -2^(V_BITS - 1).
// The value at -k is 2^FRAC - entry k where SIGMOID is 1, else - entry k. v is in two's complement,
// value too.
// The ROM lies outside: rom_data is the word of the rom_address at the last edge with enable high.
// Latency: 3 clocks with enable high: magnitude and sign, the ROM's word, the value.
`default_nettype none

module strassenc_curve #(
    parameter V_BITS  = 8,
    parameter FRAC    = 7,
    parameter SIGMOID = 1
) (
    input  wire              clk,
    input  wire              enable,
    input  wire [V_BITS-1:0] v,
    output reg  [FRAC+1:0]   value,
    output wire [V_BITS-2:0] rom_address,
    input  wire [FRAC:0]     rom_data
);
    localparam [V_BITS-1:0] ONE     = 1;
    localparam [FRAC+1:0]   UNIT    = 1;
    // What the value at a negative v is counted from.
    localparam [FRAC+1:0]   MIRROR  = SIGMOID != 0 ? UNIT << FRAC : {(FRAC+2){1'b0}};

    wire [V_BITS-1:0] absolute = v[V_BITS-1] ? ~v + ONE : v;

    reg [V_BITS-2:0] magnitude;
    reg              negative;
    reg              negative_1;

    assign rom_address = magnitude;

    always @(posedge clk)
        if (enable) begin
            // The least v alone is its own opposite.
            magnitude  <= absolute[V_BITS-1] ? {(V_BITS-1){1'b1}} : absolute[V_BITS-2:0];
            negative   <= v[V_BITS-1];
            negative_1 <= negative;
            value      <= negative_1 ? MIRROR - {1'b0, rom_data} : {1'b0, rom_data};
        end
endmodule

`default_nettype wire
