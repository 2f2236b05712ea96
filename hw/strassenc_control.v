// strassenc_control: the registers of a core, an AXI4-Lite slave of 32 bits.
//
// It counts the frames that enter and leave, and says what the core is. A write is taken where
// address and data are there and no answer waits; a read where no answer waits. A write of less
// than 32 bits, one to what can only be read, and any access to what is not there are answered with
// SLVERR and change nothing.
//
// FRAME_WORDS beats are an input frame. It ends with s_last, or, with BY_COUNT, by their number;
// one that ends early or late counts only with WHOLE_FRAMES, since others are dropped. Outside a
// frame `between` is high, beside the last beat of one too. A core has OUTPUTS outputs, and a frame
// leaves with its last beat on the last of them; `empty` says that as many frames have left as
// entered.
//
// With TABLE_WORDS, the upper half of the addresses is a table, which `load` has loaded: it is
// written and read through `table_*`, data one clock behind `table_read`, while `loading` is low,
// which rises in the second clock after `load`. Otherwise the ports of the table have no meaning.
//
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_control #(
    parameter         ADDRESS_BITS = 7,
    parameter         FRAME_WORDS  = 1,
    parameter         OUTPUTS      = 1,
    parameter         BY_COUNT     = 0,
    parameter         WHOLE_FRAMES = 0,
    parameter [31:0]  VERSION      = 0,
    parameter [255:0] MODEL        = 0,
    parameter         TABLE_WORDS  = 0,
    parameter         TABLE_BITS   = TABLE_WORDS > 1 ? $clog2(TABLE_WORDS) : 1,
    // Fewer are for proofs.
    parameter         COUNT_BITS   = 32
) (
    input  wire                    clk,
    input  wire                    clken,
    input  wire                    rst,
    input  wire [ADDRESS_BITS-1:0] awaddr,
    input  wire                    awvalid,
    output wire                    awready,
    input  wire             [31:0] wdata,
    input  wire              [3:0] wstrb,
    input  wire                    wvalid,
    output wire                    wready,
    output reg               [1:0] bresp,
    output reg                     bvalid,
    input  wire                    bready,
    input  wire [ADDRESS_BITS-1:0] araddr,
    input  wire                    arvalid,
    output wire                    arready,
    output reg              [31:0] rdata,
    output reg               [1:0] rresp,
    output reg                     rvalid,
    input  wire                    rready,
    input  wire                    s_valid,
    input  wire                    s_ready,
    input  wire                    s_last,
    input  wire      [OUTPUTS-1:0] m_valid,
    input  wire      [OUTPUTS-1:0] m_ready,
    input  wire      [OUTPUTS-1:0] m_last,
    input  wire                    frame_error,
    output reg                     frame_error_clear,
    output wire                    between,
    output wire                    empty,
    input  wire                    loading,
    input  wire             [31:0] loads,
    output reg                     load,
    output wire                    table_write,
    output wire   [TABLE_BITS-1:0] table_write_address,
    output wire             [31:0] table_data,
    output wire                    table_read,
    output wire   [TABLE_BITS-1:0] table_read_address,
    input  wire             [31:0] table_word
);
    // "STRC", and the version of this map of registers.
    localparam [31:0] IDENTITY = 32'h53545243;
    localparam [31:0] MAP      = 1;
    localparam [1:0]  OKAY     = 2'd0;
    localparam [1:0]  SLVERR   = 2'd2;

    // ==== Frames that enter and leave
    localparam                  BEAT_BITS = FRAME_WORDS > 1 ? $clog2(FRAME_WORDS) : 1;
    localparam           [31:0] LAST      = FRAME_WORDS - 1;
    localparam           [31:0] ONE       = 1;
    localparam [COUNT_BITS-1:0] FRAME     = 1;

    reg  [BEAT_BITS-1:0]  beat;
    // The frame at hand is too long: it does not count.
    reg                   dropping;
    reg                   begun;
    reg  [COUNT_BITS-1:0] entered;
    reg  [COUNT_BITS-1:0] left;

    wire at_last = beat == LAST[BEAT_BITS-1:0];
    wire last    = BY_COUNT != 0 ? at_last : s_last;
    wire accept  = s_valid & s_ready;
    wire enters  = accept & last & (WHOLE_FRAMES != 0 | (at_last & !dropping));

    // Of each output, whether a frame that has not left all of them leaves it, or has left it.
    wire [OUTPUTS-1:0] ends = m_valid & m_ready & m_last;
    wire [OUTPUTS-1:0] has;
    wire               leaves = &has;
    genvar             output_number;
    generate
        if (OUTPUTS == 1) begin : one_output
            assign has = ends;
        end else begin : several_outputs
            for (output_number = 0; output_number < OUTPUTS; output_number = output_number + 1)
            begin : counted
                reg [COUNT_BITS-1:0] ahead;
                assign has[output_number] = ends[output_number] | ahead != {COUNT_BITS{1'b0}};
                always @(posedge clk)
                    if (rst) ahead <= {COUNT_BITS{1'b0}};
                    else if (clken & ends[output_number] != leaves)
                        ahead <= leaves ? ahead - FRAME : ahead + FRAME;
            end
        end
    endgenerate

    assign between = accept ? last : !begun;
    assign empty   = entered == left;

    always @(posedge clk)
        if (rst) begin
            beat     <= {BEAT_BITS{1'b0}};
            dropping <= 1'b0;
            begun   <= 1'b0;
            entered  <= {COUNT_BITS{1'b0}};
            left     <= {COUNT_BITS{1'b0}};
        end else if (clken) begin
            if (accept) begin
                if (last | at_last) beat <= {BEAT_BITS{1'b0}};
                else                beat <= beat + ONE[BEAT_BITS-1:0];
                dropping <= !last & (dropping | at_last);
                begun   <= !last;
            end
            if (enters) entered <= entered + FRAME;
            if (leaves) left <= left + FRAME;
        end

    wire [31:0] entered_word;
    wire [31:0] left_word;
    generate
        if (COUNT_BITS < 32) begin : short_counts
            assign entered_word = {{(32-COUNT_BITS){1'b0}}, entered};
            assign left_word    = {{(32-COUNT_BITS){1'b0}}, left};
        end else begin : whole_counts
            assign entered_word = entered;
            assign left_word    = left;
        end
    endgenerate

    // ==== Writes
    // Address and data are taken together, a clock after both are there.
    reg take_write;
    assign awready = take_write;
    assign wready  = take_write;

    wire writes       = take_write & awvalid & wvalid;
    wire write_table;
    wire write_inside;
    wire to_control   = !write_table & write_inside & awaddr[6:2] == 5'd3;
    // Nothing is loaded where there is no table, or while it is loading.
    wire is_ready     = TABLE_WORDS != 0 & !loading;
    wire accepted     = (&wstrb) & (write_table ? write_inside & is_ready
                                                : to_control & (is_ready | !wdata[1]));

    assign table_write = clken & writes & accepted & write_table;
    assign table_data  = wdata;

    always @(posedge clk)
        if (rst) begin
            take_write        <= 1'b0;
            bvalid            <= 1'b0;
            frame_error_clear <= 1'b0;
            load              <= 1'b0;
        end else if (clken) begin
            take_write        <= !take_write & awvalid & wvalid & (!bvalid | bready);
            bvalid            <= writes | (bvalid & !bready);
            frame_error_clear <= writes & accepted & to_control & wdata[0];
            load              <= writes & accepted & to_control & wdata[1];
        end
    always @(posedge clk) if (clken & writes) bresp <= accepted ? OKAY : SLVERR;

    // ==== Reads
    // An address is taken a clock after it is there, its word comes two clocks later.
    reg       take_read;
    reg       reading;
    reg [4:0] index;
    reg       of_table;
    reg       refused;
    assign arready = take_read;

    wire reads = take_read & arvalid;
    wire read_table;
    wire read_inside;

    assign table_read = clken & reads & read_table & is_ready;

    always @(posedge clk)
        if (rst) begin
            take_read <= 1'b0;
            reading   <= 1'b0;
            rvalid    <= 1'b0;
        end else if (clken) begin
            take_read <= !take_read & !reading & arvalid & (!rvalid | rready);
            reading   <= reads;
            rvalid    <= reading | (rvalid & !rready);
        end
    always @(posedge clk)
        if (clken & reads) begin
            index    <= araddr[6:2];
            of_table <= read_table;
            refused  <= !read_inside | (read_table & !is_ready);
        end

    reg [31:0] word;
    reg        known;
    always @* begin
        known = 1'b1;
        case (index)
            5'd0: word = IDENTITY;
            5'd1: word = MAP;
            5'd2: word = VERSION;
            // Commands: reads as 0.
            5'd3: word = 32'd0;
            5'd4: word = {29'd0, loading, empty, frame_error};
            5'd5: word = entered_word;
            5'd6: word = left_word;
            5'd7: word = loads;
            5'd8: word = TABLE_WORDS;
            5'd16: word = MODEL[255:224];
            5'd17: word = MODEL[223:192];
            5'd18: word = MODEL[191:160];
            5'd19: word = MODEL[159:128];
            5'd20: word = MODEL[127:96];
            5'd21: word = MODEL[95:64];
            5'd22: word = MODEL[63:32];
            5'd23: word = MODEL[31:0];
            default: begin
                word  = 32'd0;
                known = 1'b0;
            end
        endcase
    end

    wire answered = !refused & (of_table | known);
    always @(posedge clk)
        if (clken & reading) begin
            rdata <= !answered ? 32'd0 : of_table ? table_word : word;
            rresp <= answered ? OKAY : SLVERR;
        end

    // ==== Addresses
    wire low_unused = &{1'b0, awaddr[1:0], araddr[1:0]};
    generate
        if (TABLE_WORDS != 0) begin : with_table
            localparam [31:0] WORDS = TABLE_WORDS;
            localparam        TOP   = ADDRESS_BITS - 1;
            wire [31:0] write_word = {{(35-ADDRESS_BITS){1'b0}}, awaddr[TOP-1:2]};
            wire [31:0] read_word  = {{(35-ADDRESS_BITS){1'b0}}, araddr[TOP-1:2]};
            assign write_table         = awaddr[TOP];
            assign read_table          = araddr[TOP];
            assign write_inside        = awaddr[TOP] ? write_word < WORDS : write_word < 32'd32;
            assign read_inside         = araddr[TOP] ? read_word < WORDS : read_word < 32'd32;
            assign table_write_address = write_word[TABLE_BITS-1:0];
            assign table_read_address  = read_word[TABLE_BITS-1:0];
        end else begin : without_table
            assign write_table         = 1'b0;
            assign read_table          = 1'b0;
            assign write_inside        = 1'b1;
            assign read_inside         = 1'b1;
            assign table_write_address = {TABLE_BITS{1'b0}};
            assign table_read_address  = {TABLE_BITS{1'b0}};
        end
    endgenerate
endmodule

`default_nettype wire
