// strassenc_stream_register: a stream register with two entries.
//
// Both valid and ready come from registers, so no combinational path crosses it, and it still moves
// one word per clock.
// Latency: 1 clock. Reset touches control only: from the first edge with rst high until the first
// without, neither valid nor ready is high, as AXI4-Stream asks of a core's ports. clken low
// freezes it.
`default_nettype none

module strassenc_stream_register #(
    parameter BITS = 8
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output reg             s_ready,
    input  wire [BITS-1:0] s_data,
    output wire            m_valid,
    input  wire            m_ready,
    output wire [BITS-1:0] m_data
);
    reg            front_valid;
    reg [BITS-1:0] front;
    reg [BITS-1:0] spare;

    assign m_valid = front_valid;
    assign m_data  = front;

    // The spare fills only while the front stands, and drains as soon as it moves; without a front,
    // ready is low for reset.
    wire spare_valid = front_valid & !s_ready;
    // The front is empty or leaves at this edge.
    wire front_free  = !front_valid | m_ready;
    wire more        = (s_valid & s_ready) | spare_valid;

    always @(posedge clk)
        if (rst) begin
            front_valid <= 1'b0;
            s_ready     <= 1'b0;
        end else if (clken) begin
            if (front_free) front_valid <= more;
            s_ready <= front_free | !more;
        end

    always @(posedge clk)
        if (clken) begin
            if (front_free) front <= spare_valid ? spare : s_data;
            // What it holds does not matter while it is free: whether the front is does not decide.
            if (s_ready) spare <= s_data;
        end
endmodule

`default_nettype wire
