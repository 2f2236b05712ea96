// strassenc_repack: the elements of a frame leave in order in words of another length, none lost,
// doubled or mixed with the next frame's, zeros behind the last one; something can always move.
`default_nettype none

module prove_repack #(
    parameter FROM     = 3,
    parameter TO       = 2,
    parameter ELEMENTS = 5,
    parameter UNIT     = 1
) (
    input  wire       clk,
    input  wire       clken,
    input  wire       free_reset,
    input  wire       offer,
    input  wire       paint,
    input  wire [2:0] place,
    input  wire       m_ready,
    output wire       bad
);
    localparam IN_WORDS  = (ELEMENTS + FROM - 1) / FROM;
    localparam OUT_WORDS = (ELEMENTS + TO - 1) / TO;
    localparam IN_TAIL   = ELEMENTS - (IN_WORDS - 1) * FROM;
    localparam OUT_TAIL  = ELEMENTS - (OUT_WORDS - 1) * TO;

    wire              rst, s_valid, s_ready, m_valid, m_user, taker_bad;
    wire [2*FROM-1:0] s_data;
    wire [2*TO-1:0]   m_data;
    wire [5:0]        held;

    // The words of the frame that came and left; its first has the user bit.
    reg  [2:0] from, to;
    wire       in       = s_valid & s_ready;
    wire       out      = m_valid & m_ready;
    wire       in_last  = from == IN_WORDS - 1;
    wire       out_last = to == OUT_WORDS - 1;
    wire [2:0] in_items  = in_last ? IN_TAIL[2:0] : FROM[2:0];
    wire [2:0] out_items = out_last ? OUT_TAIL[2:0] : TO[2:0];
    always @(posedge clk)
        if (rst) begin
            from <= 3'd0;
            to   <= 3'd0;
        end else if (clken) begin
            if (in) from <= in_last ? 3'd0 : from + 3'd1;
            if (out) to <= out_last ? 3'd0 : to + 3'd1;
        end

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver #(.ITEMS(FROM)) giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(place),
        .items(in_items), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker #(.ITEMS(TO)) taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready),
        .items(out_items), .data(m_data), .bad(taker_bad)
    );
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter(in ? in_items : 3'd0),
        .leave(out ? out_items : 3'd0), .held(held)
    );
    strassenc_repack #(
        .BITS    (2),
        .FROM    (FROM),
        .TO      (TO),
        .ELEMENTS(ELEMENTS),
        .UNIT    (UNIT)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .s_user (from == 3'd0),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    // The bits behind the last element.
    wire [2*TO-1:0] behind = m_data >> (2 * out_items);
    assign bad = taker_bad | (!rst & (m_valid != (held >= out_items) | (!m_valid & !s_ready)
        | (m_valid & (m_user != (to == 3'd0) | behind != {2*TO{1'b0}}))));
endmodule

`default_nettype wire
