// strassenc_serialiser: hands a vector of BITS bits out in beats, the low bits first, and zeros
// beyond the last one.
//
// The vector stays with its giver until the last beat is taken, so nothing is stored here but the
// number of the beat; put a strassenc_stream_register behind. m_user is the vector's user bit on
// beat 0 and low on the others.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_serialiser #(
    parameter BEAT_BITS = 8,
    parameter BEATS     = 2,
    parameter BITS      = BEATS * BEAT_BITS
) (
    input  wire                       clk,
    input  wire                       clken,
    input  wire                       rst,
    input  wire                       s_valid,
    output wire                       s_ready,
    input  wire [BITS-1:0]            s_data,
    input  wire                       s_user,
    output wire                       m_valid,
    input  wire                       m_ready,
    output wire [BEAT_BITS-1:0]       m_data,
    output wire                       m_last,
    output wire                       m_user
);
    wire [BEATS*BEAT_BITS-1:0] beats;

    generate
        if (BITS < BEATS * BEAT_BITS) begin : padded
            assign beats = {{(BEATS * BEAT_BITS - BITS){1'b0}}, s_data};
        end else begin : whole
            assign beats = s_data;
        end
        if (BEATS == 1) begin : single
            assign s_ready = m_ready;
            assign m_valid = s_valid;
            assign m_data  = beats;
            assign m_last  = 1'b1;
            assign m_user  = s_user;
            wire unused = &{1'b0, clk, clken, rst};
        end else begin : several
            localparam        COUNT_BITS = $clog2(BEATS);
            localparam [31:0] LAST       = BEATS - 1;
            localparam [31:0] ONE        = 1;

            reg  [COUNT_BITS-1:0] count;
            reg  [BEAT_BITS-1:0]  beat;
            integer               i;

            always @* begin
                beat = beats[BEAT_BITS-1:0];
                for (i = 1; i < BEATS; i = i + 1)
                    if (count == i[COUNT_BITS-1:0]) beat = beats[i*BEAT_BITS +: BEAT_BITS];
            end

            assign m_last  = count == LAST[COUNT_BITS-1:0];
            assign s_ready = m_ready & m_last;
            assign m_valid = s_valid;
            assign m_data  = beat;
            assign m_user  = s_user & count == {COUNT_BITS{1'b0}};

            always @(posedge clk)
                if (rst) count <= {COUNT_BITS{1'b0}};
                else if (clken & m_valid & m_ready) begin
                    if (m_last) count <= {COUNT_BITS{1'b0}};
                    else        count <= count + ONE[COUNT_BITS-1:0];
                end
        end
    endgenerate
endmodule

`default_nettype wire
