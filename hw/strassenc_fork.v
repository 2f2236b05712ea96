// strassenc_fork: hands every word to two takers, each as soon as it is ready.
//
// Nothing is stored but who has had the word at hand; it is taken when both have. Latency: none.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_fork #(
    parameter BITS = 8
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output wire            s_ready,
    input  wire [BITS-1:0] s_data,
    output wire            a_valid,
    input  wire            a_ready,
    output wire [BITS-1:0] a_data,
    output wire            b_valid,
    input  wire            b_ready,
    output wire [BITS-1:0] b_data
);
    // This side has had the word at hand.
    reg a_done;
    reg b_done;

    assign a_valid = s_valid & !a_done;
    assign b_valid = s_valid & !b_done;
    assign a_data  = s_data;
    assign b_data  = s_data;
    assign s_ready = (a_done | a_ready) & (b_done | b_ready);

    always @(posedge clk)
        if (rst) begin
            a_done <= 1'b0;
            b_done <= 1'b0;
        end else if (clken & s_valid) begin
            a_done <= (a_done | a_ready) & !s_ready;
            b_done <= (b_done | b_ready) & !s_ready;
        end
endmodule

`default_nettype wire
