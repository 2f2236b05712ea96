// Registers read as wires, whatever their enable: a pipeline as the function it delays.
(* techmap_celltype = "$dff $dffe" *)
module register_as_wire (CLK, EN, D, Q);
    parameter WIDTH = 1;
    parameter CLK_POLARITY = 1;
    parameter EN_POLARITY = 1;
    input CLK, EN;
    input [WIDTH-1:0] D;
    output [WIDTH-1:0] Q;
    assign Q = D;
endmodule
