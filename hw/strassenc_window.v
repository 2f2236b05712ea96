// strassenc_window: the windows of an image, K_H x K_W pixels each, in raster order, one whole
// window to a word.
//
// An image of HEIGHT x WIDTH pixels of ELEMENTS elements arrives in raster order, one pixel to a
// word, frame after frame.
// Window (Y, X), Y < ROWS, X < COLUMNS, covers rows Y*STRIDE_H-PAD_H+ky and columns
// X*STRIDE_W-PAD_W+kx, at least one of each inside the image; every pixel outside reads as FILL.
// m_data is in the order (ky, kx, element), the first in the low bits.
// m_user is the user bit of the frame's first pixel on its first window and low on the others.
// Each of the SLOTS = K_H + STRIDE_H rows of storage is a memory, so that a column of K_H pixels is
// read at once. Of a group of windows, those of equal Y, COLUMNS_PUSHED columns go through a shift
// register, one per clock, and a window is complete with its last column. The last windows of a
// group may want further columns, which do not matter, as they lie outside the image: then columns
// of the next group serve, if those that are still wanted are there, else empty ones.
// Latency: 2 clocks from the read of a window's last column. Reset touches control only. clken low
// freezes it.
`default_nettype none

module strassenc_window #(
    parameter                    ELEMENT_BITS = 8,
    parameter [ELEMENT_BITS-1:0] FILL         = 0,
    parameter                    HEIGHT       = 1,
    parameter                    WIDTH        = 1,
    parameter                    ELEMENTS     = 1,
    parameter                    K_H          = 1,
    parameter                    K_W          = 1,
    parameter                    STRIDE_H     = 1,
    parameter                    STRIDE_W     = 1,
    parameter                    PAD_H        = 0,
    parameter                    PAD_W        = 0,
    parameter                    ROWS         = 1,
    parameter                    COLUMNS      = 1,
    parameter                    SLOTS        = K_H + STRIDE_H
) (
    input  wire                                     clk,
    input  wire                                     clken,
    input  wire                                     rst,
    input  wire                                     s_valid,
    output wire                                     s_ready,
    input  wire [ELEMENTS*ELEMENT_BITS-1:0]         s_data,
    input  wire                                     s_user,
    output reg                                      m_valid,
    input  wire                                     m_ready,
    output wire [K_H*K_W*ELEMENTS*ELEMENT_BITS-1:0] m_data,
    output reg                                      m_user
);
    localparam PIXEL_BITS = ELEMENTS * ELEMENT_BITS;
    // The last columns of the first and of the last window of a group, counted on beyond the image;
    // a window is complete with the push of that number.
    localparam FIRST_END = K_W - 1 - PAD_W;
    localparam LAST_END  = (COLUMNS - 1) * STRIDE_W + FIRST_END;
    // Real columns of a group.
    localparam COLUMNS_READ = WIDTH < LAST_END + 1 ? WIDTH : LAST_END + 1;
    // Pushes of a group: so many that those its last windows want beyond end before the next
    // group's first window does, and before the next group does.
    localparam COLUMNS_SPAN   = (COLUMNS - 1) * STRIDE_W + 1;
    localparam COLUMNS_WIDE   = COLUMNS_SPAN > COLUMNS_READ ? COLUMNS_SPAN : COLUMNS_READ;
    localparam COLUMNS_PUSHED = (LAST_END + 2) / 2 > COLUMNS_WIDE
        ? (LAST_END + 2) / 2 : COLUMNS_WIDE;
    localparam TAIL_PUSHES    = LAST_END + 1 - COLUMNS_PUSHED;

    localparam COLUMN_BITS = WIDTH > 1 ? $clog2(WIDTH) : 1;
    localparam SLOT_BITS   = SLOTS > 1 ? $clog2(SLOTS) : 1;
    // Numbers of pushes: up to COLUMNS_PUSHED and LAST_END + 1; columns, of the image and of a
    // window.
    localparam MOST_PUSHES = LAST_END + WIDTH + 2;
    localparam PUSH_BITS   = $clog2(MOST_PUSHES > K_W ? MOST_PUSHES : K_W);

    localparam [31:0] ONE       = 1;
    localparam [31:0] LAST_PUSH = COLUMNS_PUSHED - 1;
    localparam [31:0] REAL      = COLUMNS_READ;
    localparam [31:0] TAIL      = TAIL_PUSHES;
    localparam [31:0] FIRST     = FIRST_END;
    localparam [31:0] LAST      = LAST_END;
    localparam [31:0] MOVE      = STRIDE_W;
    // Steps of columns, and of pushes, back to the first.
    localparam [31:0] TO_COLUMN_0 = 1 - WIDTH;
    localparam [31:0] TO_PUSH_0   = 1 - COLUMNS_PUSHED;

    // The whole pipeline moves at once.
    wire advance = (!m_valid | m_ready) & clken;

    wire                   write;
    wire [SLOT_BITS-1:0]   slot;
    wire [COLUMN_BITS-1:0] column;
    wire                   next;
    wire                   whole;
    wire                   forming;
    wire [SLOT_BITS-1:0]   top_slot;
    wire [K_H-1:0]         outside;
    wire                   last;
    wire                   row_user;
    wire                   pixel;
    wire                   row_end;
    strassenc_rows #(
        .HEIGHT(HEIGHT),
        .WIDTH (WIDTH),
        .WORDS (1),
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
        .row_end (row_end),
        .next    (next),
        .whole   (whole),
        .forming (forming),
        .top_slot(top_slot),
        .outside (outside),
        .last    (last),
        .user    (row_user)
    );
    wire unused = &{1'b0, last};

    // Issue. c: the next column of the group; due: pushes that the windows of the group before
    // still want; window_end: the push that completes the next window.
    reg  [PUSH_BITS-1:0] c;
    reg  [PUSH_BITS-1:0] due;
    reg  [PUSH_BITS-1:0] window_end;

    // By how many pixels more than the next column needs the row that is being written is complete,
    // less one; more than are due, of a group's first column.
    reg  [PUSH_BITS:0]   ahead;
    wire                 enough;

    wire at_start  = c == {PUSH_BITS{1'b0}};
    wire is_due    = due != {PUSH_BITS{1'b0}};
    // A group begins only when no empty column will have to come between its own.
    wire available = whole | (forming & !ahead[PUSH_BITS] & (!at_start | enough));
    wire is_real   = c < REAL[PUSH_BITS-1:0];
    wire issue     = available | !is_real;
    wire push      = issue | is_due;
    wire group_end = issue & c == LAST_PUSH[PUSH_BITS-1:0];
    // The number of this push, for the group of the next window.
    wire [PUSH_BITS-1:0] number = is_due ? LAST[PUSH_BITS-1:0] + ONE[PUSH_BITS-1:0] - due : c;
    wire completes    = push & number == window_end;
    wire first_window = window_end == FIRST[PUSH_BITS-1:0];

    assign next = advance & group_end;

    always @(posedge clk)
        if (rst) begin
            c          <= {PUSH_BITS{1'b0}};
            due        <= {PUSH_BITS{1'b0}};
            window_end <= FIRST[PUSH_BITS-1:0];
        end else if (advance) begin
            if (group_end)  c <= {PUSH_BITS{1'b0}};
            else if (issue) c <= c + ONE[PUSH_BITS-1:0];
            if (group_end)   due <= TAIL[PUSH_BITS-1:0];
            else if (is_due) due <= due - ONE[PUSH_BITS-1:0];
            if (completes) begin
                if (window_end == LAST[PUSH_BITS-1:0]) window_end <= FIRST[PUSH_BITS-1:0];
                else
                    window_end <= window_end + MOVE[PUSH_BITS-1:0];
            end
        end

    wire [PUSH_BITS:0] column_step = !pixel ? {(PUSH_BITS+1){1'b0}} :
        row_end ? TO_COLUMN_0[PUSH_BITS:0] : ONE[PUSH_BITS:0];
    wire [PUSH_BITS:0] c_step = group_end ? TO_PUSH_0[PUSH_BITS:0] : {{PUSH_BITS{1'b0}}, issue};
    always @(posedge clk)
        if (rst) ahead <= {(PUSH_BITS+1){1'b1}};
        else ahead <= ahead + column_step - (advance ? c_step : {(PUSH_BITS+1){1'b0}});
    generate
        if (TAIL_PUSHES == 0) begin : none_due
            assign enough = 1'b1;
        end else begin : some_due
            reg  [PUSH_BITS:0] beyond_due;
            wire [PUSH_BITS:0] now = {{(PUSH_BITS+1-COLUMN_BITS){1'b0}}, column};
            assign enough = !beyond_due[PUSH_BITS];
            always @(posedge clk)
                if (rst) beyond_due <= {(PUSH_BITS+1){1'b0}};
                else if (next) beyond_due <= now + column_step - TAIL[PUSH_BITS:0];
                else beyond_due <= beyond_due + column_step + {{PUSH_BITS{1'b0}}, advance & is_due};
        end
    endgenerate

    // The user bit of the group, known with its first column, and that of the group before.
    reg  group_user;
    reg  due_user;
    wire user = at_start ? row_user : group_user;
    always @(posedge clk)
        if (advance) begin
            group_user <= user;
            if (group_end) due_user <= user;
        end

    // Columns of the next window outside the image.
    wire [K_W-1:0] beyond;
    genvar         kx;
    generate
        for (kx = 0; kx < K_W; kx = kx + 1) begin : beyond_column
            localparam [31:0] LOW  = K_W - 1 - kx;
            localparam [31:0] HIGH = WIDTH - 1 + K_W - 1 - kx;
            wire left;
            wire right;
            if (FIRST_END < K_W - 1 - kx) begin : may_be_left
                assign left = window_end < LOW[PUSH_BITS-1:0];
            end else begin : never_left
                assign left = 1'b0;
            end
            if (LAST_END > WIDTH - 1 + K_W - 1 - kx) begin : may_be_right
                assign right = window_end > HIGH[PUSH_BITS-1:0];
            end else begin : never_right
                assign right = 1'b0;
            end
            assign beyond[kx] = left | right;
        end
    endgenerate

    // The clock after: the memories' output.
    reg                 push_1;
    reg                 completes_1;
    reg                 user_1;
    reg [SLOT_BITS-1:0] top_slot_1;
    reg [K_H-1:0]       outside_1;
    reg [K_W-1:0]       beyond_1;
    reg [K_W-1:0]       beyond_2;

    always @(posedge clk)
        if (rst) begin
            push_1      <= 1'b0;
            completes_1 <= 1'b0;
            m_valid     <= 1'b0;
        end else if (advance) begin
            push_1      <= push;
            completes_1 <= completes;
            m_valid     <= completes_1;
        end

    always @(posedge clk)
        if (advance) begin
            user_1     <= (is_due ? due_user : user) & first_window;
            top_slot_1 <= top_slot;
            outside_1  <= outside;
            beyond_1   <= beyond;
            m_user     <= user_1;
            beyond_2   <= beyond_1;
        end

    wire [SLOTS*PIXEL_BITS-1:0] read;
    genvar                      i;
    generate
        for (i = 0; i < SLOTS; i = i + 1) begin : bank
            localparam [31:0] HERE = i;
            // A word is never read at the edge at which it is written.
            (* no_rw_check *)
            reg [PIXEL_BITS-1:0] memory [0:WIDTH-1];
            reg [PIXEL_BITS-1:0] output_register;
            always @(posedge clk)
                if (write & slot == HERE[SLOT_BITS-1:0]) memory[column] <= s_data;
            always @(posedge clk)
                if (advance & is_real & available) output_register <= memory[c[COLUMN_BITS-1:0]];
            assign read[i*PIXEL_BITS +: PIXEL_BITS] = output_register;
        end
    endgenerate

    // Each row of the window takes its pixel from its slot.
    genvar ky, kz;
    generate
        for (ky = 0; ky < K_H; ky = ky + 1) begin : window_row
            reg     [PIXEL_BITS-1:0]     picked;
            reg     [K_W*PIXEL_BITS-1:0] pixels;
            integer                      top;
            always @* begin
                picked = {PIXEL_BITS{1'b0}};
                for (top = 0; top < SLOTS; top = top + 1)
                    if (top_slot_1 == top[SLOT_BITS-1:0])
                        picked = read[((top + ky) % SLOTS)*PIXEL_BITS +: PIXEL_BITS];
            end
            wire [PIXEL_BITS-1:0] entering = outside_1[ky] ? {ELEMENTS{FILL}} : picked;
            if (K_W == 1) begin : single
                always @(posedge clk) if (advance & push_1) pixels <= entering;
            end else begin : several
                always @(posedge clk)
                    if (advance & push_1) pixels <= {entering, pixels[K_W*PIXEL_BITS-1:PIXEL_BITS]};
            end
            for (kz = 0; kz < K_W; kz = kz + 1) begin : masked
                assign m_data[(ky*K_W+kz)*PIXEL_BITS +: PIXEL_BITS] =
                    beyond_2[kz] ? {ELEMENTS{FILL}} : pixels[kz*PIXEL_BITS +: PIXEL_BITS];
            end
        end
    endgenerate
endmodule

`default_nettype wire
