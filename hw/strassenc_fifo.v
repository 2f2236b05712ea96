// strassenc_fifo: a first-in, first-out queue of exactly DEPTH words, DEPTH >= 1.
//
// A word accepted at one clock is on m_data at the next if it is the only one. Both valid and ready
// depend on the number of words alone, so no combinational path crosses it; from DEPTH 2 on it
// moves one word per clock.
// The first word stands in a register, the second behind it where the read port of the memory or
// s_data put it, so that the memory is read a word ahead and can be a block RAM; it holds the other
// DEPTH - 2.
// Latency: 1 clock. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_fifo #(
    parameter BITS  = 8,
    parameter DEPTH = 2
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output wire            s_ready,
    input  wire [BITS-1:0] s_data,
    output wire            m_valid,
    input  wire            m_ready,
    output wire [BITS-1:0] m_data
);
    localparam        COUNT_BITS = $clog2(DEPTH + 1);
    localparam [31:0] FULL       = DEPTH;
    localparam [31:0] ONE        = 1;

    reg [COUNT_BITS-1:0] count;
    reg [BITS-1:0]       front;

    assign s_ready = count != FULL[COUNT_BITS-1:0];
    assign m_valid = count != {COUNT_BITS{1'b0}};
    assign m_data  = front;

    wire accept = s_valid & s_ready;
    wire take   = m_valid & m_ready;

    always @(posedge clk)
        if (rst) count <= {COUNT_BITS{1'b0}};
        else if (clken & (accept != take)) begin
            if (accept) count <= count + ONE[COUNT_BITS-1:0];
            else        count <= count - ONE[COUNT_BITS-1:0];
        end

    generate
        if (DEPTH == 1) begin : single
            always @(posedge clk) if (clken & accept) front <= s_data;
        end else begin : several
            localparam [31:0] TWO = 2;

            wire            only_one = count == ONE[COUNT_BITS-1:0];
            wire            only_two = count == TWO[COUNT_BITS-1:0];
            // The second word, if there is one.
            wire [BITS-1:0] second;
            // s_data becomes the second word at this edge.
            wire            pass = accept & (take ? only_two : only_one);
            reg  [BITS-1:0] passed;

            always @(posedge clk)
                if (clken & (take | !m_valid)) front <= only_one | !m_valid ? s_data : second;

            if (DEPTH == 2) begin : two
                // Nothing is accepted while there are two.
                always @(posedge clk) if (clken & pass) passed <= s_data;
                assign second = passed;
            end else begin : more
                localparam        WORDS        = DEPTH - 2;
                localparam        ADDRESS_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
                localparam [31:0] LAST         = WORDS - 1;

                reg  [BITS-1:0]         memory [0:WORDS-1];
                reg  [BITS-1:0]         fetched;
                reg  [ADDRESS_BITS-1:0] write_address;
                reg  [ADDRESS_BITS-1:0] read_address;
                reg                     second_passed;

                wire three = m_valid & !only_one & !only_two;
                wire write = accept & !pass & m_valid & !only_one;
                wire read  = take & three;

                assign second = second_passed ? passed : fetched;

                always @(posedge clk) if (clken & write) memory[write_address] <= s_data;
                always @(posedge clk) if (clken & read) fetched <= memory[read_address];
                always @(posedge clk)
                    if (clken) begin
                        if (pass) passed <= s_data;
                        if (pass | read) second_passed <= pass;
                    end

                always @(posedge clk)
                    if (rst) begin
                        write_address <= {ADDRESS_BITS{1'b0}};
                        read_address  <= {ADDRESS_BITS{1'b0}};
                    end else if (clken) begin
                        if (write) begin
                            if (write_address == LAST[ADDRESS_BITS-1:0]) write_address <= {ADDRESS_BITS{1'b0}};
                            else write_address <= write_address + ONE[ADDRESS_BITS-1:0];
                        end
                        if (read) begin
                            if (read_address == LAST[ADDRESS_BITS-1:0]) read_address <= {ADDRESS_BITS{1'b0}};
                            else read_address <= read_address + ONE[ADDRESS_BITS-1:0];
                        end
                    end
            end
        end
    endgenerate
endmodule

`default_nettype wire
