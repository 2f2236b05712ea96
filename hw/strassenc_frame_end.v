// strassenc_frame_end: marks the last of every BEATS words.
//
// Words pass straight through. m_user is the user bit of the frame's first word and low on the
// others. Latency: none.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_frame_end #(
    parameter BITS  = 8,
    parameter BEATS = 2
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output wire            s_ready,
    input  wire [BITS-1:0] s_data,
    input  wire            s_user,
    output wire            m_valid,
    input  wire            m_ready,
    output wire [BITS-1:0] m_data,
    output wire            m_last,
    output wire            m_user
);
    assign s_ready = m_ready;
    assign m_valid = s_valid;
    assign m_data  = s_data;

    generate
        if (BEATS == 1) begin : single
            assign m_last = 1'b1;
            assign m_user = s_user;
            wire unused = &{1'b0, clk, clken, rst};
        end else begin : several
            localparam        COUNT_BITS = $clog2(BEATS);
            localparam [31:0] LAST       = BEATS - 1;
            localparam [31:0] ONE        = 1;

            reg [COUNT_BITS-1:0] count;

            assign m_last = count == LAST[COUNT_BITS-1:0];
            assign m_user = s_user & count == {COUNT_BITS{1'b0}};

            always @(posedge clk)
                if (rst) count <= {COUNT_BITS{1'b0}};
                else if (clken & s_valid & m_ready) begin
                    if (m_last) count <= {COUNT_BITS{1'b0}};
                    else        count <= count + ONE[COUNT_BITS-1:0];
                end
        end
    endgenerate
endmodule

`default_nettype wire
