// Self-checking testbench of strassenc_curves: one lane and several, both curves, both ends and the
// middle of v among random ones, tables with 0 and 1.0; clock by clock under random stalls of giver
// and taker, clken, reset in mid-stream.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_curves_check #(
    parameter LANES   = 1,
    parameter V_BITS  = 8,
    parameter FRAC    = 7,
    parameter SIGMOID = 0
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam DEPTH  = 1 << (V_BITS - 1);
    localparam STAGES = 3;
    localparam Z_BITS = FRAC + (SIGMOID != 0 ? 1 : 2);

    reg               rst;
    reg               clken;
    reg               s_valid;
    wire              s_ready;
    reg  [LANES*V_BITS-1:0] s_data;
    reg               s_user;
    wire              m_valid;
    reg               m_ready;
    wire [LANES*Z_BITS-1:0] m_data;
    wire              m_user;
    wire              table_enable;
    wire [LANES*(V_BITS-1)-1:0] table_address;
    reg  [LANES*(FRAC+1)-1:0] table_data;
    strassenc_curves #(
        .LANES(LANES), .V_BITS(V_BITS), .FRAC(FRAC), .SIGMOID(SIGMOID)
    ) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user),
        .table_enable(table_enable), .table_address(table_address), .table_data(table_data)
    );
    reg [FRAC:0] rom [0:DEPTH-1];
    integer      l;
    always @(posedge clk)
        if (table_enable)
            for (l = 0; l < LANES; l = l + 1)
                table_data[l*(FRAC+1) +: FRAC+1] <= rom[table_address[l*(V_BITS-1) +: V_BITS-1]];

    integer           seed = V_BITS + 64 * FRAC + 4096 * LANES + 8192 * SIGMOID;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer           mode, clocks, taken, k, lane;
    reg               pending, advance;
    reg signed [63:0] z;
    reg [V_BITS-1:0]  v;
    reg [LANES*Z_BITS-1:0] all;
    reg               stage_valid [0:STAGES-1];
    reg               stage_user  [0:STAGES-1];
    reg [LANES*Z_BITS-1:0] stage_data  [0:STAGES-1];

    task compute;
        for (lane = 0; lane < LANES; lane = lane + 1) begin
            v = s_data[lane*V_BITS +: V_BITS];
            k = v[V_BITS-1] ? (1 << V_BITS) - v : v;
            if (k > DEPTH - 1) k = DEPTH - 1;
            z = rom[k];
            if (v[V_BITS-1]) z = (SIGMOID != 0 ? 1 << FRAC : 0) - z;
            all[lane*Z_BITS +: Z_BITS] = z[Z_BITS-1:0];
        end
    endtask

    // mode 0: full rate; 1: slow taker; 2: random; 3: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        for (k = 0; k < DEPTH; k = k + 1)
            rom[k] = ($random(seed) & 32'h7fffffff) % ((1 << FRAC) + 1);
        rom[0] = 0;
        rom[DEPTH-1] = 1 << FRAC;
        for (mode = 0; mode < 4; mode = mode + 1) begin
            rst = 1'b1;
            clken = 1'b1;
            s_valid = 1'b0;
            m_ready = 1'b0;
            repeat (2) @(negedge clk);
            for (k = 0; k < STAGES; k = k + 1) stage_valid[k] = 1'b0;
            pending = 1'b0;
            taken = 0;
            for (clocks = 0; clocks < 1000; clocks = clocks + 1) begin
                if (!pending) begin
                    s_valid = mode < 2 || ($random(seed) & 3) != 0;
                    for (lane = 0; lane < LANES; lane = lane + 1) begin
                        v = $random(seed);
                        case ($random(seed) & 15)
                            0:       v = {V_BITS{1'b1}} >> 1;
                            1:       v = ~({V_BITS{1'b1}} >> 1);
                            2:       v = ~({V_BITS{1'b1}} >> 1) + 1;
                            3:       v = {V_BITS{1'b1}};
                            4:       v = 0;
                            default: ;
                        endcase
                        s_data[lane*V_BITS +: V_BITS] = v;
                    end
                    s_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 3 || ($random(seed) & 3) != 0;
                rst = mode == 3 && ($random(seed) & 63) == 0;
                advance = !stage_valid[STAGES-1] || m_ready;
                #1;
                if (s_ready !== advance || table_enable !== (advance && clken)
                    || m_valid !== stage_valid[STAGES-1]
                        || (m_valid
                            && (m_data !== stage_data[STAGES-1]
                            || m_user !== stage_user[STAGES-1]))) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display("V %0d FRAC %0d, mode %0d, clock %0d: %b %b, %h %b, not %h %b",
                                 V_BITS, FRAC, mode, clocks, s_ready, m_valid, m_data, m_user,
                                 stage_data[STAGES-1], stage_user[STAGES-1]);
                end
                compute;
                @(posedge clk);
                pending = s_valid && !(clken && advance) && !rst;
                if (rst) for (k = 0; k < STAGES; k = k + 1) stage_valid[k] = 1'b0;
                else if (clken && advance) begin
                    if (stage_valid[STAGES-1]) taken = taken + 1;
                    for (k = STAGES - 1; k > 0; k = k - 1) begin
                        stage_valid[k] = stage_valid[k-1];
                        stage_user[k]  = stage_user[k-1];
                        stage_data[k]  = stage_data[k-1];
                    end
                    stage_valid[0] = s_valid;
                    stage_user[0] = s_user;
                    stage_data[0] = all;
                end
                @(negedge clk);
            end
            // One word per clock, the first one three clocks late.
            if (mode == 0 ? taken != 1000 - STAGES : taken < 50) begin
                failures = failures + 1;
                $display("V %0d FRAC %0d, mode %0d: %0d words", V_BITS, FRAC, mode, taken);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_curves_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [7:0] done;
    wire [31:0] failures [0:7];
    strassenc_curves_check #(.V_BITS(8), .FRAC(7))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_curves_check #(.V_BITS(11), .FRAC(9))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_curves_check #(.V_BITS(5), .FRAC(15))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_curves_check #(.V_BITS(12), .FRAC(2))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    // Single bits.
    strassenc_curves_check #(.V_BITS(2), .FRAC(1))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_curves_check #(.V_BITS(3), .FRAC(0))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));
    strassenc_curves_check #(.LANES(3), .V_BITS(6), .FRAC(5))
        check_6 (.clk(clk), .done(done[6]), .failures(failures[6]));
    strassenc_curves_check #(.LANES(2), .V_BITS(7), .FRAC(4), .SIGMOID(1))
        check_7 (.clk(clk), .done(done[7]), .failures(failures[7]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]
                | failures[5] | failures[6] | failures[7]) == 0)
                $display("PASS strassenc_curves");
            else begin
                $display("FAIL strassenc_curves");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
