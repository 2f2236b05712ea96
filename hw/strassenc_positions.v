// strassenc_positions: the windows of a word, read once more for every block of filters.
//
// A frame of CHARACTERS characters of WORDS data words each arrives, words innermost. Once it is
// whole there leave, for each of STEPS steps, BLOCKS[step] times, for every position p < POSITIONS,
// for every tap t < TAPS[step]: the WORDS words of character min(p, LAST[step]) + t.
// So the positions beyond a step's last one repeat it, which changes no maximum.
// BLOCKS and TAPS, each at least 1, and LAST, each below POSITIONS and at most CHARACTERS -
// TAPS[step], are packed, 32 bits to a step, the first one in the low bits.
// m_user is the user bit of the frame's first word on the first word that leaves, and low on the
// others; m_last is high on the last word of a window.
// There is storage for two frames: one is taken while the other one is read. s_ready is high while
// fewer than two are whole; a frame goes with the read of its last word. m_data is the read port of
// the memory: while m_valid is low or m_ready is high a word is read if a frame is whole.
// Latency: 2 clocks from the last word of a frame to the first one that leaves, one word per clock,
// from frame to frame too.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_positions #(
    parameter                BITS       = 8,
    parameter                CHARACTERS = 4,
    parameter                WORDS      = 1,
    parameter                POSITIONS  = 3,
    parameter                STEPS      = 1,
    parameter [32*STEPS-1:0] BLOCKS     = {STEPS{32'd1}},
    parameter [32*STEPS-1:0] TAPS       = {STEPS{32'd2}},
    parameter [32*STEPS-1:0] LAST       = {STEPS{32'd0}}
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
    output reg             m_user,
    output reg             m_last
);
    // The most of a step.
    function integer most(input [32*STEPS-1:0] of_steps);
        integer i;
        begin
            most = 1;
            for (i = 0; i < STEPS; i = i + 1)
                if (of_steps[32*i +: 32] > most) most = of_steps[32*i +: 32];
        end
    endfunction

    localparam FRAME        = CHARACTERS * WORDS;
    localparam DEPTH        = 2 * FRAME;
    localparam MOST_BLOCKS  = most(BLOCKS);
    localparam MOST_TAPS    = most(TAPS);
    localparam ADDRESS_BITS = $clog2(DEPTH);

    localparam WORD_BITS      = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam CHARACTER_BITS = CHARACTERS > 1 ? $clog2(CHARACTERS) : 1;
    localparam TAP_BITS       = MOST_TAPS > 1 ? $clog2(MOST_TAPS) : 1;
    localparam POSITION_BITS  = POSITIONS > 1 ? $clog2(POSITIONS) : 1;
    localparam BLOCK_BITS     = MOST_BLOCKS > 1 ? $clog2(MOST_BLOCKS) : 1;
    localparam STEP_BITS      = STEPS > 1 ? $clog2(STEPS) : 1;

    localparam [31:0] LAST_WORD      = WORDS - 1;
    localparam [31:0] LAST_POSITION  = POSITIONS - 1;
    localparam [31:0] LAST_STEP      = STEPS - 1;
    localparam [31:0] LAST_ADDRESS   = DEPTH - 1;
    // Where the first frame ends, and the second one begins.
    localparam [31:0] FIRST_END      = FRAME - 1;
    localparam [31:0] SECOND_BEGIN   = FRAME;
    localparam [31:0] STRIDE         = WORDS;
    localparam [31:0] ONE            = 1;

    wire advance = !m_valid | m_ready;

    // ==== Whole frames in storage, at most two
    reg  [1:0] frames;
    wire       complete;
    wire       release_one;
    wire       available = frames != 2'd0;
    wire       issue     = advance & available;

    assign s_ready = !frames[1];

    always @(posedge clk)
        if (rst) frames <= 2'd0;
        else if (clken & (complete != release_one)) begin
            if (complete) frames <= frames + 2'd1;
            else          frames <= frames - 2'd1;
        end

    // ==== The writer: its address, and the user bits of both frames
    reg [ADDRESS_BITS-1:0] write_address;
    reg [1:0]              users;

    wire accept     = s_valid & s_ready;
    wire all_ends   = write_address == LAST_ADDRESS[ADDRESS_BITS-1:0];
    wire first_ends = write_address == FIRST_END[ADDRESS_BITS-1:0];

    assign complete = accept & (first_ends | all_ends);

    always @(posedge clk)
        if (rst) write_address <= {ADDRESS_BITS{1'b0}};
        else if (clken & accept)
            write_address <= all_ends
                ? {ADDRESS_BITS{1'b0}} : write_address + ONE[ADDRESS_BITS-1:0];

    always @(posedge clk)
        if (clken & accept) begin
            if (write_address == {ADDRESS_BITS{1'b0}})           users[0] <= s_user;
            if (write_address == SECOND_BEGIN[ADDRESS_BITS-1:0]) users[1] <= s_user;
        end

    // ==== The reader: the word that is read next
    reg [WORD_BITS-1:0]      word;
    reg [TAP_BITS-1:0]       tap;
    reg [POSITION_BITS-1:0]  position;
    reg [BLOCK_BITS-1:0]     block;
    reg [STEP_BITS-1:0]      step;
    reg                      slot;
    // It is the first one of its frame.
    reg                      first;
    // Its address, and the character and the address of its window's first word.
    reg [ADDRESS_BITS-1:0]   address;
    reg [CHARACTER_BITS-1:0] window_character;
    reg [ADDRESS_BITS-1:0]   window_address;

    // By step: it is at hand, and so is the last tap of its windows; its last block; its last
    // window that differs from others.
    wire [STEPS-1:0] last_tap;
    wire [STEPS-1:0] last_block;
    wire [STEPS-1:0] last_window;
    genvar           i;
    generate
        for (i = 0; i < STEPS; i = i + 1) begin : bounds
            localparam [31:0] HERE   = i;
            localparam [31:0] TAP    = TAPS[32*i +: 32] - 1;
            localparam [31:0] BLOCK  = BLOCKS[32*i +: 32] - 1;
            localparam [31:0] WINDOW = LAST[32*i +: 32];
            wire              here   = step == HERE[STEP_BITS-1:0];
            assign last_tap[i]    = here & tap == TAP[TAP_BITS-1:0];
            assign last_block[i]  = here & block == BLOCK[BLOCK_BITS-1:0];
            assign last_window[i] = here & window_character == WINDOW[CHARACTER_BITS-1:0];
        end
    endgenerate

    // The loops that end with the word, each with all those inside it.
    wire character_end = word == LAST_WORD[WORD_BITS-1:0];
    wire window_end    = character_end & |last_tap;
    wire block_end     = window_end & position == LAST_POSITION[POSITION_BITS-1:0];
    wire step_end      = block_end & |last_block;
    wire frame_end     = step_end & step == LAST_STEP[STEP_BITS-1:0];

    assign release_one = issue & frame_end;

    // Where the next window begins: where this one does, a character on, or at the first one of a
    // frame.
    wire                      stays       = |last_window;
    wire [ADDRESS_BITS-1:0]   frame_begin = slot ^ frame_end
        ? SECOND_BEGIN[ADDRESS_BITS-1:0] : {ADDRESS_BITS{1'b0}};
    wire [CHARACTER_BITS-1:0] next_window_character =
        block_end ? {CHARACTER_BITS{1'b0}} :
        stays     ? window_character : window_character + ONE[CHARACTER_BITS-1:0];
    wire [ADDRESS_BITS-1:0]   next_window_address =
        block_end ? frame_begin :
        stays     ? window_address : window_address + STRIDE[ADDRESS_BITS-1:0];

    always @(posedge clk)
        if (rst) begin
            word             <= {WORD_BITS{1'b0}};
            tap              <= {TAP_BITS{1'b0}};
            position         <= {POSITION_BITS{1'b0}};
            block            <= {BLOCK_BITS{1'b0}};
            step             <= {STEP_BITS{1'b0}};
            slot             <= 1'b0;
            first            <= 1'b1;
            address          <= {ADDRESS_BITS{1'b0}};
            window_character <= {CHARACTER_BITS{1'b0}};
            window_address   <= {ADDRESS_BITS{1'b0}};
        end else if (clken & issue) begin
            first <= frame_end;
            word  <= character_end ? {WORD_BITS{1'b0}} : word + ONE[WORD_BITS-1:0];
            if (character_end)
                tap      <= window_end ? {TAP_BITS{1'b0}}      : tap + ONE[TAP_BITS-1:0];
            if (window_end)
                position <= block_end  ? {POSITION_BITS{1'b0}} : position + ONE[POSITION_BITS-1:0];
            if (block_end)
                block    <= step_end   ? {BLOCK_BITS{1'b0}}    : block + ONE[BLOCK_BITS-1:0];
            if (step_end)
                step     <= frame_end  ? {STEP_BITS{1'b0}}     : step + ONE[STEP_BITS-1:0];
            if (frame_end)     slot     <= !slot;

            address <= window_end ? next_window_address : address + ONE[ADDRESS_BITS-1:0];
            if (window_end) begin
                window_character <= next_window_character;
                window_address   <= next_window_address;
            end
        end

    // ==== The memory, whose read port is m_data
    // A word is never read at the edge at which it is written.
    (* no_rw_check *)
    reg [BITS-1:0] memory [0:DEPTH-1];
    reg [BITS-1:0] fetched;

    always @(posedge clk) if (clken & accept) memory[write_address] <= s_data;
    always @(posedge clk) if (clken & advance) fetched <= memory[address];
    assign m_data = fetched;

    always @(posedge clk)
        if (rst) m_valid <= 1'b0;
        else if (clken & advance) m_valid <= available;
    always @(posedge clk)
        if (clken & advance) begin
            m_user <= first & users[slot];
            m_last <= window_end;
        end
endmodule

`default_nettype wire
