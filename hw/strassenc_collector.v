// strassenc_collector: gathers the beats of a frame into one vector.
//
// The last beat passes straight through beside the BEATS - 1 stored ones, so a vector costs no
// clock of its own; put a strassenc_stream_register in front. Beat 0 lies in the low bits; what is
// beyond the first BITS bits is dropped. m_user is the user bit of beat 0.
// A frame whose s_last comes early or late is dropped and raises frame_error, which stays high
// until frame_error_clear or reset; an error in the clock of a clear wins. After a late s_last
// everything is dropped up to and including the next beat with s_last. With BY_COUNT s_last is not
// read: every BEATS beats are a frame, and there is no error. Reset touches control only. clken low
// freezes it.
`default_nettype none

module strassenc_collector #(
    parameter BEAT_BITS = 8,
    parameter BEATS     = 2,
    parameter BY_COUNT  = 0,
    parameter BITS      = BEATS * BEAT_BITS
) (
    input  wire                       clk,
    input  wire                       clken,
    input  wire                       rst,
    input  wire                       s_valid,
    output wire                       s_ready,
    input  wire [BEAT_BITS-1:0]       s_data,
    input  wire                       s_last,
    input  wire                       s_user,
    output wire                       m_valid,
    input  wire                       m_ready,
    output wire [BITS-1:0]            m_data,
    output wire                       m_user,
    input  wire                       frame_error_clear,
    output reg                        frame_error
);
    localparam        COUNT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;
    localparam [31:0] LAST       = BEATS - 1;
    localparam [31:0] ONE        = 1;

    reg  [COUNT_BITS-1:0] count;
    // The frame at hand is too long: drop it.
    reg                   dropping;

    wire at_last  = count == LAST[COUNT_BITS-1:0];
    wire last     = BY_COUNT != 0 ? at_last : s_last;
    wire complete = at_last & last & !dropping;
    wire accept   = s_valid & s_ready;

    assign m_valid = s_valid & complete;
    // Where a whole frame would wait, one that is dropped does too, so that neither s_last nor what
    // came before it decides.
    assign s_ready = m_ready | !at_last;

    always @(posedge clk)
        if (rst) begin
            count       <= {COUNT_BITS{1'b0}};
            dropping    <= 1'b0;
            frame_error <= 1'b0;
        end else if (clken) begin
            if (accept) begin
                if (last | at_last) count <= {COUNT_BITS{1'b0}};
                else                count <= count + ONE[COUNT_BITS-1:0];
                dropping <= !last & (dropping | at_last);
            end
            if (accept & !dropping & (last != at_last)) frame_error <= 1'b1;
            else if (frame_error_clear)                 frame_error <= 1'b0;
        end

    wire [BEATS*BEAT_BITS-1:0] beats;
    assign m_data = beats[BITS-1:0];

    generate
        if (BITS < BEATS * BEAT_BITS) begin : padded
            wire unused = &{1'b0, beats[BEATS*BEAT_BITS-1:BITS]};
        end
        if (BEATS == 1) begin : single
            assign beats  = s_data;
            assign m_user = s_user;
        end else begin : several
            // A shift register: after BEATS - 1 beats the first one lies at the bottom.
            reg [(BEATS-1)*BEAT_BITS-1:0] stored;
            reg                           user;
            if (BEATS == 2) begin : two
                always @(posedge clk) if (clken & accept) stored <= s_data;
            end else begin : more
                always @(posedge clk)
                    if (clken & accept) stored <= {s_data, stored[(BEATS-1)*BEAT_BITS-1:BEAT_BITS]};
            end
            always @(posedge clk) if (clken & accept & count == {COUNT_BITS{1'b0}}) user <= s_user;
            assign beats  = {s_data, stored};
            assign m_user = user;
        end
    endgenerate
endmodule

`default_nettype wire
