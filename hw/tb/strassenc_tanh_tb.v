// Self-checking testbench of strassenc_tanh: both ends and the middle of v among random ones,
// tables with 0 and 1.0; clock by clock under random stalls of giver and taker, clken, reset in
// mid-stream.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_tanh_check #(
    parameter V_BITS = 8,
    parameter FRAC   = 7
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam DEPTH  = 1 << (V_BITS - 1);
    localparam STAGES = 3;

    reg               rst;
    reg               clken;
    reg               s_valid;
    wire              s_ready;
    reg  [V_BITS-1:0] s_data;
    reg               s_user;
    wire              m_valid;
    reg               m_ready;
    wire [FRAC+1:0]   m_data;
    wire              m_user;
    wire              table_enable;
    wire [V_BITS-2:0] tanh_address;
    reg  [FRAC:0]     tanh_data;
    strassenc_tanh #(.V_BITS(V_BITS), .FRAC(FRAC)) dut (
        .clk(clk), .clken(clken), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user),
        .table_enable(table_enable), .tanh_address(tanh_address), .tanh_data(tanh_data)
    );
    reg [FRAC:0] rom [0:DEPTH-1];
    always @(posedge clk) if (table_enable) tanh_data <= rom[tanh_address];

    integer           seed = V_BITS + 64 * FRAC;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer           mode, clocks, taken, k;
    reg               pending, advance;
    reg signed [63:0] z;
    reg               stage_valid [0:STAGES-1];
    reg               stage_user  [0:STAGES-1];
    reg [FRAC+1:0]    stage_data  [0:STAGES-1];

    task compute;
        begin
            k = s_data[V_BITS-1] ? (1 << V_BITS) - s_data : s_data;
            if (k > DEPTH - 1) k = DEPTH - 1;
            z = rom[k];
            if (s_data[V_BITS-1]) z = -z;
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
                    s_data = $random(seed);
                    case ($random(seed) & 15)
                        0:       s_data = {V_BITS{1'b1}} >> 1;
                        1:       s_data = ~({V_BITS{1'b1}} >> 1);
                        2:       s_data = ~({V_BITS{1'b1}} >> 1) + 1;
                        3:       s_data = {V_BITS{1'b1}};
                        4:       s_data = 0;
                        default: ;
                    endcase
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
                    stage_data[0] = z[FRAC+1:0];
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

module strassenc_tanh_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [5:0] done;
    wire [31:0] failures [0:5];
    strassenc_tanh_check #(.V_BITS(8), .FRAC(7))
        check_0 (.clk(clk), .done(done[0]), .failures(failures[0]));
    strassenc_tanh_check #(.V_BITS(11), .FRAC(9))
        check_1 (.clk(clk), .done(done[1]), .failures(failures[1]));
    strassenc_tanh_check #(.V_BITS(5), .FRAC(15))
        check_2 (.clk(clk), .done(done[2]), .failures(failures[2]));
    strassenc_tanh_check #(.V_BITS(12), .FRAC(2))
        check_3 (.clk(clk), .done(done[3]), .failures(failures[3]));
    // Single bits.
    strassenc_tanh_check #(.V_BITS(2), .FRAC(1))
        check_4 (.clk(clk), .done(done[4]), .failures(failures[4]));
    strassenc_tanh_check #(.V_BITS(3), .FRAC(0))
        check_5 (.clk(clk), .done(done[5]), .failures(failures[5]));

    always @(negedge clk)
        if (&done) begin
            if ((failures[0] | failures[1] | failures[2] | failures[3] | failures[4]
                | failures[5]) == 0)
                $display("PASS strassenc_tanh");
            else begin
                $display("FAIL strassenc_tanh");
                $stop;
            end
            $finish;
        end
endmodule

`default_nettype wire
