// strassenc_parameter: a parameter of a core that is loaded at run time, bit by bit.
//
// While `shift` is high its bits move up, and one of the bit before it in the chain enters; else it
// holds its value.
`default_nettype none

module strassenc_parameter #(
    parameter BITS = 8
) (
    input  wire            clk,
    input  wire            shift,
    input  wire            s,
    output wire            m,
    output reg  [BITS-1:0] value
);
    assign m = value[BITS-1];

    generate
        if (BITS == 1) begin : one
            always @(posedge clk) if (shift) value <= s;
        end else begin : several
            always @(posedge clk) if (shift) value <= {value[BITS-2:0], s};
        end
    endgenerate
endmodule

`default_nettype wire
