{{ header }}
//
// {{ vectors }} vectors with golden's answers, first at full rate, where latency and initiation
// interval are checked, then with random pauses on both sides, wrong frames and a reset in
// mid-frame. Prints PASS and ends with status 0, or prints what is wrong, with its place, then
// FAIL, and ends with another status in Icarus Verilog and Verilator; other simulators stop.
//
// +vectors=N   only the first N vectors, for cores that take long
// +data=FOLDER where {{ input_file }} and {{ output_file }} are; else the macro STRASSENC_FOLDER
//              says it when this is compiled, else they are in the folder of the simulation
//
// `sh {{ module }}.sh icarus` and `sh {{ module }}.sh verilator` compile and run it,
// from any folder.
`default_nettype none

module {{ module }};
    localparam VECTORS    = {{ vectors }};
    localparam IN_BEATS   = {{ s.input.beats }};
    localparam OUT_BEATS  = {{ s.output.beats }};
    localparam IN_BITS    = {{ s.input.data_bits() }};
    localparam OUT_BITS   = {{ s.output.data_bits() }};
    localparam LATENCY    = {{ s.latency }};
    localparam II         = {{ s.ii }};
{%- if s.warm_up > 0 %}
    localparam WARM_UP    = {{ s.warm_up }};  // the first vector after which II holds
{%- endif %}
    // Clocks without a beat on either side after which the core is stuck, pauses included.
    localparam PATIENCE   = 1000 + 10 * ({% if s.latency > 0 %}LATENCY + {% endif %}II)
        {%- if s.loading() > 0 %} + {{ 8 * s.loading() }}{% endif %};
{%- if heads.is_empty() && inputs.is_empty() %}
    localparam WIDER_BITS = IN_BITS > OUT_BITS ? IN_BITS : OUT_BITS;
{%- else %}
    localparam WIDER_BITS = {{ widest }};
{%- endif %}
    localparam PATH_BITS  = 8 * 1024;

    reg  aclk;
    reg  aresetn;
    reg  aclken;
    reg  [IN_BITS-1:0] s_axis_tdata;
    reg  s_axis_tvalid;
    wire s_axis_tready;
{%- if !by_count %}
    reg  s_axis_tlast;
{%- endif %}
    reg  s_axis_tuser;
{%- for i in inputs %}
    reg  [{{ i.s.data_bits() - 1 }}:0] {{ i.port }}_tdata;
    reg  {{ i.port }}_tvalid;
    wire {{ i.port }}_tready;
{%- if !by_count %}
    reg  {{ i.port }}_tlast;
{%- endif %}
    reg  {{ i.port }}_tuser;
{%- endfor %}
    wire [OUT_BITS-1:0] m_axis_tdata;
{%- if s.output.has_keep() %}
    wire [OUT_BITS/8-1:0] m_axis_tkeep;
{%- endif %}
    wire m_axis_tvalid;
    reg  m_axis_tready;
    wire m_axis_tlast;
    wire m_axis_tuser;
{%- for h in heads %}
    wire [{{ h.s.data_bits() - 1 }}:0] {{ h.port }}_tdata;
{%- if h.s.has_keep() %}
    wire [{{ h.s.beat_bytes() - 1 }}:0] {{ h.port }}_tkeep;
{%- endif %}
    wire {{ h.port }}_tvalid;
    reg  {{ h.port }}_tready;
    wire {{ h.port }}_tlast;
    wire {{ h.port }}_tuser;
{%- endfor %}
{%- if !by_count %}
    reg  frame_error_clear;
    wire frame_error;
{%- endif %}

{%- for port in s.control_ports() %}
{%- if !port.enters() %}
    wire [{{ port.bits - 1 }}:0] {{ port.name }}_unused;
{%- endif %}
{%- endfor %}

    {{ s.top }} dut (
        .aclk(aclk), .aresetn(aresetn),{% if clken %} .aclken(aclken),{% endif %}
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
{%- if s.input.has_keep() %}
        .s_axis_tkeep({IN_BITS/8{1'b0}}),
{%- endif %}
        {% if !by_count %}.s_axis_tlast(s_axis_tlast), {% endif %}.s_axis_tuser(s_axis_tuser),
{%- for i in inputs %}
        .{{ i.port }}_tdata({{ i.port }}_tdata),
        .{{ i.port }}_tvalid({{ i.port }}_tvalid),
        .{{ i.port }}_tready({{ i.port }}_tready),
{%- if i.s.has_keep() %}
        .{{ i.port }}_tkeep({ {{- i.s.beat_bytes() }}{1'b0}}),
{%- endif %}
{%- if !by_count %}
        .{{ i.port }}_tlast({{ i.port }}_tlast),
{%- endif %}
        .{{ i.port }}_tuser({{ i.port }}_tuser),
{%- endfor %}
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready),
{%- if s.output.has_keep() %}
        .m_axis_tkeep(m_axis_tkeep),
{%- endif %}
        .m_axis_tlast(m_axis_tlast), .m_axis_tuser(m_axis_tuser)
{%- for h in heads %},
        .{{ h.port }}_tdata({{ h.port }}_tdata),
        .{{ h.port }}_tvalid({{ h.port }}_tvalid),
        .{{ h.port }}_tready({{ h.port }}_tready),
{%- if h.s.has_keep() %}
        .{{ h.port }}_tkeep({{ h.port }}_tkeep),
{%- endif %}
        .{{ h.port }}_tlast({{ h.port }}_tlast),
        .{{ h.port }}_tuser({{ h.port }}_tuser)
{%- endfor %}
{%- if !by_count %},
        .frame_error_clear(frame_error_clear), .frame_error(frame_error)
{%- endif %}
{%- for port in s.control_ports() %},
        .{{ port.name }}({{ port.idle() }})
{%- endfor %}
    );

{% include "vectors.v" %}
{%- if !(heads.is_empty() && inputs.is_empty()) %}

    // What enters the other inputs, and the answers of the other outputs.
{%- for i in inputs %}
    reg [{{ i.s.data_bits() - 1 }}:0] {{ i.port }}_given [0:VECTORS*{{ i.s.beats }}-1];
{%- endfor %}
{%- for h in heads %}
    reg [{{ h.s.data_bits() - 1 }}:0] {{ h.port }}_expected [0:VECTORS*{{ h.s.beats }}-1];
{%- endfor %}
    task read_others;
        begin
{%- for i in inputs %}
            if (whole) begin
                file = $fopen({folder, "/{{ i.file }}"}, "r");
                for (lines = 0; whole && lines < VECTORS * {{ i.s.beats }};
                        lines = lines + 1) begin
                    read_line({{ i.s.data_bits() / 4 }});
                    {{ i.port }}_given[lines] = word[{{ i.s.data_bits() - 1 }}:0];
                end
                told("{{ i.file }}");
            end
{%- endfor %}
{%- for h in heads %}
            if (whole) begin
                file = $fopen({folder, "/{{ h.file }}"}, "r");
                for (lines = 0; whole && lines < VECTORS * {{ h.s.beats }};
                        lines = lines + 1) begin
                    read_line({{ h.s.data_bits() / 4 }});
                    {{ h.port }}_expected[lines] = word[{{ h.s.data_bits() - 1 }}:0];
                end
                told("{{ h.file }}");
            end
{%- endfor %}
        end
    endtask
{%- endif %}
{%- if !s.memories.is_empty() %}

    // The core reads these itself; not every answer tells of a ROM without its contents.
    task find_memories;
        begin
{%- for memory in s.memories %}
            file = $fopen({home, "/{{ memory }}"}, "r");
            if (file != 0) $fclose(file);
            else begin
                $display("%0s/{{ memory }} cannot be read", home);
                whole = 1'b0;
            end
{%- endfor %}
        end
    endtask
{%- endif %}

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
{%- for h in heads %}
            {{ h.port }}_tready = !pauses || noise[{{ (17 + loop.index0) % 32 }}];
{%- endfor %}
{%- for i in inputs %}
            {{ i.port }}_offer;
{%- endfor %}
            aclken = {% if clken %}!pauses || noise[9:8] != 2'b00{% else %}1'b1{% endif %};
            idle = passed == seen ? idle + 1 : 0;
            seen = passed;
            if (idle > PATIENCE) begin
                $display("vector %0d, beat %0d: stuck, %0d clocks without a beat",
                         received / OUT_BEATS, received % OUT_BEATS, idle);
                stop;
            end
        end
    endtask

{%- for i in inputs %}

    // ==== Input {{ i.port }}: beats offered as if it were alone, up to so many since reset, those of
    // vectors behind extra ones; of wrong frames one is too long, and one too short
    integer {{ i.port }}_due, {{ i.port }}_extra, {{ i.port }}_seen, {{ i.port }}_clock;
    integer {{ i.port }}_taken;
    reg     {{ i.port }}_wrong;
    task {{ i.port }}_offer;
        begin
            if ({{ i.port }}_seen != {{ i.port }}_taken) begin
                {{ i.port }}_seen = {{ i.port }}_taken;
                {{ i.port }}_tvalid = 1'b0;
            end
            if (!{{ i.port }}_tvalid && {{ i.port }}_seen < {{ i.port }}_due
                    && (!pauses || noise[{{ (10 + loop.index0) % 32 }}])) begin
                {{ i.port }}_tvalid = 1'b1;
                if ({{ i.port }}_seen >= {{ i.port }}_extra) begin
                    {{ i.port }}_tdata = {{ i.port }}_given[{{ i.port }}_seen - {{ i.port }}_extra];
{%- if !by_count %}
                    {{ i.port }}_tlast = ({{ i.port }}_seen - {{ i.port }}_extra) % {{ i.s.beats }} == {{ i.s.beats - 1 }};
{%- endif %}
                    {{ i.port }}_tuser = ({{ i.port }}_seen - {{ i.port }}_extra) % {{ i.s.beats * every }} == 0;
                end else begin
                    {{ i.port }}_tdata = {{ i.port }}_given[0];
{%- if !by_count %}
                    {{ i.port }}_tlast = {{ i.port }}_wrong
                        ? {{ i.port }}_seen == {{ i.s.beats }} || {{ i.port }}_seen == {{ i.wrong_beats() - 1 }}
                        : {{ i.port }}_seen % {{ i.s.beats }} == {{ i.s.beats - 1 }};
{%- endif %}
                    {{ i.port }}_tuser = 1'b0;
                end
            end
        end
    endtask
{%- endfor %}

    // ==== Output: beats in order, each compared; a vector is a sequence start where its number
    // divides by {{ every }}
    integer received, first_clock, last_clock{% if s.warm_up > 0 %}, warm_clock{% endif %};
{%- if s.whole_frames %}
    // Beats of the results of wrong frames, which come out first.
    integer skipped;
{%- endif %}
{%- for h in heads %}
    integer {{ h.port }}_received, {{ h.port }}_first;
{%- if s.whole_frames %}
    integer {{ h.port }}_skipped;
{%- endif %}
{%- endfor %}
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
{%- if !by_count %}
                if (frame_error === 1'bx) begin
                    $display("vector %0d, beat %0d: frame_error %b", received / OUT_BEATS,
                             received % OUT_BEATS, frame_error);
                    fail;
                end
{%- endif %}
                if (m_axis_tvalid && ^{m_axis_tdata, m_axis_tlast, m_axis_tuser} === 1'bx) begin
                    $display("vector %0d, beat %0d: unknown bits in %h (last %b, user %b)",
                             received / OUT_BEATS, received % OUT_BEATS, m_axis_tdata, m_axis_tlast,
                             m_axis_tuser);
                    fail;
                end
                if (s_axis_tvalid && s_axis_tready) passed = passed + 1;
{%- for i in inputs %}
                if ({{ i.port }}_tready === 1'bx) begin
                    $display("{{ i.port }}_tready is %b", {{ i.port }}_tready);
                    fail;
                end
                if ({{ i.port }}_tvalid && {{ i.port }}_tready) begin
                    passed = passed + 1;
                    {{ i.port }}_taken = {{ i.port }}_taken + 1;
                    if ({{ i.port }}_taken == {{ i.s.beats }}) {{ i.port }}_clock = clock;
                end
{%- endfor %}
                if (m_axis_tvalid && m_axis_tready) begin
                    passed = passed + 1;
{%- if s.whole_frames %}
                    if (skipped > 0) skipped = skipped - 1;
                    else             compare;
{%- else %}
                    compare;
{%- endif %}
                end
{%- for h in heads %}
                if ({{ h.port }}_tvalid === 1'bx) begin
                    $display("{{ h.port }}_tvalid is %b", {{ h.port }}_tvalid);
                    fail;
                end
                if ({{ h.port }}_tvalid && {{ h.port }}_tready) begin
                    passed = passed + 1;
{%- if s.whole_frames %}
                    if ({{ h.port }}_skipped > 0) {{ h.port }}_skipped = {{ h.port }}_skipped - 1;
                    else {{ h.port }}_compare;
{%- else %}
                    {{ h.port }}_compare;
{%- endif %}
                end
{%- endfor %}
            end
        end

    task compare;
        begin
            if (received == 0) first_clock = clock;
{%- if s.warm_up > 0 %}
            if (received == WARM_UP * OUT_BEATS) warm_clock = clock;
{%- endif %}
            if (received == (vectors - 1) * OUT_BEATS) last_clock = clock;
            if (received >= vectors * OUT_BEATS) begin
                $display("vector %0d, beat %0d: an output beat too many", received / OUT_BEATS,
                         received % OUT_BEATS);
                fail;
            end else if (m_axis_tdata !== expected[received]
                    || m_axis_tlast !== (received % OUT_BEATS == OUT_BEATS - 1)
                    || m_axis_tuser !== (received % OUT_BEATS == 0
                        && (received / OUT_BEATS) % {{ every }} == 0)) begin
                $display("vector %0d, beat %0d: got %h (last %b, user %b), golden says %h",
                         received / OUT_BEATS, received % OUT_BEATS, m_axis_tdata, m_axis_tlast,
                         m_axis_tuser, expected[received]);
                fail;
{%- if s.output.has_keep() %}
            end else if (m_axis_tkeep !== (received % OUT_BEATS == OUT_BEATS - 1
                    ? { {{- s.output.beat_bytes() - s.output.last_bytes() }}'d0,
                        { {{- s.output.last_bytes() }}{1'b1}}}
                    : {OUT_BITS/8{1'b1}})) begin
                $display("vector %0d, beat %0d: m_axis_tkeep is %b", received / OUT_BEATS,
                         received % OUT_BEATS, m_axis_tkeep);
                fail;
{%- endif %}
            end
            received = received + 1;
        end
    endtask

{%- for h in heads %}

    task {{ h.port }}_compare;
        begin
            if ({{ h.port }}_received == 0) {{ h.port }}_first = clock;
            if ({{ h.port }}_received >= vectors * {{ h.s.beats }}) begin
                $display("vector %0d, {{ h.port }}: an output beat too many", vectors);
                fail;
            end else if ({{ h.port }}_tdata !== {{ h.port }}_expected[{{ h.port }}_received]
                    || {{ h.port }}_tlast
                        !== ({{ h.port }}_received % {{ h.s.beats }} == {{ h.s.beats - 1 }})
                    || {{ h.port }}_tuser !== ({{ h.port }}_received % {{ h.s.beats }} == 0
                        && ({{ h.port }}_received / {{ h.s.beats }}) % {{ every }} == 0)) begin
                $display("vector %0d, {{ h.port }}, beat %0d: got %h (last %b, user %b), golden says %h",
                         {{ h.port }}_received / {{ h.s.beats }},
                         {{ h.port }}_received % {{ h.s.beats }}, {{ h.port }}_tdata,
                         {{ h.port }}_tlast, {{ h.port }}_tuser,
                         {{ h.port }}_expected[{{ h.port }}_received]);
                fail;
{%- if h.s.has_keep() %}
            end else if ({{ h.port }}_tkeep
                    !== ({{ h.port }}_received % {{ h.s.beats }} == {{ h.s.beats - 1 }}
                    ? { {{- h.s.beat_bytes() - h.s.last_bytes() }}'d0,
                        { {{- h.s.last_bytes() }}{1'b1}}}
                    : { {{- h.s.beat_bytes() }}{1'b1}})) begin
                $display("vector %0d, beat %0d: {{ h.port }}_tkeep is %b",
                         {{ h.port }}_received / {{ h.s.beats }},
                         {{ h.port }}_received % {{ h.s.beats }}, {{ h.port }}_tkeep);
                fail;
{%- endif %}
            end
            {{ h.port }}_received = {{ h.port }}_received + 1;
        end
    endtask
{%- endfor %}

    // ==== Input: offers a beat until it is taken; starts and ends at a falling edge
    integer accepted_clock;
    reg     taken;
    task send(input [IN_BITS-1:0] data, {% if !by_count %}input last, {% endif %}input user);
        begin
            while (pauses && noise[16]) step;
            s_axis_tdata  = data;
{%- if !by_count %}
            s_axis_tlast  = last;
{%- endif %}
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

{%- for i in inputs %}

    task {{ i.port }}_idle;
        begin
            {{ i.port }}_tvalid = 1'b0;
            {{ i.port }}_due = 0;
            {{ i.port }}_extra = 0;
            {{ i.port }}_seen = 0;
            {{ i.port }}_taken = 0;
            {{ i.port }}_wrong = 1'b0;
        end
    endtask
{%- endfor %}

    task reset;
        begin
            aresetn = 1'b0;
            s_axis_tvalid = 1'b0;
{%- for i in inputs %}
            {{ i.port }}_idle;
{%- endfor %}
            repeat (3) begin
                step;
                if (s_axis_tready !== 1'b0 || m_axis_tvalid !== 1'b0) begin
                    $display("in reset s_axis_tready is %b and m_axis_tvalid %b", s_axis_tready,
                             m_axis_tvalid);
                    fail;
                end
{%- for i in inputs %}
                if ({{ i.port }}_tready !== 1'b0) begin
                    $display("in reset {{ i.port }}_tready is %b", {{ i.port }}_tready);
                    fail;
                end
{%- endfor %}
{%- for h in heads %}
                if ({{ h.port }}_tvalid !== 1'b0) begin
                    $display("in reset {{ h.port }}_tvalid is %b", {{ h.port }}_tvalid);
                    fail;
                end
{%- endfor %}
            end
            aresetn = 1'b1;
            received = 0;
{%- for h in heads %}
            {{ h.port }}_received = 0;
{%- endfor %}
        end
    endtask

    integer vector, beat, sent_clock;
{%- if !inputs.is_empty() %}
    // The other inputs are offered theirs beside it.
    task send_all;
        begin
{%- for i in inputs %}
            {{ i.port }}_due = {{ i.port }}_extra + vectors * {{ i.s.beats }};
            {{ i.port }}_offer;
{%- endfor %}
            send_main;
        end
    endtask

    task send_main;
{%- else %}
    task send_all;
{%- endif %}
        for (vector = 0; vector < vectors; vector = vector + 1) begin
            for (beat = 0; beat < IN_BEATS; beat = beat + 1)
                send(given[vector * IN_BEATS + beat],
{%- if !by_count %} beat == IN_BEATS - 1,{% endif %}
                     beat == 0 && vector % {{ every }} == 0);
            if (vector == 0) sent_clock = accepted_clock;
        end
    endtask

    // Waits for the last beat, and a little for one too many.
    task drain;
        begin
            while (received < vectors * OUT_BEATS) step;
{%- for i in inputs %}
            while ({{ i.port }}_seen < {{ i.port }}_due) step;
{%- endfor %}
{%- for h in heads %}
            while ({{ h.port }}_received < vectors * {{ h.s.beats }}) step;
{%- endfor %}
            repeat (10) step;
        end
    endtask

{%- if !by_count %}

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
{%- endif %}

    initial begin
        noise = 32'd1;
        failures = 0;
        clock = 0;
        passed = 0;
        seen = 0;
        idle = 0;
        received = 0;
{%- for h in heads %}
        {{ h.port }}_received = 0;
        {{ h.port }}_tready = 1'b1;
{%- if s.whole_frames %}
        {{ h.port }}_skipped = 0;
{%- endif %}
{%- endfor %}
        pauses = 1'b0;
        aresetn = 1'b0;
        aclken = 1'b1;
        m_axis_tready = 1'b1;
        s_axis_tvalid = 1'b0;
{%- for i in inputs %}
        {{ i.port }}_idle;
{%- endfor %}
{%- if !by_count %}
        frame_error_clear = 1'b0;
{%- endif %}
{%- if s.whole_frames %}
        skipped = 0;
{%- endif %}
        if (!$value$plusargs("vectors=%d", vectors)) vectors = VECTORS;
`ifdef STRASSENC_FOLDER
        home = `STRASSENC_FOLDER;
`else
        home = ".";
