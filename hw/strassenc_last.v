// strassenc_last: the last of every PIXELS pixels, of WORDS words each; the others are dropped.
//
// m_user is the user bit of the frame's first word on the first word that leaves, and low on the
// others. Latency: none. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_last #(
    parameter BITS   = 8,
    parameter PIXELS = 2,
    parameter WORDS  = 1
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
    output wire            m_user
);
    localparam        COUNT      = PIXELS * WORDS;
    localparam        COUNT_BITS = COUNT > 1 ? $clog2(COUNT) : 1;
    localparam [31:0] LAST       = COUNT - 1;
    localparam [31:0] SHOWN      = COUNT - WORDS;
    localparam [31:0] ONE        = 1;

    reg [COUNT_BITS-1:0] count;
    // The user bit of the frame's first word.
    reg                  user;

    wire first   = count == {COUNT_BITS{1'b0}};
    wire accepts = s_valid & s_ready & clken;
    wire shown;
    generate
        if (PIXELS == 1) begin : all
            assign shown = 1'b1;
        end else begin : some
            assign shown = count >= SHOWN[COUNT_BITS-1:0];
        end
    endgenerate

    assign s_ready = m_ready | !shown;
    assign m_valid = s_valid & shown;
    assign m_data  = s_data;
    assign m_user  = (first ? s_user : user) & count == SHOWN[COUNT_BITS-1:0];

    always @(posedge clk)
        if (rst) count <= {COUNT_BITS{1'b0}};
        else if (accepts)
            count <= count == LAST[COUNT_BITS-1:0]
                ? {COUNT_BITS{1'b0}} : count + ONE[COUNT_BITS-1:0];

    always @(posedge clk) if (accepts & first) user <= s_user;
endmodule

`default_nettype wire
