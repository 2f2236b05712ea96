// strassenc_stream_register: a stream register with two entries, or with one.
//
// Both valid and ready come from registers, so no combinational path crosses it, and it still moves
// one word per clock. With one of the ENTRIES, ready follows m_ready in the same clock, which is
// for what comes from a FIFO.
// Latency: 1 clock. Reset touches control only: from the first edge with rst high until the first
// without, neither valid nor, with two entries, ready is high, as AXI4-Stream asks of a core's
// ports. clken low freezes it.
`default_nettype none

module strassenc_stream_register #(
    parameter BITS    = 8,
    parameter ENTRIES = 2
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output wire            s_ready,
    input  wire [BITS-1:0] s_data,
    output wire            m_valid,
    input  wire            m_ready,
    output wire [BITS-1:0] m_data
);
    reg            front_valid;
    reg [BITS-1:0] front;

    assign m_valid = front_valid;
    assign m_data  = front;

    // The front is empty or leaves at this edge.
    wire front_free = !front_valid | m_ready;
    wire more;

    always @(posedge clk)
        if (rst) front_valid <= 1'b0;
        else if (clken & front_free) front_valid <= more;

    generate
        if (ENTRIES == 1) begin : one
            assign s_ready = front_free;
            assign more    = s_valid;
            always @(posedge clk) if (clken & front_free) front <= s_data;
        end else begin : two
            reg            ready;
            reg [BITS-1:0] spare;
            // The spare fills only while the front stands, and drains as soon as it moves; without
            // a front, ready is low for reset.
            wire           spare_valid = front_valid & !ready;

            assign s_ready = ready;
            assign more    = (s_valid & ready) | spare_valid;
            always @(posedge clk)
                if (rst) ready <= 1'b0;
                else if (clken) ready <= front_free | !more;
            always @(posedge clk)
                if (clken) begin
                    if (front_free) front <= spare_valid ? spare : s_data;
                    // What it holds does not matter while it is free: whether the front is does not
                    // decide.
                    if (ready) spare <= s_data;
                end
        end
    endgenerate
endmodule

`default_nettype wire
