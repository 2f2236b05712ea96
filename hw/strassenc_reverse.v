// strassenc_reverse: the pixels of each frame in the opposite order, the words of a pixel in order.
//
// A frame is PIXELS pixels of WORDS words. m_user is the user bit of the frame's first word that
// enters on the first that leaves, and low on the others.
// One memory of PIXELS + 1 pixels, which frames fill upwards and downwards in turn, so that a pixel
// is written where one was read just before: reading backwards follows the frame that is there, and
// the next frame follows what is read. One pixel is ahead, so that no word is written at the edge
// at which it is read, and a word enters at each clock at which one leaves.
// Latency: 2 clocks from the acceptance of a frame's last word to its first word out. Reset touches
// control only. clken low freezes it.
`default_nettype none

module strassenc_reverse #(
    parameter BITS   = 8,
    parameter PIXELS = 2,
    parameter WORDS  = 1
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
    localparam DEPTH        = (PIXELS + 1) * WORDS;
    localparam ADDRESS_BITS = $clog2(DEPTH);
    localparam COUNT_BITS   = $clog2(DEPTH + 1);
    localparam WORD_BITS    = WORDS > 1 ? $clog2(WORDS) : 1;

    localparam [31:0] ONE         = 1;
    localparam [31:0] LAST_WORD   = WORDS - 1;
    localparam [31:0] ALL         = DEPTH;
    // From the last word of a pixel to the first one of the pixel below.
    localparam [31:0] BELOW       = 1 - 2 * WORDS;
    // The last words of frames upwards and downwards, as they are written and as they are read; and
    // where reading begins.
    localparam [31:0] WRITTEN_UP   = PIXELS * WORDS - 1;
    localparam [31:0] WRITTEN_DOWN = 2 * WORDS - 1;
    localparam [31:0] READ_UP      = (PIXELS + 1) * WORDS - 1;
    localparam [31:0] READ_DOWN    = WORDS - 1;
    localparam [31:0] READ_FIRST   = (PIXELS - 1) * WORDS;

    // A word is never read at the edge at which it is written.
    (* no_rw_check *)
    reg [BITS-1:0] memory [0:DEPTH-1];
    reg [BITS-1:0] fetched;

    // Words in the memory, and whole frames that are not read yet, at most two.
    reg [COUNT_BITS-1:0] count;
    reg [1:0]            frames;

    assign s_ready = count != ALL[COUNT_BITS-1:0];

    // The writer: the word that comes next, its place in its pixel, whether its frame goes down.
    reg                    write_down;
    reg [WORD_BITS-1:0]    write_word;
    reg [ADDRESS_BITS-1:0] write_address;

    wire accept        = s_valid & s_ready;
    wire pixel_written = write_word == LAST_WORD[WORD_BITS-1:0];
    wire complete      = accept & pixel_written & write_address
                         == (write_down ? WRITTEN_DOWN[ADDRESS_BITS-1:0]
                                        : WRITTEN_UP[ADDRESS_BITS-1:0]);

    // The reader: the word that is read next. It goes up where the writer went down.
    reg                    read_up;
    reg                    read_first;
    reg [WORD_BITS-1:0]    read_word;
    reg [ADDRESS_BITS-1:0] read_address;

    wire advance    = !m_valid | m_ready;
    wire available  = frames != 2'd0;
    wire issue      = advance & available;
    wire pixel_read = read_word == LAST_WORD[WORD_BITS-1:0];
    wire frame_read = pixel_read & read_address
                      == (read_up ? READ_UP[ADDRESS_BITS-1:0] : READ_DOWN[ADDRESS_BITS-1:0]);
    wire last_read  = issue & frame_read;

    // A frame upwards begins above the one before, one downwards below it, and so it goes on.
    wire write_below = pixel_written & write_down;
    wire read_below  = pixel_read & (read_up == frame_read);

    always @(posedge clk)
        if (rst) begin
            write_down    <= 1'b0;
            write_word    <= {WORD_BITS{1'b0}};
            write_address <= {ADDRESS_BITS{1'b0}};
        end else if (clken & accept) begin
            write_down    <= write_down ^ complete;
            write_word    <= pixel_written ? {WORD_BITS{1'b0}} : write_word + ONE[WORD_BITS-1:0];
            write_address <= write_address
                + (write_below ? BELOW[ADDRESS_BITS-1:0] : ONE[ADDRESS_BITS-1:0]);
        end

    always @(posedge clk)
        if (rst) begin
            read_up      <= 1'b0;
            read_first   <= 1'b1;
            read_word    <= {WORD_BITS{1'b0}};
            read_address <= READ_FIRST[ADDRESS_BITS-1:0];
        end else if (clken & issue) begin
            read_up      <= read_up ^ frame_read;
            read_first   <= frame_read;
            read_word    <= pixel_read ? {WORD_BITS{1'b0}} : read_word + ONE[WORD_BITS-1:0];
            read_address <= read_address
                + (read_below ? BELOW[ADDRESS_BITS-1:0] : ONE[ADDRESS_BITS-1:0]);
        end

    always @(posedge clk)
        if (rst) begin
            count  <= {COUNT_BITS{1'b0}};
            frames <= 2'd0;
        end else if (clken) begin
            if (accept != issue)
                count <= accept ? count + ONE[COUNT_BITS-1:0] : count - ONE[COUNT_BITS-1:0];
            if (complete != last_read) frames <= complete ? frames + 2'd1 : frames - 2'd1;
        end

    always @(posedge clk) if (clken & accept) memory[write_address] <= s_data;
    always @(posedge clk) if (clken & advance) fetched <= memory[read_address];
    assign m_data = fetched;

    // The user bits of the two frames.
    reg  [1:0] users;
    reg        write_first;
    always @(posedge clk)
        if (rst) write_first <= 1'b1;
        else if (clken & accept) write_first <= complete;
    always @(posedge clk) if (clken & accept & write_first) users[write_down] <= s_user;

    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (clken & advance) m_valid <= available;
    always @(posedge clk) if (clken & advance) m_user <= read_first & users[read_up];
endmodule

`default_nettype wire
