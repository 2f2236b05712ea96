// strassenc_reader: the windows of an image, K_H x K_W pixels each, in raster order, word by word.
//
// An image of HEIGHT x WIDTH pixels of WORDS words of LANES elements arrives in raster order, words
// innermost, frame after frame. Window (Y, X), Y < ROWS, X < COLUMNS, covers rows
// Y*STRIDE_H-PAD_H+ky and columns X*STRIDE_W-PAD_W+kx, at least one of each inside the image; every
// pixel outside reads as FILL. Of each window there leave, outermost first, ROUNDS times, for each
// of GROUPS parts of a pixel's words, REPEATS times, for every ky, for every kx: the WORDS / GROUPS
// words of the part. Each row of windows leaves ROW_REPEATS times.
// m_user is the user bit of the frame's first word on the first word of its first window and low on
// the others.
// One memory of SLOTS rows, SLOTS = K_H + STRIDE_H. A window begins when it is there as a whole,
// and goes on without a gap.
// Latency: 1 clock from the read of a word. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_reader #(
    parameter                    ELEMENT_BITS = 8,
    parameter [ELEMENT_BITS-1:0] FILL         = 0,
    parameter                    LANES        = 1,
    parameter                    HEIGHT       = 1,
    parameter                    WIDTH        = 1,
    parameter                    WORDS        = 1,
    parameter                    K_H          = 1,
    parameter                    K_W          = 1,
    parameter                    STRIDE_H     = 1,
    parameter                    STRIDE_W     = 1,
    parameter                    PAD_H        = 0,
    parameter                    PAD_W        = 0,
    parameter                    ROWS         = 1,
    parameter                    COLUMNS      = 1,
    parameter                    SLOTS        = K_H + STRIDE_H,
    parameter                    GROUPS       = 1,
    parameter                    REPEATS      = 1,
    parameter                    ROUNDS       = 1,
    parameter                    ROW_REPEATS  = 1
) (
    input  wire                          clk,
    input  wire                          clken,
    input  wire                          rst,
    input  wire                          s_valid,
    output wire                          s_ready,
    input  wire [LANES*ELEMENT_BITS-1:0] s_data,
    input  wire                          s_user,
    output reg                           m_valid,
    input  wire                          m_ready,
    output wire [LANES*ELEMENT_BITS-1:0] m_data,
    output reg                           m_user
);
    localparam PART = WORDS / GROUPS;
    localparam ROW  = WIDTH * WORDS;
    // Words of storage.
    localparam DEPTH = SLOTS * ROW;

    localparam SLOT_BITS    = SLOTS > 1 ? $clog2(SLOTS) : 1;
    localparam ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam PART_BITS    = PART > 1 ? $clog2(PART) : 1;
    localparam KY_BITS      = K_H > 1 ? $clog2(K_H) : 1;
    localparam KX_BITS      = K_W > 1 ? $clog2(K_W) : 1;
    localparam REPEAT_BITS  = REPEATS > 1 ? $clog2(REPEATS) : 1;
    localparam GROUP_BITS   = GROUPS > 1 ? $clog2(GROUPS) : 1;
    localparam PASS_BITS    = ROW_REPEATS > 1 ? $clog2(ROW_REPEATS) : 1;
    localparam ROUND_BITS   = ROUNDS > 1 ? $clog2(ROUNDS) : 1;
    // Signed numbers of columns: of all windows, and of the image.
    localparam X_BITS       = $clog2(COLUMNS * STRIDE_W + WIDTH + K_W) + 1;

    localparam [31:0] ONE         = 1;
    localparam [31:0] LAST_PART   = PART - 1;
    localparam [31:0] LAST_KY     = K_H - 1;
    localparam [31:0] LAST_KX     = K_W - 1;
    localparam [31:0] LAST_REPEAT = REPEATS - 1;
    localparam [31:0] LAST_GROUP  = GROUPS - 1;
    localparam [31:0] LAST_PASS   = ROW_REPEATS - 1;
    localparam [31:0] LAST_ROUND  = ROUNDS - 1;
    localparam [31:0] LAST_COLUMN = WIDTH - 1;
    localparam [31:0] FIRST_X     = 0 - PAD_W;
    localparam [31:0] FIRST_AHEAD = PAD_W - K_W;
    localparam [31:0] TO_COLUMN_0 = 1 - WIDTH;
    localparam [31:0] LAST_X      = (COLUMNS - 1) * STRIDE_W - PAD_W + K_W - 1;

    // Row n of all frames begins at address n * ROW modulo DEPTH, so each step from word to word is
    // the addition of a constant modulo DEPTH, whether the pixels lie inside the image or not. The
    // steps, by what is gone through by then: nothing, the words of the part, a row of the window,
    // the window, its repeats, its parts, its rounds, the row of windows, its
    // repeats, all of them.
    localparam PIXEL_STEP  = WORDS - (PART - 1);
    localparam LINE_STEP   = ROW - (K_W - 1) * WORDS - (PART - 1);
    localparam BACK_STEP   = 0 - (K_H - 1) * ROW - (K_W - 1) * WORDS;
    localparam REPEAT_STEP = BACK_STEP - (PART - 1);
    localparam PART_STEP   = REPEAT_STEP + PART;
    localparam ROUND_STEP  = BACK_STEP - (WORDS - 1);
    localparam WINDOW_STEP = ROUND_STEP + STRIDE_W * WORDS;
    localparam AGAIN_STEP  = WINDOW_STEP - COLUMNS * STRIDE_W * WORDS;
    localparam ROW_STEP    = AGAIN_STEP + STRIDE_H * ROW;
    localparam FRAME_STEP  = AGAIN_STEP + (HEIGHT - (ROWS - 1) * STRIDE_H) * ROW;
    localparam ORIGIN      = 0 - PAD_H * ROW - PAD_W * WORDS;

    localparam [31:0] WHOLE         = DEPTH;
    localparam [31:0] LAST_ADDRESS  = DEPTH - 1;
    localparam [31:0] TO_WORD       = 1 % DEPTH;
    localparam [31:0] TO_PIXEL      = (PIXEL_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_LINE       = (LINE_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_REPEAT     = (REPEAT_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_PART       = (PART_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_ROUND      = (ROUND_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_WINDOW     = (WINDOW_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_AGAIN      = (AGAIN_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_ROW        = (ROW_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] TO_FRAME      = (FRAME_STEP % DEPTH + DEPTH) % DEPTH;
    localparam [31:0] FIRST_ADDRESS = (ORIGIN % DEPTH + DEPTH) % DEPTH;

    // The same steps of the column.
    localparam [31:0] BACK      = 1 - K_W;
    localparam [31:0] X_WINDOW  = STRIDE_W - (K_W - 1);
    localparam [31:0] X_ROW     = 0 - (COLUMNS - 1) * STRIDE_W - (K_W - 1);

    // The whole pipeline moves at once.
    wire advance = (!m_valid | m_ready) & clken;

    wire                   write;
    wire [SLOT_BITS-1:0]   slot;
    wire [(WIDTH > 1 ? $clog2(WIDTH) : 1)-1:0] column;
    wire                   pixel;
    wire                   row_written;
    wire                   next;
    wire                   whole;
    wire                   forming;
    wire [SLOT_BITS-1:0]   top_slot;
    wire [K_H-1:0]         outside;
    wire                   last_row;
    wire                   row_user;
    strassenc_rows #(
        .HEIGHT(HEIGHT),
        .WIDTH (WIDTH),
        .WORDS (WORDS),
        .K     (K_H),
        .STRIDE(STRIDE_H),
        .PAD   (PAD_H),
        .ROWS  (ROWS),
        .SLOTS (SLOTS)
    ) rows (
        .clk     (clk),
        .clken   (clken),
        .rst     (rst),
        .s_valid (s_valid),
        .s_ready (s_ready),
        .s_user  (s_user),
        .write   (write),
        .slot    (slot),
        .column  (column),
        .pixel   (pixel),
        .row_end (row_written),
        .next    (next),
        .whole   (whole),
        .forming (forming),
        .top_slot(top_slot),
        .outside (outside),
        .last    (last_row),
        .user    (row_user)
    );
    wire unused = &{1'b0, slot, top_slot, column};

    // Where the next word lies in its window, and in which column of the image.
    reg                     start;
    reg  [PART_BITS-1:0]    word;
    reg  [KX_BITS-1:0]      kx;
    reg  [KY_BITS-1:0]      ky;
    reg  [REPEAT_BITS-1:0]  repeated;
    reg  [GROUP_BITS-1:0]   part;
    reg  [ROUND_BITS-1:0]   round;
    // How often its row of windows has left.
    reg  [PASS_BITS-1:0]    pass;
    reg  signed [X_BITS-1:0] x;
    // Of the first word of a window: by how many pixels more than it needs the row that is being
    // written is complete, less one. Beyond the image that is never enough, and the whole row is
    // awaited.
    reg         [X_BITS-1:0] ahead;
    reg  [ADDRESS_BITS-1:0] address;

    // The loops that end with the next word, each with all those inside it.
    wire word_end   = word == LAST_PART[PART_BITS-1:0];
    wire line_end   = word_end & kx == LAST_KX[KX_BITS-1:0];
    wire pass_end   = line_end & ky == LAST_KY[KY_BITS-1:0];
    wire part_end   = pass_end & repeated == LAST_REPEAT[REPEAT_BITS-1:0];
    wire round_end  = part_end & part == LAST_GROUP[GROUP_BITS-1:0];
    wire window_end = round_end & round == LAST_ROUND[ROUND_BITS-1:0];
    wire row_end    = window_end & x == LAST_X[X_BITS-1:0];
    wire rows_end   = row_end & pass == LAST_PASS[PASS_BITS-1:0];
    wire frame_end  = rows_end & last_row;

    wire available = whole | (forming & !ahead[X_BITS-1]);
    wire issue     = !start | available;

    assign next = advance & issue & rows_end;

    reg [ADDRESS_BITS-1:0] step;
    reg [X_BITS-1:0]       x_step;
    always @* begin
        step   = TO_WORD[ADDRESS_BITS-1:0];
        x_step = {X_BITS{1'b0}};
        if (word_end) begin
            step   = TO_PIXEL[ADDRESS_BITS-1:0];
            x_step = ONE[X_BITS-1:0];
        end
        if (line_end) begin
            step   = TO_LINE[ADDRESS_BITS-1:0];
            x_step = BACK[X_BITS-1:0];
        end
        if (pass_end) step = TO_REPEAT[ADDRESS_BITS-1:0];
        if (part_end) step = TO_PART[ADDRESS_BITS-1:0];
        if (round_end) step = TO_ROUND[ADDRESS_BITS-1:0];
        if (window_end) begin
            step   = TO_WINDOW[ADDRESS_BITS-1:0];
            x_step = X_WINDOW[X_BITS-1:0];
        end
        if (row_end) begin
            step   = TO_AGAIN[ADDRESS_BITS-1:0];
            x_step = X_ROW[X_BITS-1:0];
        end
        if (rows_end)  step = TO_ROW[ADDRESS_BITS-1:0];
        if (frame_end) step = TO_FRAME[ADDRESS_BITS-1:0];
    end

    wire [ADDRESS_BITS:0] sum  = {1'b0, address} + {1'b0, step};
    wire [ADDRESS_BITS:0] less = sum - WHOLE[ADDRESS_BITS:0];

    always @(posedge clk)
        if (rst) begin
            start    <= 1'b1;
            word     <= {PART_BITS{1'b0}};
            kx       <= {KX_BITS{1'b0}};
            ky       <= {KY_BITS{1'b0}};
            repeated <= {REPEAT_BITS{1'b0}};
            part     <= {GROUP_BITS{1'b0}};
            round    <= {ROUND_BITS{1'b0}};
            pass     <= {PASS_BITS{1'b0}};
            x        <= FIRST_X[X_BITS-1:0];
            address  <= FIRST_ADDRESS[ADDRESS_BITS-1:0];
        end else if (advance & issue) begin
            start <= window_end;
            word  <= word_end ? {PART_BITS{1'b0}} : word + ONE[PART_BITS-1:0];
            if (word_end) kx       <= line_end   ? {KX_BITS{1'b0}}     : kx + ONE[KX_BITS-1:0];
            if (line_end) ky       <= pass_end   ? {KY_BITS{1'b0}}     : ky + ONE[KY_BITS-1:0];
            if (pass_end)
                repeated <= part_end   ? {REPEAT_BITS{1'b0}} : repeated + ONE[REPEAT_BITS-1:0];
            if (part_end) part     <= round_end ? {GROUP_BITS{1'b0}}   : part + ONE[GROUP_BITS-1:0];
            if (round_end)
                round    <= window_end ? {ROUND_BITS{1'b0}} : round + ONE[ROUND_BITS-1:0];
            if (row_end)  pass     <= rows_end   ? {PASS_BITS{1'b0}}   : pass + ONE[PASS_BITS-1:0];
            x       <= x + $signed(x_step);
            address <= sum >= WHOLE[ADDRESS_BITS:0]
                ? less[ADDRESS_BITS-1:0] : sum[ADDRESS_BITS-1:0];
        end
    wire [X_BITS-1:0] column_step =
        !pixel ? {X_BITS{1'b0}} : row_written ? TO_COLUMN_0[X_BITS-1:0] : ONE[X_BITS-1:0];
    always @(posedge clk)
        if (rst) ahead <= FIRST_AHEAD[X_BITS-1:0];
        else ahead <= ahead + column_step - (advance & issue ? x_step : {X_BITS{1'b0}});
    // The borrow.
    wire unused_less = &{1'b0, less[ADDRESS_BITS]};

    reg [ADDRESS_BITS-1:0] write_address;
    always @(posedge clk)
        if (rst) write_address <= {ADDRESS_BITS{1'b0}};
        else if (write) begin
            if (write_address == LAST_ADDRESS[ADDRESS_BITS-1:0])
                write_address <= {ADDRESS_BITS{1'b0}};
            else write_address <= write_address + ONE[ADDRESS_BITS-1:0];
        end

    // A word is never read at the edge at which it is written.
    (* no_rw_check *)
    reg [LANES*ELEMENT_BITS-1:0] memory [0:DEPTH-1];
    reg [LANES*ELEMENT_BITS-1:0] output_register;
    always @(posedge clk) if (write) memory[write_address] <= s_data;
    always @(posedge clk) if (advance & issue) output_register <= memory[address];

    // Whether the next word lies outside the image.
    reg     outside_row;
    integer i;
    always @* begin
        outside_row = outside[0];
        for (i = 1; i < K_H; i = i + 1)
            if (ky == i[KY_BITS-1:0]) outside_row = outside[i];
    end
    wire outside_column = x[X_BITS-1] | x > $signed(LAST_COLUMN[X_BITS-1:0]);

    reg fill;
    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (advance) m_valid <= issue;

    always @(posedge clk)
        if (advance) begin
            fill   <= outside_row | outside_column;
            m_user <= start & x == FIRST_X[X_BITS-1:0] & pass == {PASS_BITS{1'b0}} & row_user;
        end

    assign m_data = fill ? {LANES{FILL}} : output_register;
endmodule

`default_nettype wire
