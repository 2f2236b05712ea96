// strassenc_fifo: a first-in, first-out queue of exactly DEPTH words, DEPTH >= 1.
//
// A word accepted at one clock is on m_data at the next if it is the only one. Both valid and ready
// come from registers, so no combinational path crosses it; from DEPTH 2 on it moves one word per
// clock.
// Up to AT_ONCE words are in a memory that is read in the clock in which they are seen, so that it
// can be LUT RAM. A larger one is read a clock ahead, so that it can be block RAM: a word that
// becomes the first as it arrives is seen for a clock from a register beside it.
// With PROMISED a word is only offered where there is room, and s_ready is nothing to it.
// Latency: 1 clock. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_fifo #(
    parameter BITS     = 8,
    parameter DEPTH    = 2,
    parameter AT_ONCE  = 64,
    parameter PROMISED = 0
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output reg             s_ready,
    input  wire [BITS-1:0] s_data,
    output reg             m_valid,
    input  wire            m_ready,
    output wire [BITS-1:0] m_data
);
    localparam        COUNT_BITS = $clog2(DEPTH + 1);
    localparam [31:0] LAST       = DEPTH - 1;
    localparam [31:0] ONE        = 1;

    reg  [COUNT_BITS-1:0] count;
    wire                  only_one = count == ONE[COUNT_BITS-1:0];
    wire                  one_free = count == LAST[COUNT_BITS-1:0];
    wire                  accept   = s_valid & (s_ready | PROMISED != 0);
    wire                  take     = m_valid & m_ready;

    always @(posedge clk)
        if (rst) begin
            count   <= {COUNT_BITS{1'b0}};
            s_ready <= 1'b1;
            m_valid <= 1'b0;
        end else if (clken & (accept != take)) begin
            count   <= accept ? count + ONE[COUNT_BITS-1:0] : count - ONE[COUNT_BITS-1:0];
            s_ready <= take | !one_free;
            m_valid <= accept | !only_one;
        end

    generate
        if (DEPTH == 1) begin : single
            reg [BITS-1:0] front;
            always @(posedge clk) if (clken & accept) front <= s_data;
            assign m_data = front;
        end else begin : several
            localparam ADDRESS_BITS = $clog2(DEPTH);

            // A word is never fetched at the edge at which it is written.
            (* no_rw_check *)
            reg  [BITS-1:0]         memory [0:DEPTH-1];
            reg  [ADDRESS_BITS-1:0] write_address;
            reg  [ADDRESS_BITS-1:0] read_address;
            wire [ADDRESS_BITS-1:0] second_address =
                read_address == LAST[ADDRESS_BITS-1:0] ? {ADDRESS_BITS{1'b0}}
                                                       : read_address + ONE[ADDRESS_BITS-1:0];

            always @(posedge clk)
                if (rst) begin
                    write_address <= {ADDRESS_BITS{1'b0}};
                    read_address  <= {ADDRESS_BITS{1'b0}};
                end else if (clken) begin
                    if (accept) begin
                        if (write_address == LAST[ADDRESS_BITS-1:0])
                            write_address <= {ADDRESS_BITS{1'b0}};
                        else write_address <= write_address + ONE[ADDRESS_BITS-1:0];
                    end
                    if (take) read_address <= second_address;
                end

            always @(posedge clk) if (clken & accept) memory[write_address] <= s_data;

            if (DEPTH <= AT_ONCE) begin : now
                assign m_data = memory[read_address];
            end else begin : ahead
                reg [BITS-1:0] fetched;
                reg [BITS-1:0] arrived;
                // The first word arrived at the last edge, too late to be fetched at it.
                reg            fresh;

                always @(posedge clk)
                    if (clken) begin
                        fetched <= memory[take ? second_address : read_address];
                        arrived <= s_data;
                        fresh   <= !m_valid | (take & only_one);
                    end
                assign m_data = fresh ? arrived : fetched;
            end
        end
    endgenerate
endmodule

`default_nettype wire
