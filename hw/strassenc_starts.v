// strassenc_starts: whether the step at hand of a recurrent layer is the first one of a sequence.
//
// A step passes with the word for which last is high, at a clock with enable high. With STEPS > 0 a
// sequence is STEPS steps, from reset on. With STEPS = 0 a step starts one where user is high,
// which is asked at its first word, and the first step after reset does. fresh is high in that one.
// Latency: none. Reset touches control only.
`default_nettype none

module strassenc_starts #(
    parameter STEPS = 0
) (
    input  wire clk,
    input  wire rst,
    input  wire enable,
    input  wire last,
    input  wire user,
    output reg  fresh,
    output wire start
);
    always @(posedge clk)
        if (rst)                fresh <= 1'b1;
        else if (enable & last) fresh <= 1'b0;

    generate
        if (STEPS == 0) begin : by_user
            assign start = user | fresh;
        end else if (STEPS == 1) begin : always_so
            assign start = 1'b1;
            wire unused = &{1'b0, user};
        end else begin : by_count
            localparam        COUNT_BITS = $clog2(STEPS);
            localparam [31:0] LAST       = STEPS - 1;
            localparam [31:0] ONE        = 1;

            reg [COUNT_BITS-1:0] count;

            assign start = count == {COUNT_BITS{1'b0}};

            always @(posedge clk)
                if (rst) count <= {COUNT_BITS{1'b0}};
                else if (enable & last)
                    count <= count == LAST[COUNT_BITS-1:0]
                        ? {COUNT_BITS{1'b0}} : count + ONE[COUNT_BITS-1:0];
            wire unused = &{1'b0, user};
        end
    endgenerate
endmodule

`default_nettype wire
