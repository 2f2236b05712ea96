// Self-checking testbench of strassenc_reload: chains of 1, 31, 32, 33 and 100 bits are what the
// table was when it was asked for, after reset too; nothing enters meanwhile, what is under way has
// left before, and whole frames alone stand before and after; random traffic, clken, reset.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_reload_check #(
    parameter BITS = 32
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam WORDS        = (BITS + 31) / 32;
    localparam ADDRESS_BITS = WORDS > 1 ? $clog2(WORDS) : 1;

    reg                     clken, rst, load;
    wire                    between, empty, hold, loading, read, begins, shift, shifted;
    wire             [31:0] loads;
    wire [ADDRESS_BITS-1:0] address;
    reg              [31:0] word;

    strassenc_reload #(
        .BITS(BITS)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst), .load(load), .between(between), .empty(empty),
            .hold(hold),
        .loading(loading), .loads(loads), .read(read), .address(address), .word(word),
            .begins(begins),
        .shift(shift), .shifted(shifted)
    );

    reg [32*WORDS-1:0] memory;
    always @(posedge clk) if (clken & read) word <= memory[32*address +: 32];

    // The chain.
    reg  [BITS-1:0] value;
    wire [BITS:0]   next = {value, shifted};
    always @(posedge clk) if (shift & clken) value <= next[BITS-1:0];

    // A core: frames of two words, of which up to 7 are under way, and the chain as the first of
    // them found it.
    reg            offers, takes, begun;
    integer        under_way;
    reg [BITS-1:0] found;
    wire           accept = offers & !hold;
    assign between = accept ? begun : !begun;
    assign empty   = under_way == 0;

    integer seed = BITS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed, next};
    integer clocks, asked;
    reg     taken, idle;
    reg [BITS-1:0] was;

    task fail(input [8*16-1:0] what);
        begin
            failures = failures + 1;
            if (failures < 10) $display("BITS %0d, clock %0d: %0s", BITS, clocks, what);
        end
    endtask

    initial begin
        done = 1'b0;
        failures = 0;
        rst = 1'b1;
        {load, offers, takes, begun} = 4'd0;
        clken = 1'b1;
        under_way = 0;
        asked = 0;
        memory = {WORDS{32'h9e3779b9}};
        repeat (2) @(negedge clk);
        for (clocks = 0; clocks < 40000; clocks = clocks + 1) begin
            rst = ($random(seed) & 4095) == 0;
            clken = ($random(seed) & 3) != 0;
            offers = $random(seed);
            takes = $random(seed);
            // The table changes and a load is asked for while none is under way.
            if (!load) begin
                load = !loading && ($random(seed) & 63) == 0;
                if (load) memory = memory * 32'd1664525 + $random(seed);
            end
            #1;
            if (shift & !(hold & loading)) fail("shifts while open");
            if (shift & (under_way != 0 | begun)) fail("shifts in a frame");
            if (hold & !loading) fail("held for nothing");
            if (begins & (read | shift | !hold)) fail("begins again");
            taken = accept;
            was = value;
            idle = !loading & !load;
            @(posedge clk);
            #1;
            if (rst) begin
                under_way = 0;
                begun = 1'b0;
                asked = 0;
            end else if (clken) begin
                if (taken) begin
                    if (was !== memory[BITS-1:0] && idle) fail("another table");
                    if (!begun && under_way == 0) found = was;
                    if (was !== found) fail("a change in a frame");
                    if (begun) under_way = under_way + 1;
                    begun = !begun;
                end else if (takes && under_way > 0) under_way = under_way - 1;
                if (load) asked = asked + 1;
                if (under_way > 7) offers = 1'b0;
            end
            if (clken | rst) load = 1'b0;
            @(negedge clk);
            if (!loading && !load && value !== memory[BITS-1:0]) fail("not loaded");
            if (loads > asked + 1) fail("loads");
        end
        if (loads < 3) fail("too few loads");
        done = 1'b1;
    end
endmodule

module strassenc_reload_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [4:0] done;
    wire [31:0] failures [0:4];
    strassenc_reload_check #(.BITS(1))   check_0 (.clk(clk), .done(done[0]),
        .failures(failures[0]));
    strassenc_reload_check #(.BITS(31))  check_1 (.clk(clk), .done(done[1]),
        .failures(failures[1]));
    strassenc_reload_check #(.BITS(32))  check_2 (.clk(clk), .done(done[2]),
        .failures(failures[2]));
    strassenc_reload_check #(.BITS(33))  check_3 (.clk(clk), .done(done[3]),
        .failures(failures[3]));
    strassenc_reload_check #(.BITS(100)) check_4 (.clk(clk), .done(done[4]),
        .failures(failures[4]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3]
                | failures[4]) == 0) $display("PASS strassenc_reload");
            else begin
                $display("FAIL strassenc_reload");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
