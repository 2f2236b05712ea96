// strassenc_stream_register: so many words fit; neither side, of one entry only valid, is high in
// reset; no word is lost, doubled, changed or overtaken.
`default_nettype none

module prove_stream_register #(
    parameter ENTRIES = 2
) (
    input  wire clk,
    input  wire clken,
    input  wire free_reset,
    input  wire offer,
    input  wire paint,
    input  wire m_ready,
    output wire bad
);
    wire       rst, s_valid, s_ready, m_valid, taker_bad;
    wire [1:0] s_data, m_data;
    wire [5:0] held;

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    giver giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(3'd0),
        .items(3'd1), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .items(3'd1),
        .data(m_data), .bad(taker_bad)
    );
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, s_valid & s_ready}),
        .leave({2'd0, m_valid & m_ready}), .held(held)
    );
    strassenc_stream_register #(
        .BITS   (2),
        .ENTRIES(ENTRIES)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data)
    );

    // From the first edge with rst high until the first without.
    reg in_reset, known = 1'b0;
    always @(posedge clk) begin
        in_reset <= rst | (in_reset & !clken);
        known    <= 1'b1;
    end

    wire room = ENTRIES == 1 ? held == 6'd0 | m_ready : held < 6'd2;
    assign bad = taker_bad | (known & (in_reset ? (s_ready & ENTRIES != 1) | m_valid
        : s_ready != room | m_valid != (held != 6'd0)));
endmodule

`default_nettype wire
