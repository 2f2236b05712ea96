// strassenc_patches: turns a stream of patches of P_H x P_W pixels into an image in raster order.
//
// Patches arrive in raster order, ROWS x COLUMNS of them, the words of one in the order (row,
// column, word), WORDS to a pixel.
// The image leaves as HEIGHT x WIDTH pixels; what the patches hold beyond is accepted and dropped.
// ROWS and COLUMNS are HEIGHT divided by P_H and WIDTH divided by P_W, rounded up.
// There is storage for two stripes of P_H rows. One is read out while the next is written, and its
// pixels leave as soon as the patch that they lie in is complete. m_user is the user bit of the
// frame's first word, on the first word that leaves, and low on the others. Latency: 2 clocks from
// the last word of a patch to its first in the image, one word per clock.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_patches #(
    parameter BITS    = 8,
    parameter P_H     = 2,
    parameter P_W     = 2,
    parameter ROWS    = 1,
    parameter COLUMNS = 1,
    parameter HEIGHT  = 2,
    parameter WIDTH   = 2,
    parameter WORDS   = 1
) (
    input  wire            clk,
    input  wire            clken,
    input  wire            rst,
    input  wire            s_valid,
    output wire            s_ready,
    input  wire [BITS-1:0] s_data,
    input  wire            s_user,
    output reg             m_valid,
    input  wire            m_ready,
    output wire [BITS-1:0] m_data,
    output reg             m_user
);
    localparam DEPTH        = 2 * P_H * WIDTH * WORDS;
    localparam ADDRESS_BITS = $clog2(DEPTH);
    localparam Y_BITS       = P_H > 1 ? $clog2(P_H) : 1;
    localparam X_BITS       = P_W > 1 ? $clog2(P_W) : 1;
    localparam WORD_BITS    = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam COLUMN_BITS  = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
    localparam ROW_BITS     = ROWS > 1 ? $clog2(ROWS) : 1;

    // The last row and column of a patch, and of the last patches in the image.
    localparam [31:0] PATCH_X     = P_W - 1;
    localparam [31:0] PATCH_Y     = P_H - 1;
    localparam [31:0] LAST_X      = WIDTH - (COLUMNS - 1) * P_W - 1;
    localparam [31:0] LAST_Y      = HEIGHT - (ROWS - 1) * P_H - 1;
    localparam [31:0] LAST_WORD   = WORDS - 1;
    localparam [31:0] LAST_COLUMN = COLUMNS - 1;
    localparam [31:0] LAST_ROW    = ROWS - 1;
    // What lies between two rows, patches and stripes in the memory.
    localparam [31:0] ROW_STEP    = WIDTH * WORDS;
    localparam [31:0] PATCH_STEP  = P_W * WORDS;
    localparam [31:0] STRIPE_STEP = P_H * WIDTH * WORDS;
    localparam [31:0] ONE         = 1;

    // A word is never read at the edge at which it is written.
    (* no_rw_check *)
    reg [BITS-1:0] memory [0:DEPTH-1];
    reg [BITS-1:0] fetched;

    // Complete stripes that are not read out yet, at most two, and complete patches in the stripe
    // being written.
    reg [1:0]             stripes;
    reg [COLUMN_BITS-1:0] patches;

    // The writer: the place of the word that comes next, its address, and those of its patch and of
    // its row in the patch.
    reg                    write_stripe;
    reg [Y_BITS-1:0]       write_y;
    reg [X_BITS-1:0]       write_x;
    reg [WORD_BITS-1:0]    write_word;
    reg [ADDRESS_BITS-1:0] write_address;
    reg [ADDRESS_BITS-1:0] write_patch;
    reg [ADDRESS_BITS-1:0] write_row;

    assign s_ready = !stripes[1];

    wire accept        = s_valid & s_ready;
    wire write_column  = patches == LAST_COLUMN[COLUMN_BITS-1:0];
    wire pixel_written = write_word == LAST_WORD[WORD_BITS-1:0];
    wire row_written   = pixel_written & write_x == PATCH_X[X_BITS-1:0];
    wire patch_written = row_written & write_y == PATCH_Y[Y_BITS-1:0];
    wire complete      = accept & patch_written & write_column;
    // What lies beyond the right edge is not written. Rows beyond the bottom one are, and are not
    // read.
    wire kept;
    generate
        if (LAST_X == PATCH_X) begin : whole
            assign kept = 1'b1;
        end else begin : cropped
            assign kept = !write_column | write_x <= LAST_X[X_BITS-1:0];
        end
    endgenerate
    wire write = accept & kept;

    wire [ADDRESS_BITS-1:0] next_row   = write_row + ROW_STEP[ADDRESS_BITS-1:0];
    wire [ADDRESS_BITS-1:0] next_patch = write_patch + PATCH_STEP[ADDRESS_BITS-1:0];
    wire [ADDRESS_BITS-1:0] next_write = write_stripe
        ? {ADDRESS_BITS{1'b0}} : STRIPE_STEP[ADDRESS_BITS-1:0];

    always @(posedge clk)
        if (rst) begin
            patches       <= {COLUMN_BITS{1'b0}};
            write_stripe  <= 1'b0;
            write_y       <= {Y_BITS{1'b0}};
            write_x       <= {X_BITS{1'b0}};
            write_word    <= {WORD_BITS{1'b0}};
            write_address <= {ADDRESS_BITS{1'b0}};
            write_patch   <= {ADDRESS_BITS{1'b0}};
            write_row     <= {ADDRESS_BITS{1'b0}};
        end else if (clken & accept) begin
            write_address <= write_address + ONE[ADDRESS_BITS-1:0];
            if (pixel_written) begin
                write_word <= {WORD_BITS{1'b0}};
                write_x    <= write_x + ONE[X_BITS-1:0];
            end else write_word <= write_word + ONE[WORD_BITS-1:0];
            if (row_written) begin
                write_x       <= {X_BITS{1'b0}};
                write_y       <= write_y + ONE[Y_BITS-1:0];
                write_address <= next_row;
                write_row     <= next_row;
            end
            if (patch_written) begin
                write_y       <= {Y_BITS{1'b0}};
                patches       <= patches + ONE[COLUMN_BITS-1:0];
                write_address <= next_patch;
                write_row     <= next_patch;
                write_patch   <= next_patch;
            end
            if (complete) begin
                patches       <= {COLUMN_BITS{1'b0}};
                write_stripe  <= !write_stripe;
                write_address <= next_write;
                write_row     <= next_write;
                write_patch   <= next_write;
            end
        end

    // The reader: the place of the word that is issued next, and its address, which counts on
    // through a stripe.
    reg                    read_stripe;
    reg [ROW_BITS-1:0]     read_row;
    reg [Y_BITS-1:0]       read_y;
    reg [COLUMN_BITS-1:0]  read_column;
    reg [X_BITS-1:0]       read_x;
    reg [WORD_BITS-1:0]    read_word;
    reg [ADDRESS_BITS-1:0] read_address;
    // The word that is issued next is the first of the frame.
    reg                    read_first;

    wire advance     = !m_valid | m_ready;
    wire available   = stripes != 2'd0 | read_column < patches;
    wire issue       = advance & available;
    wire last_row    = read_row == LAST_ROW[ROW_BITS-1:0];
    wire last_column = read_column == LAST_COLUMN[COLUMN_BITS-1:0];
    wire pixel_read  = read_word == LAST_WORD[WORD_BITS-1:0];
    wire patch_read  = pixel_read
        & read_x == (last_column ? LAST_X[X_BITS-1:0] : PATCH_X[X_BITS-1:0]);
    wire row_read    = patch_read & last_column;
    wire stripe_read = row_read & read_y == (last_row ? LAST_Y[Y_BITS-1:0] : PATCH_Y[Y_BITS-1:0]);
    wire release_one = issue & stripe_read;

    always @(posedge clk)
        if (rst) begin
            read_stripe  <= 1'b0;
            read_row     <= {ROW_BITS{1'b0}};
            read_y       <= {Y_BITS{1'b0}};
            read_column  <= {COLUMN_BITS{1'b0}};
            read_x       <= {X_BITS{1'b0}};
            read_word    <= {WORD_BITS{1'b0}};
            read_address <= {ADDRESS_BITS{1'b0}};
            read_first   <= 1'b1;
        end else if (clken & issue) begin
            read_first   <= stripe_read & last_row;
            read_address <= read_address + ONE[ADDRESS_BITS-1:0];
            if (pixel_read) begin
                read_word <= {WORD_BITS{1'b0}};
                read_x    <= read_x + ONE[X_BITS-1:0];
            end else read_word <= read_word + ONE[WORD_BITS-1:0];
            if (patch_read) begin
                read_x      <= {X_BITS{1'b0}};
                read_column <= read_column + ONE[COLUMN_BITS-1:0];
            end
            if (row_read) begin
                read_column <= {COLUMN_BITS{1'b0}};
                read_y      <= read_y + ONE[Y_BITS-1:0];
            end
            if (stripe_read) begin
                read_y       <= {Y_BITS{1'b0}};
                read_row     <= last_row ? {ROW_BITS{1'b0}} : read_row + ONE[ROW_BITS-1:0];
                read_stripe  <= !read_stripe;
                read_address <= read_stripe ? {ADDRESS_BITS{1'b0}} : STRIPE_STEP[ADDRESS_BITS-1:0];
            end
        end

    always @(posedge clk)
        if (rst) stripes <= 2'd0;
        else if (clken & (complete != release_one)) begin
            if (complete) stripes <= stripes + 2'd1;
            else          stripes <= stripes - 2'd1;
        end

    always @(posedge clk) if (clken & write) memory[write_address] <= s_data;
    always @(posedge clk) if (clken & advance) fetched <= memory[read_address];
    assign m_data = fetched;

    // The user bit of the first word of each stripe; only those of a frame's first stripe are read.
    reg  [1:0] users;
    wire       write_first = patches == {COLUMN_BITS{1'b0}} & write_y == {Y_BITS{1'b0}}
                             & write_x == {X_BITS{1'b0}} & write_word == {WORD_BITS{1'b0}};
    always @(posedge clk) if (clken & accept & write_first) users[write_stripe] <= s_user;

    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (clken & advance) m_valid <= available;
    always @(posedge clk) if (clken & advance) m_user <= read_first & users[read_stripe];
endmodule

`default_nettype wire
