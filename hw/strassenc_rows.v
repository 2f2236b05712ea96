// strassenc_rows: which rows of an image lie in the row slots of a line storage, and which of them
// a reader may read.
//
// An image of HEIGHT x WIDTH pixels of WORDS words arrives in raster order, frame after frame; row
// n, counted on over all frames, lies in slot n mod SLOTS. The reader goes through groups of
// windows of K rows, STRIDE apart, ROWS groups to a frame, the first one PAD rows above the image;
// each covers at least one row of it. The first row of a group inside the image is its base. With
// each group's end the base moves on, after the last one to the next frame. Rows may be released
// before they arrive; then they are dropped. No words are stored here, only the user bit of every
// slot.
// Pixel c of all rows of the group may be read where whole is high, or forming is high and
// column > c.
// Both, and s_ready, come from registers. Reset touches control only. clken low freezes the side
// that is written; next is to be low then.
`default_nettype none

module strassenc_rows #(
    parameter HEIGHT = 1,
    parameter WIDTH  = 1,
    parameter WORDS  = 1,
    parameter K      = 1,
    parameter STRIDE = 1,
    parameter PAD    = 0,
    parameter ROWS   = 1,
    parameter SLOTS  = K + STRIDE
) (
    input  wire                                       clk,
    input  wire                                       clken,
    input  wire                                       rst,
    input  wire                                       s_valid,
    output wire                                       s_ready,
    input  wire                                       s_user,
    // A word is taken at this edge, into this slot and column; column is the number of complete
    // pixels in its row, too.
    output wire                                       write,
    output reg  [(SLOTS > 1 ? $clog2(SLOTS) : 1)-1:0] slot,
    output reg  [(WIDTH > 1 ? $clog2(WIDTH) : 1)-1:0] column,
    // The group ends at this edge.
    input  wire                                       next,
    // All rows of the group inside the image are there; all but the last one, which is being
    // written.
    output wire                                       whole,
    output wire                                       forming,
    // The slot where the first row of the group is or would be; its rows outside the image; the
    // last group of a frame.
    output reg  [(SLOTS > 1 ? $clog2(SLOTS) : 1)-1:0] top_slot,
    output reg  [K-1:0]                               outside,
    output wire                                       last,
    // The user bit of the frame in its first group, 0 in the others.
    output wire                                       user
);
    localparam COLUMN_BITS = WIDTH > 1 ? $clog2(WIDTH) : 1;
    localparam WORD_BITS   = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam SLOT_BITS   = SLOTS > 1 ? $clog2(SLOTS) : 1;
    // Signed numbers of rows.
    localparam ROW_BITS    = $clog2(HEIGHT + SLOTS + STRIDE + K) + 1;

    localparam [31:0] ONE         = 1;
    localparam [31:0] LAST_COLUMN = WIDTH - 1;
    localparam [31:0] LAST_WORD   = WORDS - 1;
    localparam [31:0] LAST_SLOT   = SLOTS - 1;
    localparam [31:0] ALL_SLOTS   = SLOTS;
    localparam [31:0] ALL_ROWS    = HEIGHT;
    localparam [31:0] LAST_ROW    = HEIGHT - 1;
    localparam [31:0] SPAN        = K - 1;
    localparam [31:0] MOVE        = STRIDE;
    localparam [31:0] FIRST_TOP   = 0 - PAD;
    localparam [31:0] LAST_TOP    = (ROWS - 1) * STRIDE - PAD;
    // The same steps of the top row in slots.
    localparam [31:0] FIRST_SLOT  = (SLOTS - PAD % SLOTS) % SLOTS;
    localparam [31:0] GROUP_SLOTS = STRIDE % SLOTS;
    localparam [31:0] FRAME_SLOTS = ((HEIGHT - (ROWS - 1) * STRIDE) % SLOTS + SLOTS) % SLOTS;

    // The side that is written.
    reg  [WORD_BITS-1:0] word;
    wire                 row_end = write & column == LAST_COLUMN[COLUMN_BITS-1:0] & word == LAST_WORD[WORD_BITS-1:0];

    assign write = s_valid & s_ready & clken;

    always @(posedge clk)
        if (rst) begin
            word   <= {WORD_BITS{1'b0}};
            column <= {COLUMN_BITS{1'b0}};
            slot   <= {SLOT_BITS{1'b0}};
        end else if (write) begin
            if (word == LAST_WORD[WORD_BITS-1:0]) begin
                word <= {WORD_BITS{1'b0}};
                if (column == LAST_COLUMN[COLUMN_BITS-1:0]) begin
                    column <= {COLUMN_BITS{1'b0}};
                    if (slot == LAST_SLOT[SLOT_BITS-1:0]) slot <= {SLOT_BITS{1'b0}};
                    else                                  slot <= slot + ONE[SLOT_BITS-1:0];
                end else column <= column + ONE[COLUMN_BITS-1:0];
            end else word <= word + ONE[WORD_BITS-1:0];
        end

    // The group: its first row, which may lie above the image; the number of its rows inside the
    // image, less one; by how many rows the base moves on when it ends. Reset is like the end of a
    // frame.
    reg  signed [ROW_BITS-1:0] top;
    reg  signed [ROW_BITS-1:0] needed;
    reg  signed [ROW_BITS-1:0] freed;

    assign last = top == LAST_TOP[ROW_BITS-1:0];

    wire signed [ROW_BITS-1:0] next_top    = rst | last ? FIRST_TOP[ROW_BITS-1:0] : top + MOVE[ROW_BITS-1:0];
    wire signed [ROW_BITS-1:0] next_base   = next_top[ROW_BITS-1] ? {ROW_BITS{1'b0}} : next_top;
    wire signed [ROW_BITS-1:0] next_bottom = next_top + SPAN[ROW_BITS-1:0];
    wire signed [ROW_BITS-1:0] next_end    =
        next_bottom > $signed(LAST_ROW[ROW_BITS-1:0]) ? LAST_ROW[ROW_BITS-1:0] : next_bottom;
    wire signed [ROW_BITS-1:0] after_top   = next_top + MOVE[ROW_BITS-1:0];
    wire signed [ROW_BITS-1:0] after_base  =
        next_top == LAST_TOP[ROW_BITS-1:0] ? ALL_ROWS[ROW_BITS-1:0] :
        after_top[ROW_BITS-1]              ? {ROW_BITS{1'b0}} : after_top;

    wire [K-1:0] next_outside;
    genvar       ky;
    generate
        for (ky = 0; ky < K; ky = ky + 1) begin : row
            localparam [31:0] ABOVE = 0 - ky;
            localparam [31:0] BELOW = HEIGHT - 1 - ky;
            assign next_outside[ky] = next_top < $signed(ABOVE[ROW_BITS-1:0]) | next_top > $signed(BELOW[ROW_BITS-1:0]);
        end
    endgenerate

    wire [SLOT_BITS:0] slot_sum =
        {1'b0, top_slot} + (last ? FRAME_SLOTS[SLOT_BITS:0] : GROUP_SLOTS[SLOT_BITS:0]);
    wire [SLOT_BITS:0] slot_less = slot_sum - ALL_SLOTS[SLOT_BITS:0];

    always @(posedge clk)
        if (rst | next) begin
            top     <= next_top;
            needed  <= next_end - next_base;
            freed   <= after_base - next_base;
            outside <= next_outside;
            if (rst)                                      top_slot <= FIRST_SLOT[SLOT_BITS-1:0];
            else if (slot_sum >= ALL_SLOTS[SLOT_BITS:0])  top_slot <= slot_less[SLOT_BITS-1:0];
            else                                          top_slot <= slot_sum[SLOT_BITS-1:0];
        end
    // The borrow.
    wire unused = &{1'b0, slot_less[SLOT_BITS]};

    // Rows completely written, counted from the base; negative where rows were released before they
    // arrived.
    reg signed [ROW_BITS-1:0] occupied;

    assign s_ready = occupied < $signed(ALL_SLOTS[ROW_BITS-1:0]);
    assign whole   = occupied > needed;
    assign forming = occupied == needed;

    always @(posedge clk)
        if (rst) occupied <= {ROW_BITS{1'b0}};
        else occupied <= occupied + (row_end ? ONE[ROW_BITS-1:0] : {ROW_BITS{1'b0}}) - (next ? freed : {ROW_BITS{1'b0}});

    // The user bit of the first word of the row in each slot; only those of a frame's row 0 are
    // read, PAD rows from the top.
    wire [SLOTS-1:0] users;
    genvar           i;
    generate
        for (i = 0; i < SLOTS; i = i + 1) begin : user_slot
            localparam [31:0] HERE = i;
            localparam [31:0] TOP  = (i + SLOTS - PAD % SLOTS) % SLOTS;
            reg held;
            always @(posedge clk)
                if (write & slot == HERE[SLOT_BITS-1:0] & column == {COLUMN_BITS{1'b0}} & word == {WORD_BITS{1'b0}})
                    held <= s_user;
            assign users[i] = held & top_slot == TOP[SLOT_BITS-1:0];
        end
    endgenerate
    assign user = |users & top == FIRST_TOP[ROW_BITS-1:0];
endmodule

`default_nettype wire
