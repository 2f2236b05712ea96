// tiny_tb: a self-checking testbench of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256
// 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0 --beat-elements 2
//
// 34 vectors with golden's answers, first at full rate, where latency and initiation
// interval are checked, then with random pauses on both sides, wrong frames and a reset in
// mid-frame. Prints PASS and ends with status 0, or prints what is wrong, with its place, then
// FAIL, and ends with another status in Icarus Verilog and Verilator; other simulators stop.
//
// +vectors=N   only the first N vectors, for cores that take long
// +data=FOLDER where tiny_tb_input.mem and tiny_tb_output.mem are; else the macro STRASSENC_FOLDER
//              says it when this is compiled, else they are in the folder of the simulation
//
// `sh tiny_tb.sh icarus` and `sh tiny_tb.sh verilator` compile and run it,
// from any folder.
`default_nettype none

module tiny_tb;
    localparam VECTORS    = 34;
    localparam IN_BEATS   = 2;
    localparam OUT_BEATS  = 2;
    localparam IN_BITS    = 16;
    localparam OUT_BITS   = 32;
    localparam LATENCY    = 12;
    localparam II         = 2;
    // Clocks without a beat on either side after which the core is stuck, pauses included.
    localparam PATIENCE   = 1000 + 10 * (LATENCY + II);
    localparam WIDER_BITS = IN_BITS > OUT_BITS ? IN_BITS : OUT_BITS;
    localparam PATH_BITS  = 8 * 1024;

    reg  aclk;
    reg  aresetn;
    reg  aclken;
    reg  [IN_BITS-1:0] s_axis_tdata;
    reg  s_axis_tvalid;
    wire s_axis_tready;
    reg  s_axis_tlast;
    reg  s_axis_tuser;
    wire [OUT_BITS-1:0] m_axis_tdata;
    wire [OUT_BITS/8-1:0] m_axis_tkeep;
    wire m_axis_tvalid;
    reg  m_axis_tready;
    wire m_axis_tlast;
    wire m_axis_tuser;
    reg  frame_error_clear;
    wire frame_error;

    tiny dut (
        .aclk(aclk), .aresetn(aresetn),
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
        .s_axis_tkeep({IN_BITS/8{1'b0}}),
        .s_axis_tlast(s_axis_tlast), .s_axis_tuser(s_axis_tuser),
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready),
        .m_axis_tkeep(m_axis_tkeep),
        .m_axis_tlast(m_axis_tlast), .m_axis_tuser(m_axis_tuser),
        .frame_error_clear(frame_error_clear), .frame_error(frame_error)
    );

    // ==== The end
    integer failures;
    task fail;
        begin
            failures = failures + 1;
            if (failures == 20) stop;
        end
    endtask

    task stop;
        begin
            $display("FAIL tiny");
`ifdef __ICARUS__
            // $stop would wait for commands, and end with status 0.
            $finish_and_return(1);
