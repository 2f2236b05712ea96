// Self-checking testbench of strassenc_highway: signed and unsigned x, h beyond both ends of x,
// tables with 0 and 1.0; clock by clock under random stalls of both givers and the taker, clken,
// reset in mid-stream.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_highway_check #(
    parameter GATE_BITS    = 8,
    parameter SIGMOID_FRAC = 7,
    parameter X_BITS       = 8,
    parameter X_SIGNED     = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam DEPTH  = 1 << (GATE_BITS - 1);
    localparam STAGES = 6;

    reg                    rst;
    reg                    clken;
    reg                    a_valid;
    wire                   a_ready;
    reg  [2*GATE_BITS-1:0] a_data;
    reg                    a_user;
    reg                    b_valid;
    wire                   b_ready;
    reg  [X_BITS-1:0]      b_data;
    reg                    b_user;
    wire                   m_valid;
    reg                    m_ready;
    wire [X_BITS-1:0]      m_data;
    wire                   m_user;
    wire                   table_enable;
    wire [GATE_BITS-2:0]   sigmoid_address;
    reg  [SIGMOID_FRAC:0]  sigmoid_data;
    strassenc_highway #(.GATE_BITS(GATE_BITS), .SIGMOID_FRAC(SIGMOID_FRAC), .X_BITS(X_BITS),
        .X_SIGNED(X_SIGNED)) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .a_valid(a_valid), .a_ready(a_ready), .a_data(a_data), .a_user(a_user),
        .b_valid(b_valid), .b_ready(b_ready), .b_data(b_data), .b_user(b_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user),
        .table_enable(table_enable), .sigmoid_address(sigmoid_address), .sigmoid_data(sigmoid_data)
    );
    reg [SIGMOID_FRAC:0] rom [0:DEPTH-1];
    always @(posedge clk) if (table_enable) sigmoid_data <= rom[sigmoid_address];

    integer             seed = GATE_BITS + 64 * SIGMOID_FRAC + 4096 * X_BITS;
    integer             mode, clocks, taken, k, most;
    reg                 pending_a, pending_b, advance, both;
    reg signed [63:0]   t, h, x, z;
    // Seeds are nothing to Verilator; high bits are cut off.
    wire unused = &{1'b0, seed, z};
    reg [GATE_BITS-1:0] gate;
    reg                 stage_valid [0:STAGES-1];
    reg                 stage_user  [0:STAGES-1];
    reg [X_BITS-1:0]    stage_data  [0:STAGES-1];

    function signed [63:0] number(input [GATE_BITS-1:0] bits);
        number = $signed({{(64-GATE_BITS){bits[GATE_BITS-1]}}, bits});
    endfunction

    task compute;
        begin
            gate = a_data[GATE_BITS-1:0];
            k = gate[GATE_BITS-1] ? (1 << GATE_BITS) - gate : gate;
            if (k > DEPTH - 1) k = DEPTH - 1;
            t = rom[k];
            if (gate[GATE_BITS-1]) t = (64'sd1 <<< SIGMOID_FRAC) - t;
            h = number(a_data[GATE_BITS +: GATE_BITS]);
            most = (1 << (X_SIGNED != 0 ? X_BITS - 1 : X_BITS)) - 1;
            if (h < 0) h = 0;
            if (h > most) h = most;
            x = X_SIGNED != 0
                ? $signed({{(64-X_BITS){b_data[X_BITS-1]}}, b_data})
                : $signed({{(64-X_BITS){1'b0}}, b_data});
            z = x + ((t * (h - x) + (64'sd1 <<< (SIGMOID_FRAC - 1))) >>> SIGMOID_FRAC);
        end
    endtask

    // mode 0: full rate; 1: slow taker; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        for (k = 0; k < DEPTH; k = k + 1)
            rom[k] = ($random(seed) & 32'h7fffffff) % ((1 << SIGMOID_FRAC) + 1);
        rom[0] = 1 << SIGMOID_FRAC;
        rom[DEPTH-1] = 0;
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            a_valid = 1'b0;
            b_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            for (k = 0; k < STAGES; k = k + 1) stage_valid[k] = 1'b0;
            pending_a = 1'b0;
            pending_b = 1'b0;
            taken = 0;
            for (clocks = 0; clocks < 1000; clocks = clocks + 1) begin
                if (!pending_a) begin
                    a_valid = mode < 2 || ($random(seed) & 3) != 0;
                    a_data = {$random(seed), $random(seed)};
                    case ($random(seed) & 7)
                        0:       a_data[GATE_BITS-1:0] = {GATE_BITS{1'b1}} >> 1;
                        1:       a_data[GATE_BITS-1:0] = ~({GATE_BITS{1'b1}} >> 1);
                        2:       a_data[GATE_BITS-1:0] = 0;
                        default: ;
                    endcase
                    a_user = $random(seed);
                end
                if (!pending_b) begin
                    b_valid = mode < 2 || ($random(seed) & 3) != 0;
                    b_data = $random(seed);
                    b_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 63) == 0;
                advance = !stage_valid[STAGES-1] || m_ready;
                #1;
                if (a_ready !== (advance && b_valid) || b_ready !== (advance && a_valid)
                        || m_valid !== stage_valid[STAGES-1]
                            || (m_valid && (m_data !== stage_data[STAGES-1]
                        || m_user !== stage_user[STAGES-1]))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "GATE %0d X %0d %0d, mode %0d, clock %0d: valid %b, %h %b, not %h %b",
                            GATE_BITS, X_BITS, X_SIGNED, mode, clocks, m_valid, m_data, m_user,
                            stage_data[STAGES-1], stage_user[STAGES-1]);
                end
                compute;
                @(posedge clk);
                both = clken && advance && a_valid && b_valid;
                pending_a = a_valid && !both && !rst;
                pending_b = b_valid && !both && !rst;
                if (rst) for (k = 0; k < STAGES; k = k + 1) stage_valid[k] = 1'b0;
                else if (clken && advance) begin
                    if (stage_valid[STAGES-1]) taken = taken + 1;
                    for (k = STAGES - 1; k > 0; k = k - 1) begin
                        stage_valid[k] = stage_valid[k-1];
                        stage_user[k]  = stage_user[k-1];
                        stage_data[k]  = stage_data[k-1];
                    end
                    stage_valid[0] = both;
                    stage_user[0] = a_user;
                    stage_data[0] = z[X_BITS-1:0];
                end
                @(negedge clk);
            end
            if (mode == 0 ? taken != 1000 - STAGES : taken < 50) begin
                failures = failures + 1;
                $display("GATE %0d X %0d, mode %0d: %0d words", GATE_BITS, X_BITS, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_highway_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [5:0] done;
    wire [31:0] failures [0:5];
    strassenc_highway_check #(.GATE_BITS(8), .SIGMOID_FRAC(7), .X_BITS(8), .X_SIGNED(1))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_highway_check #(.GATE_BITS(9), .SIGMOID_FRAC(7), .X_BITS(8), .X_SIGNED(0))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_highway_check #(.GATE_BITS(11), .SIGMOID_FRAC(3), .X_BITS(5), .X_SIGNED(1))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_highway_check #(.GATE_BITS(10), .SIGMOID_FRAC(15), .X_BITS(6), .X_SIGNED(0))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    // Single bits.
    strassenc_highway_check #(.GATE_BITS(2), .SIGMOID_FRAC(1), .X_BITS(1), .X_SIGNED(0))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_highway_check #(.GATE_BITS(2), .SIGMOID_FRAC(2), .X_BITS(2), .X_SIGNED(1))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]
                | failures[5]) == 0)
                $display("PASS strassenc_highway");
            else begin
                $display("FAIL strassenc_highway");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
