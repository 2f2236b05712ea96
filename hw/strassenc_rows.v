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
    // The word completes a pixel; its row, too.
    output wire                                       pixel,
    output wire                                       row_end,
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
    localparam [31:0] MOVE        = STRIDE;
    localparam [31:0] FIRST_TOP   = 0 - PAD;
    localparam [31:0] LAST_TOP    = (ROWS - 1) * STRIDE - PAD;
    // The first group of a frame, and the second one, if there is one.
    localparam        SECOND         = ROWS > 1 ? STRIDE - PAD : 0 - PAD;
    localparam        FIRST_END      = K - PAD > HEIGHT ? HEIGHT : K - PAD;
    localparam        SECOND_END     = SECOND + K > HEIGHT ? HEIGHT : SECOND + K;
    localparam        SECOND_BASE    = SECOND > 0 ? SECOND : 0;
    localparam        OF_FRAME       = ROWS > 1 ? 0 : HEIGHT;
    localparam [31:0] SECOND_TOP     = SECOND;
    localparam [31:0] SECOND_BOTTOM  = SECOND_END - 1;
    localparam [31:0] FIRST_FREED    = SECOND_BASE + OF_FRAME;
    localparam [31:0] FIRST_MOVED    = SECOND_END - FIRST_END + OF_FRAME;
    localparam [31:0] MOVE_SPAN      = STRIDE + K - 1;
    localparam [31:0] ABOVE_TOP      = 0 - STRIDE;
    localparam [31:0] BELOW_TOP      = HEIGHT - STRIDE - K;
    localparam [31:0] FIRST_BOTTOM   = FIRST_END - 1;
    localparam [31:0] FIRST_BELOW    = HEIGHT + FIRST_END - 1;
    localparam [31:0] NO_ROWS        = 0 - SLOTS;
    localparam [31:0] NONE_NEEDED    = 0 - FIRST_END;
    // The same steps of the top row in slots.
    localparam [31:0] FIRST_SLOT  = (SLOTS - PAD % SLOTS) % SLOTS;
    localparam [31:0] GROUP_SLOTS = STRIDE % SLOTS;
    localparam [31:0] FRAME_SLOTS = ((HEIGHT - (ROWS - 1) * STRIDE) % SLOTS + SLOTS) % SLOTS;

    // The side that is written.
    reg  [WORD_BITS-1:0] word;

    assign write   = s_valid & s_ready & clken;
    assign pixel   = write & word == LAST_WORD[WORD_BITS-1:0];
    assign row_end = pixel & column == LAST_COLUMN[COLUMN_BITS-1:0];

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

    // The group's first row, which may lie above the image, and that of the group behind it with
    // its last row inside the image; what is needed when the group ends is ready before it does. By
    // how many rows the base moves on then, and the last row.
    reg  signed [ROW_BITS-1:0] top;
    reg  signed [ROW_BITS-1:0] next_top;
    reg  signed [ROW_BITS-1:0] next_bottom;
    reg  signed [ROW_BITS-1:0] freed;
    reg  signed [ROW_BITS-1:0] moved;

    assign last = top == LAST_TOP[ROW_BITS-1:0];

    // The group behind that one, each of its numbers straight from next_top: whether its first row
    // lies above the image, its last one below. Its base and its bottom are counted from the frame
    // of next_top.
    wire                       next_last   = next_top == LAST_TOP[ROW_BITS-1:0];
    wire                       above       = next_top < $signed(ABOVE_TOP[ROW_BITS-1:0]);
    wire                       below       = next_top > $signed(BELOW_TOP[ROW_BITS-1:0]);
    wire signed [ROW_BITS-1:0] next_base   = next_top[ROW_BITS-1] ? {ROW_BITS{1'b0}} : next_top;
    wire signed [ROW_BITS-1:0] after_top   = next_top + MOVE[ROW_BITS-1:0];
    wire signed [ROW_BITS-1:0] after_end   = next_top + MOVE_SPAN[ROW_BITS-1:0];
    wire signed [ROW_BITS-1:0] after_base  =
        next_last ? ALL_ROWS[ROW_BITS-1:0] : above ? {ROW_BITS{1'b0}} : after_top;
    wire signed [ROW_BITS-1:0] same_frame  = below ? LAST_ROW[ROW_BITS-1:0] : after_end;
    wire signed [ROW_BITS-1:0] after_bottom =
        next_last ? FIRST_BELOW[ROW_BITS-1:0] : same_frame;

    wire [K-1:0] first_outside;
    wire [K-1:0] next_outside;
    genvar       ky;
    generate
        for (ky = 0; ky < K; ky = ky + 1) begin : row
            localparam [31:0] ABOVE = 0 - ky;
            localparam [31:0] BELOW = HEIGHT - 1 - ky;
            assign first_outside[ky] = ky < PAD | ky - PAD > HEIGHT - 1;
            assign next_outside[ky]  = next_top < $signed(ABOVE[ROW_BITS-1:0])
                                       | next_top > $signed(BELOW[ROW_BITS-1:0]);
        end
    endgenerate

    wire [SLOT_BITS:0] slot_sum =
        {1'b0, top_slot} + (last ? FRAME_SLOTS[SLOT_BITS:0] : GROUP_SLOTS[SLOT_BITS:0]);
    wire [SLOT_BITS:0] slot_less = slot_sum - ALL_SLOTS[SLOT_BITS:0];

    always @(posedge clk)
        if (rst) begin
            top         <= FIRST_TOP[ROW_BITS-1:0];
            next_top    <= SECOND_TOP[ROW_BITS-1:0];
            next_bottom <= SECOND_BOTTOM[ROW_BITS-1:0];
            freed       <= FIRST_FREED[ROW_BITS-1:0];
            moved       <= FIRST_MOVED[ROW_BITS-1:0];
            outside     <= first_outside;
            top_slot    <= FIRST_SLOT[SLOT_BITS-1:0];
        end else if (next) begin
            top         <= next_top;
            next_top    <= next_last ? FIRST_TOP[ROW_BITS-1:0] : after_top;
            next_bottom <= next_last ? FIRST_BOTTOM[ROW_BITS-1:0] : same_frame;
            freed       <= after_base - next_base;
            moved       <= after_bottom - next_bottom;
            outside     <= next_outside;
            if (slot_sum >= ALL_SLOTS[SLOT_BITS:0]) top_slot <= slot_less[SLOT_BITS-1:0];
            else                                    top_slot <= slot_sum[SLOT_BITS-1:0];
        end
    // The borrow.
    wire unused = &{1'b0, slot_less[SLOT_BITS]};

    // Rows completely written, counted from the base, negative where rows were released before they
    // arrived: less the slots, and less the rows of the group that lie inside the image. Their
    // signs say all.
    reg  signed [ROW_BITS-1:0] room;
    reg  signed [ROW_BITS-1:0] surplus;
    wire signed [ROW_BITS-1:0] written = {{(ROW_BITS-1){1'b0}}, row_end};

    assign s_ready = room[ROW_BITS-1];
    assign whole   = !surplus[ROW_BITS-1];
    assign forming = &surplus;

    always @(posedge clk)
        if (rst) begin
            room    <= NO_ROWS[ROW_BITS-1:0];
            surplus <= NONE_NEEDED[ROW_BITS-1:0];
        end else begin
            room    <= room + written - (next ? freed : {ROW_BITS{1'b0}});
            surplus <= surplus + written - (next ? moved : {ROW_BITS{1'b0}});
        end

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
                if (write & slot == HERE[SLOT_BITS-1:0] & column == {COLUMN_BITS{1'b0}}
                    & word == {WORD_BITS{1'b0}})
                    held <= s_user;
            assign users[i] = held & top_slot == TOP[SLOT_BITS-1:0];
        end
    endgenerate
    assign user = |users & top == FIRST_TOP[ROW_BITS-1:0];
endmodule

`default_nettype wire