`else
            $stop;
`endif
        end
    endtask

    // ==== Vectors: read digit by digit, since $readmemh does not fail where a file is missing or
    // short
    reg [IN_BITS-1:0]    given [0:VECTORS*IN_BEATS-1];
    reg [OUT_BITS-1:0]   expected [0:VECTORS*OUT_BEATS-1];
    reg [PATH_BITS-1:0]  home, folder;
    reg [WIDER_BITS-1:0] word;
    reg                  whole;
    integer              vectors, file, lines, place, code;

    task read_line(input integer nibbles);
        begin
            whole = file != 0;
            for (place = 0; whole && place < nibbles; place = place + 1) begin
                code = $fgetc(file);
                word = word << 4;
                if      (code >= "0" && code <= "9") word[3:0] = code[3:0];
                else if (code >= "a" && code <= "f") word[3:0] = code[3:0] + 4'd9;
                else                                 whole = 1'b0;
            end
            if (whole) code = $fgetc(file);
            whole = whole && code == 10;
        end
    endtask

    // Leaves `whole` low where something is wrong.
    task read_files;
        begin
            file = $fopen({folder, "/tiny_tb_input.mem"}, "r");
            whole = 1'b1;
            for (lines = 0; whole && lines < VECTORS * IN_BEATS; lines = lines + 1) begin
                read_line((IN_BITS + 3) / 4);
                given[lines] = word[IN_BITS-1:0];
            end
            told("tiny_tb_input.mem");
            if (whole) begin
                file = $fopen({folder, "/tiny_tb_output.mem"}, "r");
                for (lines = 0; whole && lines < VECTORS * OUT_BEATS; lines = lines + 1) begin
                    read_line((OUT_BITS + 3) / 4);
                    expected[lines] = word[OUT_BITS-1:0];
                end
                told("tiny_tb_output.mem");
            end
        end
    endtask

    // Closes the file, which must be at its end, and says what is wrong with it.
    task told(input [PATH_BITS-1:0] name);
        begin
            if (file == 0)
                $display("%0s/%0s cannot be read; +data=FOLDER says where it is", folder, name);
            else begin
                if (!whole)
                    $display("%0s/%0s: line %0d is not a beat of hexadecimal digits", folder, name,
                             lines);
                else begin
                    code = $fgetc(file);
                    whole = code == -1;
                    if (!whole) $display("%0s/%0s has more than %0d lines", folder, name, lines);
                end
                $fclose(file);
            end
        end
    endtask

    // ==== The clock, and what changes at random at its falling edge
    reg [31:0] noise;
    // Whether both sides pause at random.
    reg        pauses;
    // Falling edges so far, beats so far on both sides, and clocks since the last of them. The
    // process that counts beats adds and never sets: Verilator 5.006 gives each process that sets a
    // variable before it reads it a copy of its own.
    integer    clock, passed, seen, idle;
    initial begin
        aclk = 1'b0;
        forever #5 aclk = !aclk;
    end

    task step;
        begin
            @(negedge aclk);
            // Marsaglia's xorshift: the same in every simulator.
            noise = noise ^ (noise << 13);
            noise = noise ^ (noise >> 17);
            noise = noise ^ (noise << 5);
            clock = clock + 1;
            m_axis_tready = !pauses || noise[0];
            aclken = 1'b1;
            idle = passed == seen ? idle + 1 : 0;
            seen = passed;
            if (idle > PATIENCE) begin
                $display("vector %0d, beat %0d: stuck, %0d clocks without a beat",
                         received / OUT_BEATS, received % OUT_BEATS, idle);
                stop;
            end
        end
    endtask

    // ==== Output: beats in order, each compared; a vector is a sequence start where its number
    // divides by 3
    integer received, first_clock, last_clock;
    initial
        forever begin
            @(posedge aclk);
            if (aresetn && aclken) begin
                // Unknown values exist in simulators of four states alone.
                if (^{s_axis_tready, m_axis_tvalid} === 1'bx) begin
                    $display("vector %0d, beat %0d: s_axis_tready %b, m_axis_tvalid %b",
                             received / OUT_BEATS, received % OUT_BEATS, s_axis_tready,
                             m_axis_tvalid);
                    fail;
                end
                if (frame_error === 1'bx) begin
                    $display("vector %0d, beat %0d: frame_error %b", received / OUT_BEATS,
                             received % OUT_BEATS, frame_error);
                    fail;
                end
                if (m_axis_tvalid && ^{m_axis_tdata, m_axis_tlast, m_axis_tuser} === 1'bx) begin
                    $display("vector %0d, beat %0d: unknown bits in %h (last %b, user %b)",
                             received / OUT_BEATS, received % OUT_BEATS, m_axis_tdata, m_axis_tlast,
                             m_axis_tuser);
                    fail;
                end
                if (s_axis_tvalid && s_axis_tready) passed = passed + 1;
                if (m_axis_tvalid && m_axis_tready) begin
                    passed = passed + 1;
                    compare;
                end
            end
        end

    task compare;
        begin
            if (received == 0) first_clock = clock;
            if (received == (vectors - 1) * OUT_BEATS) last_clock = clock;
            if (received >= vectors * OUT_BEATS) begin
                $display("vector %0d, beat %0d: an output beat too many", received / OUT_BEATS,
                         received % OUT_BEATS);
                fail;
            end else if (m_axis_tdata !== expected[received]
                    || m_axis_tlast !== (received % OUT_BEATS == OUT_BEATS - 1)
                    || m_axis_tuser !== (received % OUT_BEATS == 0
                        && (received / OUT_BEATS) % 3 == 0)) begin
                $display("vector %0d, beat %0d: got %h (last %b, user %b), golden says %h",
                         received / OUT_BEATS, received % OUT_BEATS, m_axis_tdata, m_axis_tlast,
                         m_axis_tuser, expected[received]);
                fail;
            end else if (m_axis_tkeep !== (received % OUT_BEATS == OUT_BEATS - 1
                    ? {2'd0,
                        {2{1'b1}}}
                    : {OUT_BITS/8{1'b1}})) begin
                $display("vector %0d, beat %0d: m_axis_tkeep is %b", received / OUT_BEATS,
                         received % OUT_BEATS, m_axis_tkeep);
                fail;
            end
            received = received + 1;
        end
    endtask

    // ==== Input: offers a beat until it is taken; starts and ends at a falling edge
    integer accepted_clock;
    reg     taken;
    task send(input [IN_BITS-1:0] data, input last, input user);
        begin
            while (pauses && noise[16]) step;
            s_axis_tdata  = data;
            s_axis_tlast  = last;
            s_axis_tuser  = user;
            s_axis_tvalid = 1'b1;
            taken = 1'b0;
            while (!taken) begin
                @(posedge aclk);
                taken = s_axis_tready && aclken;
                accepted_clock = clock;
                step;
            end
            s_axis_tvalid = 1'b0;
        end
    endtask

    task reset;
        begin
            aresetn = 1'b0;
            s_axis_tvalid = 1'b0;
            repeat (3) begin
                step;
                if (s_axis_tready !== 1'b0 || m_axis_tvalid !== 1'b0) begin
                    $display("in reset s_axis_tready is %b and m_axis_tvalid %b", s_axis_tready,
                             m_axis_tvalid);
                    fail;
                end
            end
            aresetn = 1'b1;
            received = 0;
        end
    endtask

    integer vector, beat, sent_clock;
    task send_all;
        for (vector = 0; vector < vectors; vector = vector + 1) begin
            for (beat = 0; beat < IN_BEATS; beat = beat + 1)
                send(given[vector * IN_BEATS + beat], beat == IN_BEATS - 1,
                     beat == 0 && vector % 3 == 0);
            if (vector == 0) sent_clock = accepted_clock;
        end
    endtask

    // Waits for the last beat, and a little for one too many.
    task drain;
        begin
            while (received < vectors * OUT_BEATS) step;
            repeat (10) step;
        end
    endtask

    // Waits for an error that is due, since the core may be busy yet.
    integer limit;
    task expect_error(input due);
        begin
            limit = clock + 20 * II + 100;
            while (frame_error !== due && clock < limit) step;
            if (frame_error !== due) begin
                $display("frame_error is %b instead of %b", frame_error, due);
                fail;
            end
        end
    endtask

    task clear;
        begin
            frame_error_clear = 1'b1;
            taken = 1'b0;
            while (!taken) begin
                @(posedge aclk);
                taken = aclken;
                step;
            end
            frame_error_clear = 1'b0;
            if (frame_error !== 1'b0) begin
                $display("frame_error was not cleared");
                fail;
            end
        end
    endtask

    initial begin
        noise = 32'd1;
        failures = 0;
        clock = 0;
        passed = 0;
        seen = 0;
        idle = 0;
        received = 0;
        pauses = 1'b0;
        aresetn = 1'b0;
        aclken = 1'b1;
        m_axis_tready = 1'b1;
        s_axis_tvalid = 1'b0;
        frame_error_clear = 1'b0;
        if (!$value$plusargs("vectors=%d", vectors)) vectors = VECTORS;
`ifdef STRASSENC_FOLDER
        home = `STRASSENC_FOLDER;
`else
        home = ".";
`endif
        if (!$value$plusargs("data=%s", folder)) folder = home;
        read_files;
        if (!whole) stop;
        else if (vectors >= 1 && vectors <= VECTORS) run;
        else begin
            $display("+vectors=N: N is 1 to %0d", VECTORS);
            stop;
        end
    end

    task run;
        begin
            repeat (2) step;

            // Full rate.
            reset;
            send_all;
            drain;
            if (first_clock - sent_clock != LATENCY) begin
                $display("latency %0d instead of %0d", first_clock - sent_clock, LATENCY);
                fail;
            end
            if (last_clock - first_clock
                    != (vectors - 1) * II) begin
                $display("%0d clocks from the first vector to the last instead of %0d",
                         last_clock - first_clock, (vectors - 1) * II);
                fail;
            end
            expect_error(1'b0);

            // Random pauses.
            pauses = 1'b1;
            reset;
            send_all;
            drain;

            // A frame one beat too long is dropped, and one too short; the frames after them pass.
            reset;
            for (beat = 0; beat <= IN_BEATS; beat = beat + 1)
                send(given[0], beat == IN_BEATS, 1'b1);
            expect_error(1'b1);
            clear;
            // Where a frame has one beat, none is too short.
            if (IN_BEATS == 1) send(given[0], 1'b0, 1'b1);
            send(given[0], 1'b1, 1'b1);
            send_all;
            drain;
            expect_error(1'b1);

            // A reset in mid-frame, with vectors on their way.
            send(given[0], IN_BEATS == 1, 1'b0);
            if (IN_BEATS > 1) send(given[0], 1'b0, 1'b0);
            reset;
            send_all;
            drain;
            expect_error(1'b0);

            if (failures > 0) stop;
            else begin
                $display("PASS tiny: %0d vectors, latency %0d, initiation interval %0d",
                         vectors, LATENCY, II);
                $finish;
            end
        end
    endtask
endmodule

`default_nettype wire
