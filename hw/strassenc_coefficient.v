// strassenc_coefficient: holds a coefficient in a register of its own.
//
// Synthesis must not see through it: a multiplication by a plain constant may fold away, and the
// budget of a network is counted in multipliers. The value is loaded at every clock, so no initial
// value is needed.
`default_nettype none

(* keep_hierarchy = "yes", dont_touch = "yes" *)
module strassenc_coefficient #(
    parameter BITS = 8
) (
    input  wire            clk,
    input  wire [BITS-1:0] value,
    output wire [BITS-1:0] coefficient
);
    (* keep = "true", dont_touch = "true", preserve, syn_preserve = 1 *)
    reg [BITS-1:0] held;

    always @(posedge clk) held <= value;

    assign coefficient = held;
endmodule

`default_nettype wire