`endif
        if (!$value$plusargs("data=%s", folder)) folder = home;
        read_files;
{%- if !(heads.is_empty() && inputs.is_empty()) %}
        read_others;
{%- endif %}
{%- if !s.memories.is_empty() %}
        find_memories;
{%- endif %}
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
{%- for i in inputs %}
            if ({{ i.port }}_clock > sent_clock) sent_clock = {{ i.port }}_clock;
{%- endfor %}
            if (first_clock - sent_clock != LATENCY) begin
                $display("latency %0d instead of %0d", first_clock - sent_clock, LATENCY);
                fail;
            end
{%- for h in heads %}
            if ({{ h.port }}_first - sent_clock != {{ h.latency }}) begin
                $display("latency of {{ h.port }} %0d instead of {{ h.latency }}",
                         {{ h.port }}_first - sent_clock);
                fail;
            end
{%- endfor %}
{%- if s.warm_up == 0 %}
            if (last_clock - first_clock
                    {% if s.whole_frames %}>{% else %}!={% endif %} (vectors - 1) * II) begin
                $display("%0d clocks from the first vector to the last instead of %0d",
                         last_clock - first_clock, (vectors - 1) * II);
                fail;
            end
{%- else %}
            if (vectors > WARM_UP && last_clock - warm_clock > (vectors - 1 - WARM_UP) * II) begin
                $display("%0d clocks from vector %0d to the last instead of %0d at most",
                         last_clock - warm_clock, WARM_UP, (vectors - 1 - WARM_UP) * II);
                fail;
            end
{%- endif %}
{%- if !by_count %}
            expect_error(1'b0);
{%- endif %}

            // Random pauses.
            pauses = 1'b1;
            reset;
            send_all;
            drain;
{%- if !by_count %}

{%- if s.whole_frames %}

            // A frame one beat too long is cut, and one too short completed; the frames after them
            // pass.
            reset;
            skipped = 2 * OUT_BEATS;
{%- for h in heads %}
            {{ h.port }}_skipped = {{ 2 * h.s.beats }};
{%- endfor %}
{%- else %}

            // A frame one beat too long is dropped, and one too short; the frames after them pass.
            reset;
{%- endif %}
{%- for i in inputs %}
            {{ i.port }}_extra = {{ 2 * i.s.beats }};
            {{ i.port }}_due = {{ 2 * i.s.beats }};
{%- endfor %}
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
{%- for i in inputs %}

            // Such frames of {{ i.port }}.
            reset;
            skipped = 2 * OUT_BEATS;
{%- for h in heads %}
            {{ h.port }}_skipped = {{ 2 * h.s.beats }};
{%- endfor %}
{%- for other in inputs %}
            {{ other.port }}_extra = {{ 2 * other.s.beats }};
            {{ other.port }}_due = {{ 2 * other.s.beats }};
{%- endfor %}
            {{ i.port }}_wrong = 1'b1;
            {{ i.port }}_extra = {{ i.wrong_beats() }};
            {{ i.port }}_due = {{ i.s.beats + 1 }};
            for (beat = 0; beat < IN_BEATS; beat = beat + 1)
                send(given[0], beat == IN_BEATS - 1, 1'b1);
            expect_error(1'b1);
            clear;
            {{ i.port }}_due = {{ i.wrong_beats() }};
            for (beat = 0; beat < IN_BEATS; beat = beat + 1)
                send(given[0], beat == IN_BEATS - 1, 1'b1);
            send_all;
            drain;
            expect_error(1'b1);
{%- endfor %}
{%- endif %}

            // A reset in mid-frame, with vectors on their way.
{%- for i in inputs %}
            {{ i.port }}_due = {{ i.port }}_due + 1;
{%- endfor %}
            send(given[0], {% if !by_count %}IN_BEATS == 1, {% endif %}1'b0);
            if (IN_BEATS > 1) send(given[0], {% if !by_count %}1'b0, {% endif %}1'b0);
            reset;
            send_all;
            drain;
{%- if !by_count %}
            expect_error(1'b0);
{%- endif %}

            if (failures > 0) stop;
            else begin
                $display("PASS {{ s.top }}: %0d vectors, latency %0d, initiation interval %0d",
                         vectors, LATENCY, II);
                $finish;
            end
        end
    endtask
endmodule

`default_nettype wire
