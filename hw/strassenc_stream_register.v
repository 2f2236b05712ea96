// strassenc_stream_register: a stream register with two entries.
//
// Both valid and ready come from registers, so no combinational path crosses it, and it still moves one word per clock.
// Latency: 1 clock. Reset clears the valid bits only. clken low freezes it.
`default_nettype none

module strassenc_stream_register #(
    parameter BITS = 8
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
    reg            spare_valid;
    reg [BITS-1:0] front;
    reg [BITS-1:0] spare;

    assign s_ready = !spare_valid;
    assign m_valid = front_valid;
    assign m_data  = front;

    // The front is empty or leaves at this edge.
    wire front_free = !front_valid | m_ready;

    always @(posedge clk)
        if (rst) begin
            front_valid <= 1'b0;
            spare_valid <= 1'b0;
        end else if (clken) begin
            if (front_free) front_valid <= s_valid | spare_valid;
            // The spare fills only while the front stands, and drains as soon as it moves.
            spare_valid <= (s_valid | spare_valid) & !front_free;
        end

    always @(posedge clk)
        if (clken) begin
            if (front_free) front <= spare_valid ? spare : s_data;
            if (!front_free & !spare_valid) spare <= s_data;
        end
endmodule

`default_nettype wire
