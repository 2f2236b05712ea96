// strassenc_widen: makes one word of WORDS words.
//
// The last word passes straight through beside the WORDS - 1 stored ones. Word 0 lies in the low
// bits. m_user is the user bit of word 0; that of the others is not read. Latency: none, from the
// last of the words.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_widen #(
    parameter BITS  = 8,
    parameter WORDS = 2
) (
    input  wire                  clk,
    input  wire                  clken,
    input  wire                  rst,
    input  wire                  s_valid,
    output wire                  s_ready,
    input  wire [BITS-1:0]       s_data,
    input  wire                  s_user,
    output wire                  m_valid,
    input  wire                  m_ready,
    output wire [WORDS*BITS-1:0] m_data,
    output wire                  m_user
);
    generate
        if (WORDS == 1) begin : single
            assign s_ready = m_ready;
            assign m_valid = s_valid;
            assign m_data  = s_data;
            assign m_user  = s_user;
            wire unused = &{1'b0, clk, clken, rst};
        end else begin : several
            localparam        COUNT_BITS = $clog2(WORDS);
            localparam [31:0] LAST       = WORDS - 1;
            localparam [31:0] ONE        = 1;

            reg [COUNT_BITS-1:0]     count;
            // A shift register: after WORDS - 1 words the first one lies at the bottom.
            reg [(WORDS-1)*BITS-1:0] stored;
            reg                      user;

            wire at_last = count == LAST[COUNT_BITS-1:0];
            wire accept  = s_valid & s_ready;

            assign s_ready = m_ready | !at_last;
            assign m_valid = s_valid & at_last;
            assign m_data  = {s_data, stored};
            assign m_user  = user;

            always @(posedge clk)
                if (rst) count <= {COUNT_BITS{1'b0}};
                else if (clken & accept) begin
                    if (at_last) count <= {COUNT_BITS{1'b0}};
                    else         count <= count + ONE[COUNT_BITS-1:0];
                end

            if (WORDS == 2) begin : two
                always @(posedge clk) if (clken & accept) stored <= s_data;
            end else begin : more
                always @(posedge clk)
                    if (clken & accept) stored <= {s_data, stored[(WORDS-1)*BITS-1:BITS]};
            end
            always @(posedge clk) if (clken & accept & count == {COUNT_BITS{1'b0}}) user <= s_user;
        end
    endgenerate
endmodule

`default_nettype wire
