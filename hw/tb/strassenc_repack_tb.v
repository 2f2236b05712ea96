// Self-checking testbench of strassenc_repack, clock by clock: wider and narrower words, with and
// without surplus lanes on either side, at full rate and under random stalls, user bits, clken,
// reset in mid-frame.
// The checks are a module of their own; random numbers and integers are cut where they go.
// verilator lint_off DECLFILENAME
// verilator lint_off WIDTH
`default_nettype none

module strassenc_repack_check #(
    parameter FROM     = 2,
    parameter TO       = 3,
    parameter ELEMENTS = 12,
    parameter UNIT     = 1
) (
    input  wire        clk,
    output reg         done,
    output reg  [31:0] failures
);
    localparam BITS  = 5;
    localparam WORDS = (ELEMENTS + FROM - 1) / FROM;

    reg                  rst;
    reg                  clken;
    reg                  s_valid;
    wire                 s_ready;
    reg  [FROM*BITS-1:0] s_data;
    reg                  s_user;
    wire                 m_valid;
    reg                  m_ready;
    wire [TO*BITS-1:0]   m_data;
    wire                 m_user;

    strassenc_repack #(
        .BITS    (BITS),
        .FROM    (FROM),
        .TO      (TO),
        .ELEMENTS(ELEMENTS),
        .UNIT    (UNIT)
    ) dut (
        .clk    (clk),
        .clken  (clken),
        .rst    (rst),
        .s_valid(s_valid),
        .s_ready(s_ready),
        .s_data (s_data),
        .s_user (s_user),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .m_data (m_data),
        .m_user (m_user)
    );

    // The elements of the frame that leaves, those of it that have entered and left, and its user
    // bit; a frame that enters while the last word of the one before leaves begins anew.
    reg [BITS-1:0] frame [0:ELEMENTS-1];
    integer        entered, left;
    reg            user;

    integer seed = FROM + 100 * TO + 10000 * ELEMENTS;
    // Seeds are nothing to Verilator.
    wire unused = &{1'b0, seed};
    integer mode, clocks, lane, frames, taken;
    reg     pending, valid, ready, last, wrong;

    // mode 0: full rate; 1: random; 2: random, with clken and reset.
    initial begin
        done = 1'b0;
        failures = 0;
        clken = 1'b1;
        m_ready = 1'b0;
        s_user = 1'b0;
        s_data = {FROM*BITS{1'b0}};
        for (mode = 0; mode < 3; mode = mode + 1) begin
            rst = 1'b1;
            s_valid = 1'b0;
            repeat (2) @(negedge clk);
            entered = 0;
            left = 0;
            frames = 0;
            taken = 0;
            pending = 1'b0;
            for (clocks = 0; clocks < 3000; clocks = clocks + 1) begin
                if (!pending) begin
                    s_valid = mode == 0 || ($random(seed) & 3) != 0;
                    for (lane = 0; lane < FROM; lane = lane + 1)
                        s_data[lane*BITS +: BITS] = $random(seed);
                    s_user = $random(seed);
                end
                m_ready = mode == 0 || ($random(seed) & 1) == 0;
                clken = mode != 2 || ($random(seed) & 3) != 0;
                rst = mode == 2 && ($random(seed) & 127) == 0;
                // A word leaves when its elements are there, the last one with those that there
                // are.
                last = entered == ELEMENTS && left + TO >= ELEMENTS;
                valid = entered - left >= TO || last;
                if (entered == ELEMENTS) ready = last && m_ready;
                else ready = entered - left < TO || (m_ready && entered - left < 2 * TO);
                #1;
                wrong = m_valid !== valid || s_ready !== ready;
                if (valid) begin
                    for (lane = 0; lane < TO; lane = lane + 1)
                        if (m_data[lane*BITS +: BITS] !== (left + lane < ELEMENTS
                            ? frame[left + lane] : {BITS{1'b0}}))
                            wrong = 1'b1;
                    if (m_user !== (user && left == 0)) wrong = 1'b1;
                end
                if (wrong) begin
                    failures = failures + 1;
                    if (failures < 10)
                        $display(
                            "%0d to %0d of %0d, mode %0d, clock %0d, %0d in, %0d out: %b %b, %h %b",
                            FROM, TO, ELEMENTS, mode, clocks, entered, left, m_valid, s_ready,
                            m_data, m_user);
                end
                @(posedge clk);
                pending = s_valid && !(clken && ready) && !rst;
                if (rst) begin
                    entered = 0;
                    left = 0;
                end else if (clken) begin
                    if (valid && m_ready) begin
                        taken = taken + 1;
                        left = left + TO;
                        if (last) begin
                            frames = frames + 1;
                            entered = 0;
                            left = 0;
                        end
                    end
                    if (s_valid && ready) begin
                        if (entered == 0) user = s_user;
                        for (lane = 0; lane < FROM; lane = lane + 1)
                            if (entered + lane < ELEMENTS)
                                frame[entered + lane] = s_data[lane*BITS +: BITS];
                        entered = entered + FROM < ELEMENTS ? entered + FROM : ELEMENTS;
                    end
                end
                @(negedge clk);
            end
            // At full rate the fewer elements per clock of both sides, and one clock more a frame
            // at most.
            if (frames < 10 || (mode == 0 && FROM >= TO && taken < 2990)
                    || (mode == 0
                        && frames < 2990 / ((FROM < TO ? WORDS : (ELEMENTS + TO - 1) / TO)
                        + 1))) begin
                failures = failures + 1;
                $display("%0d to %0d, %0d elements, mode %0d: only %0d words, %0d frames", FROM, TO,
                         ELEMENTS, mode, taken, frames);
            end
        end
        done = 1'b1;
    end
endmodule

module strassenc_repack_tb;
    reg clk = 1'b0;
    initial forever #5 clk = !clk;

    wire [11:0] done;
    wire [31:0] failures [0:11];
    strassenc_repack_check #(.FROM(8), .TO(3), .ELEMENTS(48)) check_0 (clk, done[0], failures[0]);
    strassenc_repack_check #(.FROM(8), .TO(3), .ELEMENTS(27)) check_1 (clk, done[1], failures[1]);
    strassenc_repack_check #(.FROM(3), .TO(8), .ELEMENTS(48)) check_2 (clk, done[2], failures[2]);
    strassenc_repack_check #(.FROM(3), .TO(8), .ELEMENTS(30)) check_3 (clk, done[3], failures[3]);
    strassenc_repack_check #(.FROM(2), .TO(3), .ELEMENTS(4)) check_4 (clk, done[4], failures[4]);
    strassenc_repack_check #(.FROM(5), .TO(1), .ELEMENTS(12)) check_5 (clk, done[5], failures[5]);
    strassenc_repack_check #(.FROM(1), .TO(4), .ELEMENTS(6)) check_6 (clk, done[6], failures[6]);
    strassenc_repack_check #(.FROM(1), .TO(3), .ELEMENTS(7)) check_7 (clk, done[7], failures[7]);
    strassenc_repack_check #(.FROM(4), .TO(6), .ELEMENTS(22), .UNIT(2)) check_8 (clk, done[8],
        failures[8]);
    strassenc_repack_check #(.FROM(6), .TO(4), .ELEMENTS(22), .UNIT(2)) check_9 (clk, done[9],
        failures[9]);
    // A whole frame fits into a word of one side.
    strassenc_repack_check #(.FROM(16), .TO(5), .ELEMENTS(7)) check_10 (clk, done[10],
        failures[10]);
    strassenc_repack_check #(.FROM(2), .TO(16), .ELEMENTS(5)) check_11 (clk, done[11],
        failures[11]);

    integer i, sum;
    initial begin
        wait (&done);
        sum = 0;
        for (i = 0; i < 12; i = i + 1) sum = sum + failures[i];
        if (sum == 0) $display("PASS strassenc_repack");
        else begin
            $display("FAIL strassenc_repack");
            $stop;
        end
        $finish;
    end
endmodule

`default_nettype wire
