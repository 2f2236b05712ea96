// Self-checking testbench of strassenc_control: every register, what is refused, the counts of
// frames of both kinds of framing and by number, of one output and of several, tables, random
// stalls on all channels, clken.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
// Tasks and models compute as they go.
// verilator lint_off BLKSEQ
`default_nettype none

module strassenc_control_check #(
    parameter FRAME_WORDS  = 2,
    parameter OUTPUTS      = 1,
    parameter BY_COUNT     = 0,
    parameter WHOLE_FRAMES = 0,
    parameter TABLE_WORDS  = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam ADDRESS_BITS = TABLE_WORDS > 0 ? 8 : 7;
    localparam TABLE_BITS   = TABLE_WORDS > 1 ? $clog2(TABLE_WORDS) : 1;
    localparam [255:0] MODEL =
        256'h0123456789abcdef_00112233445566778899aabbccddeeff_fedcba9876543210;

    reg                     clken, rst;
    reg  [ADDRESS_BITS-1:0] awaddr, araddr;
    reg                     awvalid, wvalid, bready, arvalid, rready;
    wire                    awready, wready, bvalid, arready, rvalid;
    reg              [31:0] wdata;
    reg               [3:0] wstrb;
    wire              [1:0] bresp, rresp;
    wire             [31:0] rdata;
    reg                     s_valid, s_ready, s_last;
    reg       [OUTPUTS-1:0] m_valid, m_ready, m_last;
    reg                     frame_error, loading;
    wire                    frame_error_clear, between, empty, load;
    reg              [31:0] loads;
    wire                    table_write, table_read;
    wire   [TABLE_BITS-1:0] table_write_address, table_read_address;
    wire             [31:0] table_data;
    reg              [31:0] table_word;

    strassenc_control #(
        .ADDRESS_BITS(ADDRESS_BITS),
        .FRAME_WORDS (FRAME_WORDS),
        .OUTPUTS     (OUTPUTS),
        .BY_COUNT    (BY_COUNT),
        .WHOLE_FRAMES(WHOLE_FRAMES),
        .VERSION     (32'h00010203),
        .MODEL       (MODEL),
        .TABLE_WORDS (TABLE_WORDS)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .awaddr(awaddr), .awvalid(awvalid), .awready(awready),
        .wdata(wdata), .wstrb(wstrb), .wvalid(wvalid), .wready(wready),
        .bresp(bresp), .bvalid(bvalid), .bready(bready),
        .araddr(araddr), .arvalid(arvalid), .arready(arready),
        .rdata(rdata), .rresp(rresp), .rvalid(rvalid), .rready(rready),
        .s_valid(s_valid), .s_ready(s_ready), .s_last(s_last),
        .m_valid(m_valid), .m_ready(m_ready), .m_last(m_last),
        .frame_error(frame_error), .frame_error_clear(frame_error_clear),
        .between(between), .empty(empty), .loading(loading), .loads(loads), .load(load),
        .table_write(table_write), .table_write_address(table_write_address),
            .table_data(table_data),
        .table_read(table_read), .table_read_address(table_read_address), .table_word(table_word)
    );

    // ==== The table
    localparam DEPTH = TABLE_WORDS > 0 ? TABLE_WORDS : 1;
    reg [31:0] memory [0:DEPTH-1];
    reg [31:0] written [0:DEPTH-1];
    always @(posedge clk) begin
        if (table_write) memory[table_write_address] <= table_data;
        if (table_read) table_word <= memory[table_read_address];
    end

    // ==== Frames, counted once more; what is cleared and loaded
    integer entered, left, word, clears, cleared, requests, requested;
    integer output_number;
    integer of_output [0:OUTPUTS-1];
    reg     late;
    wire    at_end = BY_COUNT != 0 ? word == FRAME_WORDS - 1 : s_last;
    always @(posedge clk)
        if (rst) begin
            entered = 0;
            left = 0;
            for (output_number = 0; output_number < OUTPUTS; output_number = output_number + 1)
                of_output[output_number] = 0;
            word = 0;
            late = 1'b0;
            cleared = 0;
            requested = 0;
        end else if (clken) begin
            if (s_valid & s_ready) begin
                if (at_end) begin
                    if (WHOLE_FRAMES != 0 || (word == FRAME_WORDS - 1 && !late))
                        entered = entered + 1;
                    word = 0;
                    late = 1'b0;
                end else begin
                    late = late | word == FRAME_WORDS - 1;
                    word = word == FRAME_WORDS - 1 ? 0 : word + 1;
                end
            end
            // The output that is behind says how many frames have left all of them.
            left = of_output[0] + 1;
            for (output_number = 0; output_number < OUTPUTS; output_number = output_number + 1)
            begin
                if (m_valid[output_number] & m_ready[output_number] & m_last[output_number])
                    of_output[output_number] = of_output[output_number] + 1;
                if (of_output[output_number] < left) left = of_output[output_number];
            end
            if (frame_error_clear) cleared = cleared + 1;
            if (load) requested = requested + 1;
        end

    integer seed = FRAME_WORDS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed, empty};
    integer turn, waited, taken;
    reg [31:0] value;
    reg        refused, traffic;

    // A clock: others move, and what this end of a channel does is up to chance.
    task tick;
        begin
            @(negedge clk);
            clken = ($random(seed) & 3) != 0;
            bready = ($random(seed) & 1) != 0;
            rready = ($random(seed) & 1) != 0;
            s_valid = traffic && ($random(seed) & 1) != 0;
            s_ready = $random(seed);
            s_last = ($random(seed) & 7) == 0 ? $random(seed) : word == FRAME_WORDS - 1;
            m_valid = traffic ? $random(seed) : 0;
            m_ready = $random(seed);
            m_last = $random(seed);
        end
    endtask

    task fail(input [8*16-1:0] what, input [31:0] got, input [31:0] due);
        begin
            failures = failures + 1;
            if (failures < 10) $display("turn %0d: %0s is %h instead of %h", turn, what, got, due);
        end
    endtask

    // Address and data come in any order; the answer has to come, once, and to stay.
    task write(input [ADDRESS_BITS-1:0] address, input [31:0] data, input [3:0] strobes);
        reg address_first, both, answered;
        begin
            address_first = $random(seed);
            both = 1'b0;
            awaddr = address;
            wdata = data;
            wstrb = strobes;
            awvalid = address_first;
            wvalid = !address_first;
            answered = 1'b0;
            waited = 0;
            while (!answered && waited < 200) begin
                #1;
                if (clken && (awvalid && awready) !== (wvalid && wready)) fail("a lone channel",
                    1, 0);
                taken = clken && awvalid && awready;
                answered = clken && bvalid && bready;
                refused = bresp != 2'd0;
                @(posedge clk);
                #1;
                if (taken) begin
                    awvalid = 1'b0;
                    wvalid = 1'b0;
                    awaddr = $random(seed);
                    wdata = $random(seed);
                end else if (waited > 2 && !answered && !both) begin
                    awvalid = 1'b1;
                    wvalid = 1'b1;
                    both = 1'b1;
                end
                tick;
                waited = waited + 1;
            end
            if (!answered) fail("no answer", 0, 1);
        end
    endtask

    task read(input [ADDRESS_BITS-1:0] address);
        reg answered;
        begin
            araddr = address;
            arvalid = 1'b1;
            answered = 1'b0;
            waited = 0;
            while (!answered && waited < 200) begin
                #1;
                taken = clken && arvalid && arready;
                answered = clken && rvalid && rready;
                value = rdata;
                refused = rresp != 2'd0;
                @(posedge clk);
                #1;
                if (taken) begin
                    arvalid = 1'b0;
                    araddr = $random(seed);
                end
                tick;
                waited = waited + 1;
            end
            if (!answered) fail("no word", 0, 1);
        end
    endtask

    task expect_word(input [ADDRESS_BITS-1:0] address, input [31:0] due);
        begin
            read(address);
            if (refused || value !== due) fail("a register", value, due);
        end
    endtask

    task expect_refused(input is_write, input [ADDRESS_BITS-1:0] address, input [31:0] data,
        input [3:0] strobes);
        begin
            if (is_write) write(address, data, strobes);
            else read(address);
            if (!refused) fail("not refused", address, 0);
        end
    endtask

    initial begin
        done = 1'b0;
        failures = 0;
        traffic = 1'b0;
        {awvalid, wvalid, arvalid, frame_error, loading} = 5'd0;
        loads = 32'd5;
        rst = 1'b1;
        tick;
        tick;
        tick;
        rst = 1'b0;
        clears = 0;
        requests = 0;
        for (turn = 0; turn < 60; turn = turn + 1) begin
            traffic = 1'b1;
            repeat (20) tick;
            traffic = 1'b0;
            tick;
            frame_error = turn & 1;
            expect_word('h00, 32'h53545243);
            expect_word('h04, 32'd1);
            expect_word('h08, 32'h00010203);
            expect_word('h0c, 32'd0);
            expect_word('h10, {30'd0, entered == left, frame_error});
            expect_word('h14, entered);
            expect_word('h18, left);
            expect_word('h1c, loads);
            expect_word('h20, TABLE_WORDS);
            expect_word('h40, MODEL[255:224]);
            expect_word('h58, MODEL[63:32]);
            expect_word('h5c, MODEL[31:0]);
            expect_refused(1'b0, 'h24, 0, 0);
            expect_refused(1'b0, 'h7c, 0, 0);
            expect_refused(1'b1, 'h00, 3, 15);
            expect_refused(1'b1, 'h0c, 3, 7);
            write('h0c, 1, 15);
            clears = clears + 1;
            if (TABLE_WORDS == 0) begin
                expect_refused(1'b1, 'h0c, 2, 15);
            end else begin
                value = $random(seed);
                waited = turn % TABLE_WORDS;
                written[turn % TABLE_WORDS] = value;
                write(128 + 4 * (turn % TABLE_WORDS), value, 15);
                if (refused) fail("a refused word", 1, 0);
                expect_refused(1'b1, 128 + 4 * (turn % TABLE_WORDS), ~value, 14);
                if (turn >= TABLE_WORDS)
                    expect_word(128 + 4 * ((turn + 1) % TABLE_WORDS),
                        written[(turn + 1) % TABLE_WORDS]);
                expect_refused(1'b0, 128 + 4 * TABLE_WORDS, 0, 0);
                expect_refused(1'b1, 128 + 4 * TABLE_WORDS, 0, 15);
                write('h0c, 2, 15);
                requests = requests + 1;
                loading = 1'b1;
                expect_refused(1'b1, 'h0c, 2, 15);
                expect_refused(1'b1, 128, 0, 15);
                expect_refused(1'b0, 128, 0, 0);
                expect_word('h10, {29'd0, 1'b1, entered == left, frame_error});
                loading = 1'b0;
                loads = loads + 1;
            end
            repeat (4) tick;
            if (cleared != clears) fail("clears", cleared, clears);
            if (requested != requests) fail("loads", requested, requests);
            if (between !== (word == 0 && !late)) fail("between", between, word);
        end
        if (entered < 20 || left < 20) fail("few frames", entered, left);
        done = 1'b1;
    end
endmodule

module strassenc_control_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [3:0] done;
    wire [31:0] failures [0:3];
    strassenc_control_check #(.FRAME_WORDS(1)) check_0 (.clk(clk), .done(done[0]),
        .failures(failures[0]));
    strassenc_control_check #(.FRAME_WORDS(3), .OUTPUTS(2), .TABLE_WORDS(1)) check_1 (.clk(clk),
        .done(done[1]), .failures(failures[1]));
    strassenc_control_check #(.FRAME_WORDS(4), .OUTPUTS(3), .WHOLE_FRAMES(1),
        .TABLE_WORDS(7)) check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_control_check #(.FRAME_WORDS(2), .BY_COUNT(1), .TABLE_WORDS(31)) check_3 (.clk(clk),
        .done(done[3]), .failures(failures[3]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2]
                | failures[3]) == 0) $display("PASS strassenc_control");
            else begin
                $display("FAIL strassenc_control");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
