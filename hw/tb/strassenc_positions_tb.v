// Self-checking testbench of strassenc_positions: words of one and of several characters, one to
// four steps, windows of several widths and windows that repeat, frames longer and shorter than
// what is read of them; clock by clock compared with a plain model, under stalls of giver and
// taker, clken, resets in mid-frame.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_positions_check #(
    parameter                BITS       = 8,
    parameter                CHARACTERS = 4,
    parameter                WORDS      = 1,
    parameter                POSITIONS  = 3,
    parameter                STEPS      = 1,
    parameter [32*STEPS-1:0] BLOCKS     = 1,
    parameter [32*STEPS-1:0] TAPS       = 2,
    parameter [32*STEPS-1:0] LAST       = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam FRAME = CHARACTERS * WORDS;

    reg             rst;
    reg             clken;
    reg             s_valid;
    wire            s_ready;
    reg  [BITS-1:0] s_data;
    reg             s_user;
    wire            m_valid;
    reg             m_ready;
    wire [BITS-1:0] m_data;
    wire            m_user;
    wire            m_last;
    strassenc_positions #(
        .BITS(BITS), .CHARACTERS(CHARACTERS), .WORDS(WORDS), .POSITIONS(POSITIONS), .STEPS(STEPS),
        .BLOCKS(BLOCKS), .TAPS(TAPS), .LAST(LAST)
    ) dut (
        .clk(clk & !done), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user), .m_last(m_last)
    );

    integer        seed = BITS + 64 * CHARACTERS + 4096 * WORDS + 65536 * TAPS[7:0]
        + POSITIONS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer        mode, clocks, limit, taken, due_taken, read_frames, gap, stall, k;
    // Words that leave for a frame.
    integer        all;
    reg            pending, advance;
    // Whether two frames have been whole, none has been when a word could leave, and a user bit has
    // left of each kind.
    reg            full   = 1'b0;
    reg            empty  = 1'b0;
    reg            marked = 1'b0;
    reg            plain  = 1'b0;
    // What is in storage: whole frames, the place of the next word in, and that of the next word
    // out; what the output holds.
    reg [BITS-1:0] storage [0:2*FRAME-1];
    reg [1:0]      users;
    integer        frames, frames_then, write_slot, written, read_slot, position;
    reg            valid, user, ends;
    reg [BITS-1:0] data;

    // The place in its frame of word n that leaves, and whether it is the last one of its window.
    integer place;
    reg     last;
    task find(input integer n);
        integer p, s, window;
        begin
            s = 0;
            window = TAPS[31:0] * WORDS;
            while (n >= BLOCKS[32*s +: 32] * POSITIONS * window) begin
                n = n - BLOCKS[32*s +: 32] * POSITIONS * window;
                s = s + 1;
                window = TAPS[32*s +: 32] * WORDS;
            end
            p = n / window % POSITIONS;
            if (p > LAST[32*s +: 32]) p = LAST[32*s +: 32];
            place = p * WORDS + n % window;
            last = n % window == window - 1;
        end
    endtask

    task forget;
        begin
            frames = 0;
            write_slot = 0;
            written = 0;
            read_slot = 0;
            position = 0;
            valid = 1'b0;
        end
    endtask

    // What an edge with clken high does.
    task move;
        begin
            frames_then = frames;
            if (valid && m_ready) taken = taken + 1;
            if (advance) begin
                valid = frames_then > 0;
                empty = empty || !valid;
                if (valid) begin
                    find(position);
                    data = storage[read_slot * FRAME + place];
                    ends = last;
                    user = position == 0 && users[read_slot];
                    if (position == 0) begin
                        marked = marked || users[read_slot];
                        plain = plain || !users[read_slot];
                    end
                    position = position + 1;
                    if (position == all) begin
                        position = 0;
                        read_slot = 1 - read_slot;
                        frames = frames - 1;
                        read_frames = read_frames + 1;
                    end
                end
            end
            if (s_valid && frames_then < 2) begin
                storage[write_slot * FRAME + written] = s_data;
                if (written == 0) users[write_slot] = s_user;
                written = written + 1;
                if (written == FRAME) begin
                    written = 0;
                    write_slot = 1 - write_slot;
                    frames = frames + 1;
                    full = full || frames == 2;
                end
            end
        end
    endtask

    // mode 0: full rate; 1: slow taker; 2: slow giver; 3: both random; 4: bursts; 5: random, with
    // clken and resets.
    initial begin
        done = 1'b0;
        failures = 0;
        all = 0;
        for (k = 0; k < STEPS; k = k + 1) 
            all = all + BLOCKS[32*k +: 32] * POSITIONS * TAPS[32*k +: 32] * WORDS;
        limit = 500 + 24 * (FRAME + all);
        for (mode = 0; mode < 6; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            s_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            forget;
            pending = 1'b0;
            gap = 0;
            stall = 0;
            taken = 0;
            due_taken = 0;
            read_frames = 0;
            for (clocks = 0; clocks < limit; clocks = clocks + 1) begin
                // A giver may not withdraw a word.
                if (!pending) begin
                    s_valid = mode < 2 || ($random(seed) & 3) == 0
                        || (mode > 2 && ($random(seed) & 1) == 0);
                    if (mode == 4) begin
                        if (gap > 0) gap = gap - 1;
                        else if (($random(seed) & 15) == 0)
                            gap = $unsigned($random(seed)) % (2 * FRAME + 2);
                        s_valid = gap == 0;
                    end
                    s_data = {$random(seed), $random(seed)};
                    // What is on the other words is not read.
                    s_user = $random(seed);
                end
                m_ready = mode == 0 || mode == 2 || ($random(seed) & 1) == 0;
                if (mode == 4) begin
                    if (stall > 0) stall = stall - 1;
                    else if (($random(seed) & 31) == 0)
                        stall = $unsigned($random(seed)) % (3 * FRAME + 2);
                    m_ready = stall == 0;
                end
                clken = mode != 5 || ($random(seed) & 3) != 0;
                rst = mode == 5 && $unsigned($random(seed)) % (3 * (FRAME + all)) == 0;
                advance = !valid || m_ready;
                #1;
                if (s_ready !== (frames < 2) || m_valid !== valid
                    || (valid && (m_data !== data || m_user !== user || m_last !== ends))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "%m mode %0d, clock %0d, word %0d: %b %b, %h %b, not %b, %b, %h %b",
                            mode, clocks, position, s_ready, m_valid, m_data, m_user, frames < 2,
                            valid, data, user);
                end
                @(posedge clk);
                pending = s_valid && !(clken && frames < 2) && !rst;
                if (rst) forget;
                else if (clken) move;
                if (clocks > FRAME && (clocks - 1 - FRAME) % (all > FRAME ? all : FRAME) < all)
                    due_taken = due_taken + 1;
                @(negedge clk);
            end
            // One word per clock, the first one two clocks after the last one of its frame; between
            // frames nothing.
            if (mode == 0 ? taken != due_taken : read_frames < 4) begin
                failures = failures + 1;
                $display("%m mode %0d: %0d words instead of %0d, %0d frames", mode, taken,
                         due_taken, read_frames);
            end
        end
        if (!full || !empty || !marked || !plain) begin
            failures = failures + 1;
            $display("%m full %b, empty %b, marked %b, plain %b", full, empty, marked, plain);
        end
        done = 1'b1;
    end
endmodule

module strassenc_positions_tb;
    localparam CHECKS = 12;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [CHECKS-1:0]    done;
    wire [32*CHECKS-1:0] failures;

    // Parameters in order: BITS, CHARACTERS, WORDS, POSITIONS, STEPS, BLOCKS, TAPS, LAST.
    strassenc_positions_check #(1, 1, 1, 1, 1, 32'd1, 32'd1,
        32'd0)
        element (clk, done[0], failures[32*0 +: 32]);
    strassenc_positions_check #(8, 4, 1, 3, 1, 32'd1, 32'd2,
        32'd2)
        pairs (clk, done[1], failures[32*1 +: 32]);
    strassenc_positions_check #(9, 5, 3, 5, 1, 32'd1, 32'd1,
        32'd4)
        through (clk, done[2], failures[32*2 +: 32]);
    // Fewer words leave than come.
    strassenc_positions_check #(8, 7, 2, 3, 1, 32'd1, 32'd1,
        32'd2)
        few (clk, done[3], failures[32*3 +: 32]);
    strassenc_positions_check #(12, 6, 2, 6, 3, {32'd1, 32'd3, 32'd2}, {32'd3, 32'd2, 32'd1},
        {32'd3, 32'd4, 32'd5})
        widths (clk, done[4], failures[32*4 +: 32]);
    strassenc_positions_check #(16, 5, 3, 5, 2, {32'd5, 32'd1}, {32'd4, 32'd1},
        {32'd1, 32'd4})
        deep (clk, done[5], failures[32*5 +: 32]);
    strassenc_positions_check #(5, 8, 1, 8, 4, {32'd2, 32'd1, 32'd1, 32'd4},
        {32'd8, 32'd1, 32'd6, 32'd3},
        {32'd0, 32'd7, 32'd2, 32'd5})
        uneven (clk, done[6], failures[32*6 +: 32]);
    strassenc_positions_check #(8, 3, 2, 3, 2, {32'd2, 32'd2}, {32'd1, 32'd3},
        {32'd2, 32'd0})
        falling (clk, done[7], failures[32*7 +: 32]);
    // Positions beyond the word.
    strassenc_positions_check #(8, 5, 3, 7, 3, {32'd1, 32'd2, 32'd1}, {32'd3, 32'd1, 32'd2},
        {32'd2, 32'd2, 32'd3})
        repeats (clk, done[8], failures[32*8 +: 32]);
    strassenc_positions_check #(7, 1, 4, 2, 2, {32'd1, 32'd3}, {32'd1, 32'd1},
        {32'd0, 32'd0})
        letter (clk, done[9], failures[32*9 +: 32]);
    strassenc_positions_check #(40, 2, 1, 4, 2, {32'd3, 32'd3}, {32'd1, 32'd2},
        {32'd1, 32'd0})
        again (clk, done[10], failures[32*10 +: 32]);
    strassenc_positions_check #(8, 9, 2, 9, 3, {32'd2, 32'd1, 32'd1}, {32'd6, 32'd4, 32'd1},
        {32'd3, 32'd5, 32'd8})
        word (clk, done[11], failures[32*11 +: 32]);

    integer i;
    reg     failed;
    initial begin
        wait (&done);
        failed = 1'b0;
        for (i = 0; i < CHECKS; i = i + 1) if (failures[32*i +: 32] != 0) failed = 1'b1;
        if (!failed) $display("PASS strassenc_positions");
        else begin
            $display("FAIL strassenc_positions");
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
