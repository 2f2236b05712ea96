// strassenc_control: each write and each read that is taken is answered once and in its turn, an
// answer stays as it is until it is taken, and nothing else is; no write that is refused, and none
// while the table is loading, does anything; as many frames have left as entered where it says so,
// and a frame has left once it has left all outputs, of two either up to 3 frames ahead.
`default_nettype none

module prove_control #(
    parameter OUTPUTS = 1
) (
    input  wire        clk,
    input  wire        clken,
    input  wire        free_reset,
    input  wire  [7:0] awaddr,
    input  wire        offers_address,
    input  wire [31:0] wdata,
    input  wire  [3:0] wstrb,
    input  wire        offers_data,
    input  wire        bready,
    input  wire  [7:0] araddr,
    input  wire        arvalid,
    input  wire        rready,
    input  wire        s_valid,
    input  wire        s_ready,
    input  wire        s_last,
    input  wire  [1:0] m_offered,
    input  wire  [1:0] m_ready,
    input  wire  [1:0] m_last,
    input  wire        frame_error,
    input  wire        loading,
    input  wire [31:0] table_word,
    output wire        bad
);
    wire        rst, awready, wready, bvalid, arready, rvalid;
    wire  [1:0] bresp, rresp;
    wire [31:0] rdata, table_data;
    wire        frame_error_clear, between, empty, load, table_write, table_read;
    wire  [2:0] table_write_address, table_read_address;

    // What is offered stays until it is taken.
    reg  address_waits, data_waits;
    wire awvalid = offers_address | address_waits;
    wire wvalid  = offers_data | data_waits;
    always @(posedge clk) begin
        address_waits <= !rst & awvalid & !(clken & awready);
        data_waits    <= !rst & wvalid & !(clken & wready);
    end

    // Frames that have left each output, modulo 8; neither is more than 3 ahead of the other.
    reg   [2:0] left_0, left_1;
    wire  [2:0] lead    = left_0 - left_1;
    wire  [1:0] m_valid = OUTPUTS == 1 ? m_offered : m_offered & {lead != 3'd5, lead != 3'd3};

    reset reset (.clk(clk), .free(free_reset), .rst(rst));
    strassenc_control #(
        .ADDRESS_BITS(8),
        .FRAME_WORDS (2),
        .OUTPUTS     (OUTPUTS),
        .TABLE_WORDS (5),
        .COUNT_BITS  (2)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .awaddr(awaddr), .awvalid(awvalid), .awready(awready),
        .wdata(wdata), .wstrb(wstrb), .wvalid(wvalid), .wready(wready),
        .bresp(bresp), .bvalid(bvalid), .bready(bready),
        .araddr(araddr), .arvalid(arvalid), .arready(arready),
        .rdata(rdata), .rresp(rresp), .rvalid(rvalid), .rready(rready),
        .s_valid(s_valid), .s_ready(s_ready), .s_last(s_last),
        .m_valid(m_valid[OUTPUTS-1:0]), .m_ready(m_ready[OUTPUTS-1:0]),
            .m_last(m_last[OUTPUTS-1:0]),
        .frame_error(frame_error), .frame_error_clear(frame_error_clear),
        .between(between), .empty(empty), .loading(loading), .loads(32'd0), .load(load),
        .table_write(table_write), .table_write_address(table_write_address),
            .table_data(table_data),
        .table_read(table_read), .table_read_address(table_read_address), .table_word(table_word)
    );

    // What is taken and not answered yet.
    reg         writing, reading;
    // What was answered at the last clock, and stays.
    reg         b_waits, r_waits;
    reg   [1:0] b_was, r_was;
    reg  [31:0] r_word;
    // Frames: the first beat was taken; the frame is too long; those that have entered, modulo 4.
    reg         second, late;
    reg   [1:0] entered;

    wire takes_write = clken & awvalid & awready;
    wire takes_read  = clken & arvalid & arready;
    wire accept      = clken & s_valid & s_ready;
    wire enters      = accept & s_last & second & !late;
    wire [1:0] leaves  = {2{clken}} & m_valid & m_ready & m_last;
    wire [2:0] left    = lead[2] ? left_0 : left_1;

    always @(posedge clk) begin
        writing   <= !rst & (takes_write | (writing & !(clken & bvalid & bready)));
        reading   <= !rst & (takes_read | (reading & !(clken & rvalid & rready)));
        b_waits   <= !rst & bvalid & !(clken & bready);
        r_waits   <= !rst & rvalid & !(clken & rready);
        b_was     <= bresp;
        r_was     <= rresp;
        r_word    <= rdata;
        second    <= !rst & (accept ? !s_last & !second : second);
        late      <= !rst & (accept ? !s_last & (late | second) : late);
        entered   <= rst ? 2'd0 : entered + {1'b0, enters};
        left_0    <= rst ? 3'd0 : left_0 + {2'd0, leaves[0]};
        left_1    <= rst ? 3'd0 : left_1 + {2'd0, leaves[OUTPUTS-1]};
    end

    wire bad_write = (takes_write != (clken & wvalid & wready)) | (takes_write & writing)
        | (bvalid & !writing) | (b_waits & (!bvalid | bresp != b_was));
    wire bad_read  = (takes_read & reading) | (rvalid & !reading)
        | (r_waits & (!rvalid | rresp != r_was | rdata != r_word));
    wire bad_table = (table_write & (!takes_write | loading | !(&wstrb) | !awaddr[7]
        | awaddr[6:2] > 5'd4
            | table_write_address != awaddr[4:2] | table_data != wdata))
        | (table_read & (loading | !araddr[7]));
    wire bad_count = empty != (entered == left[1:0]);
    assign bad = !rst & (bad_write | bad_read | bad_table | bad_count);
endmodule

`default_nettype wire
