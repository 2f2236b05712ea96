// strassenc_lookup: the words of the row that each index names leave in order, none lost or
// doubled, the first with the index's user bit, and the index is taken with the read of the last.
`default_nettype none

module prove_lookup #(
    parameter INDEX_BITS = 2,
    parameter ROWS       = 3,
    parameter WORDS      = 3
) (
    input  wire                  clk,
    input  wire                  clken,
    input  wire                  free_reset,
    input  wire                  offer,
    input  wire [INDEX_BITS-1:0] any_index,
    input  wire                  any_user,
    input  wire                  m_ready,
    output wire                  bad
);
    localparam WORD_BITS = $clog2(WORDS);

    wire       rst, s_ready, m_valid, m_user, enable;
    wire [4:0] address, m_data;
    reg  [4:0] fetched;
    always @(posedge clk) if (enable) fetched <= address;

    // What is offered stays until it is taken.
    reg                   waits, waiting_user;
    reg  [INDEX_BITS-1:0] waiting_index;
    wire                  s_valid = waits | offer;
    wire                  s_user  = waits ? waiting_user : any_user;
    wire [INDEX_BITS-1:0] index   = waits ? waiting_index : any_index;
    wire [4:0]            row     = index < ROWS ? index : ROWS - 1;
    always @(posedge clk) begin
        waits         <= !rst & s_valid & !(s_ready & clken);
        waiting_user  <= s_user;
        waiting_index <= index;
    end

    // The word of the row that is read next; the one that was read last.
    reg  [4:0] word, due;
    reg        holds, due_user;
    wire       read = s_valid & (!holds | m_ready);
    wire       last = word == WORDS - 1;
    always @(posedge clk)
        if (rst) begin
            word  <= 5'd0;
            holds <= 1'b0;
        end else if (clken) begin
            holds <= read | (holds & !m_ready);
            if (read) begin
                word     <= last ? 5'd0 : word + 5'd1;
                due      <= (row << WORD_BITS) | word;
                due_user <= s_user & word == 5'd0;
            end
        end

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_lookup #(
        .INDEX_BITS(INDEX_BITS),
        .ROWS      (ROWS),
        .WORDS     (WORDS),
        .BITS      (5)
    ) dut (
        .clk          (clk),
        .clken        (clken),
        .rst          (rst),
        .s_valid      (s_valid),
        .s_ready      (s_ready),
        .s_data       (index),
        .s_user       (s_user),
        .m_valid      (m_valid),
        .m_ready      (m_ready),
        .m_data       (m_data),
        .m_user       (m_user),
        .table_enable (enable),
        .table_address(address),
        .table_data   (fetched)
    );

    assign bad = !rst & (m_valid != holds | (s_valid & s_ready) != (read & last)
        | (holds & (m_data != due | m_user != due_user)));
endmodule

`default_nettype wire
