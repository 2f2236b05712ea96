// Self-checking testbench of strassenc_loaded_memory: memories of 1 x 1, 3 x 5, 8 x 1 and 13 x 4
// bits in a row hold what was shifted in since the load began, and nothing else moves them.
// verilator lint_off WIDTH
`default_nettype none

module strassenc_loaded_memory_tb;
    localparam BITS = 1 + 15 + 8 + 52;

    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    reg         begins, shift, s, enable;
    reg   [2:0] address;
    wire  [3:0] full;
    wire        one;
    wire  [2:0] three;
    wire  [7:0] eight;
    wire [12:0] thirteen;

    strassenc_loaded_memory #(.BITS(1), .DEPTH(1)) u_one (.clk(clk), .begins(begins),
        .shift(shift), .s(s), .enters(1'b1), .full(full[0]), .enable(enable), .address(1'b0),
        .data(one));
    strassenc_loaded_memory #(.BITS(3), .DEPTH(5)) u_three (.clk(clk), .begins(begins),
        .shift(shift), .s(s), .enters(full[0]), .full(full[1]), .enable(enable),
        .address(address), .data(three));
    strassenc_loaded_memory #(.BITS(8), .DEPTH(1)) u_eight (.clk(clk), .begins(begins),
        .shift(shift), .s(s), .enters(full[1]), .full(full[2]), .enable(enable), .address(1'b0),
        .data(eight));
    strassenc_loaded_memory #(.BITS(13), .DEPTH(4)) u_thirteen (.clk(clk), .begins(begins),
        .shift(shift), .s(s), .enters(full[2]), .full(full[3]), .enable(enable),
        .address(address[1:0]), .data(thirteen));

    integer        seed = 1;
    // Seeds are nothing to Verilator.
    wire           unused = &{1'b0, seed};
    integer        load, left, failures, i;
    // What was shifted in, the latest bit lowest.
    reg [BITS-1:0] given;
    reg     [24:0] due;

    initial begin
        failures = 0;
        {begins, shift, s, enable, address} = 7'd0;
        for (load = 0; load < 200; load = load + 1) begin
            // Some loads are broken off, as by a reset.
            @(negedge clk);
            begins = 1'b1;
            shift = $random(seed);
            @(negedge clk);
            begins = 1'b0;
            left = ($random(seed) & 3) == 0 ? $random(seed) & 63 : BITS;
            while (left > 0) begin
                shift = ($random(seed) & 3) != 0;
                s = $random(seed);
                enable = $random(seed);
                if (shift) begin
                    given = {given[BITS-2:0], s};
                    left = left - 1;
                end
                @(negedge clk);
            end
            // Bits of what is behind in the table.
            if (full[3])
                for (i = 0; i < 40; i = i + 1) begin
                    shift = i < 20;
                    s = $random(seed);
                    enable = 1'b1;
                    address = $random(seed);
                    if (address > 3'd4) address = 3'd4;
                    @(negedge clk);
                    due = {given[75], given[60 + 3 * address +: 3], given[59:52],
                        given[13 * address[1:0] +: 13]};
                    if ({one, three, eight, thirteen} !== due) begin
                        failures = failures + 1;
                        if (failures < 10) $display("load %0d, word %0d: %h instead of %h", load,
                            address, {one, three, eight, thirteen}, due);
                    end
                    // What is not asked for stays.
                    enable = 1'b0;
                    address = 3'd0;
                    @(negedge clk);
                    if ({one, three, eight, thirteen} !== due) failures = failures + 1;
                end
            shift = 1'b0;
        end
        if (failures == 0 && full[3]) $display("PASS strassenc_loaded_memory");
        else begin
            $display("FAIL strassenc_loaded_memory");
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
