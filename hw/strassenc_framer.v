// strassenc_framer: makes every frame exactly BEATS words.
//
// A frame of BEATS words passes straight through. One whose s_last comes early is completed with
// words of zeros; one that goes on after BEATS words is cut off, and everything is dropped up to
// and including the next word with s_last. Either raises frame_error, at the next clock, until
// frame_error_clear or reset; an error in the clock of a clear wins. With BY_COUNT s_last is not
// read: every BEATS words are a frame, and there is no error. m_user is the user bit of the frame's
// first word and low on the others.
// Latency: none. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_framer #(
    parameter BITS     = 8,
    parameter BEATS    = 2,
    parameter BY_COUNT = 0
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output wire            s_ready,
    input  wire [BITS-1:0] s_data,
    input  wire            s_last,
    input  wire            s_user,
    output wire            m_valid,
    input  wire            m_ready,
    output wire [BITS-1:0] m_data,
    output wire            m_user,
    input  wire            frame_error_clear,
    output reg             frame_error
);
    localparam        COUNT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
    localparam [31:0] LAST       = BEATS - 1;
    localparam [31:0] ONE        = 1;

    reg [COUNT_BITS-1:0] count;
    // The frame at hand was too short: zeros complete it.
    reg                  filling;
    // The frame at hand is too long: drop the rest.
    reg                  dropping;

    wire at_last = count == LAST[COUNT_BITS-1:0];
    wire last    = BY_COUNT != 0 ? at_last : s_last;
    wire move    = m_valid & m_ready;

    assign m_valid = (s_valid | filling) & !dropping;
    assign s_ready = (m_ready & !filling) | dropping;
    assign m_data  = filling ? {BITS{1'b0}} : s_data;
    assign m_user  = s_user & count == {COUNT_BITS{1'b0}};

    always @(posedge clk)
        if (rst) begin
            count       <= {COUNT_BITS{1'b0}};
            filling     <= 1'b0;
            dropping    <= 1'b0;
            frame_error <= 1'b0;
        end else if (clken) begin
            if (dropping) begin
                if (s_valid & last) dropping <= 1'b0;
            end else if (move) begin
                if (at_last) count <= {COUNT_BITS{1'b0}};
                else         count <= count + ONE[COUNT_BITS-1:0];
                filling  <= (filling | last) & !at_last;
                dropping <= !filling & !last & at_last;
            end
            if (move & !filling & (last != at_last)) frame_error <= 1'b1;
            else if (frame_error_clear)              frame_error <= 1'b0;
        end
endmodule

`default_nettype wire
