{{ header }}
//
// {{ vectors }} vectors with golden's answers, first at full rate, where latency and initiation interval are checked, then
// with random pauses on both sides, wrong frames and a reset in mid-frame. Run it in the folder of its .hex files. Prints
// PASS and ends with $finish, or prints what differs and ends with $stop.
`default_nettype none

module {{ module }};
    localparam VECTORS   = {{ vectors }};
    localparam IN_BEATS  = {{ s.input.beats }};
    localparam OUT_BEATS = {{ s.output.beats }};
    localparam LATENCY   = {{ s.latency }};
    localparam II        = {{ s.ii }};
{%- if s.warm_up > 0 %}
    localparam WARM_UP   = {{ s.warm_up }};  // the first vector after which II holds
{%- endif %}

    reg  aclk = 1'b0;
    reg  aresetn = 1'b0;
    reg  aclken = 1'b1;
    reg  [{{ s.input.data_bits() - 1 }}:0] s_axis_tdata;
    reg  s_axis_tvalid = 1'b0;
    wire s_axis_tready;
{%- if !by_count %}
    reg  s_axis_tlast;
{%- endif %}
    reg  s_axis_tuser;
    wire [{{ s.output.data_bits() - 1 }}:0] m_axis_tdata;
{%- if s.output.has_keep() %}
    wire [{{ s.output.beat_bytes() - 1 }}:0] m_axis_tkeep;
{%- endif %}
    wire m_axis_tvalid;
    reg  m_axis_tready = 1'b1;
    wire m_axis_tlast;
    wire m_axis_tuser;
{%- if !by_count %}
    reg  frame_error_clear = 1'b0;
    wire frame_error;
{%- endif %}

    {{ s.top }} dut (
        .aclk(aclk), .aresetn(aresetn),{% if clken %} .aclken(aclken),{% endif %}
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
{%- if s.input.has_keep() %}
        .s_axis_tkeep({ {{- s.input.beat_bytes() }}{1'b0}}),
{%- endif %}
        {% if !by_count %}.s_axis_tlast(s_axis_tlast), {% endif %}.s_axis_tuser(s_axis_tuser),
        .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready),
{%- if s.output.has_keep() %}
        .m_axis_tkeep(m_axis_tkeep),
{%- endif %}
        .m_axis_tlast(m_axis_tlast), .m_axis_tuser(m_axis_tuser)
{%- if !by_count %},
        .frame_error_clear(frame_error_clear), .frame_error(frame_error)
{%- endif %}
    );

    reg [{{ s.input.data_bits() - 1 }}:0]  given [0:VECTORS*IN_BEATS-1];
    reg [{{ s.output.data_bits() - 1 }}:0] expected [0:VECTORS*OUT_BEATS-1];
    initial begin
        $readmemh("{{ input_file }}", given);
        $readmemh("{{ output_file }}", expected);
    end

    always #5 aclk = !aclk;

    integer seed = 1;
    integer failures = 0;
    // Falling edges so far.
    integer clock = 0;
    // Whether both sides pause at random.
    reg     pauses = 1'b0;
    always @(negedge aclk) begin
        clock = clock + 1;
        m_axis_tready = !pauses || ($random(seed) & 1) == 0;
{%- if clken %}
        aclken = !pauses || ($random(seed) & 3) != 0;
{%- endif %}
    end

    task fail;
        begin
            failures = failures + 1;
            if (failures == 20) stop;
        end
    endtask

    task stop;
        begin
            $display("FAIL {{ s.top }}: %0d failures", failures);
            $stop;
            $finish;
        end
    endtask

    // ==== Output: beats in order, each compared; a vector is a sequence start where its number divides by {{ every }}
    integer received = 0;
    integer first_clock = 0;
{%- if s.warm_up > 0 %}
    integer warm_clock = 0;
{%- endif %}
    integer last_clock = 0;
{%- if s.whole_frames %}
    // Beats of the results of wrong frames, which come out first.
    integer skipped = 0;
{%- endif %}
    always @(posedge aclk)
        if (aresetn && aclken && m_axis_tvalid && m_axis_tready{% if s.whole_frames %} && skipped > 0{% endif %}) begin
{%- if s.whole_frames %}
            skipped = skipped - 1;
        end else if (aresetn && aclken && m_axis_tvalid && m_axis_tready) begin
{%- endif %}
            if (received == 0) first_clock = clock;
{%- if s.warm_up > 0 %}
            if (received == WARM_UP * OUT_BEATS) warm_clock = clock;
{%- endif %}
            if (received == (VECTORS - 1) * OUT_BEATS) last_clock = clock;
            if (received >= VECTORS * OUT_BEATS) begin
                $display("an output beat too many");
                fail;
            end else if (m_axis_tdata !== expected[received] || m_axis_tlast !== (received % OUT_BEATS == OUT_BEATS - 1)
                    || m_axis_tuser !== (received % OUT_BEATS == 0 && (received / OUT_BEATS) % {{ every }} == 0)) begin
                $display("vector %0d, beat %0d: got %h (last %b, user %b), golden says %h", received / OUT_BEATS,
                         received % OUT_BEATS, m_axis_tdata, m_axis_tlast, m_axis_tuser, expected[received]);
                fail;
{%- if s.output.has_keep() %}
            end else if (m_axis_tkeep !== (received % OUT_BEATS == OUT_BEATS - 1
                    ? { {{- s.output.beat_bytes() - s.output.last_bytes() }}'d0, { {{- s.output.last_bytes() }}{1'b1}}} : { {{- s.output.beat_bytes() }}{1'b1}})) begin
                $display("vector %0d, beat %0d: m_axis_tkeep is %b", received / OUT_BEATS, received % OUT_BEATS, m_axis_tkeep);
                fail;
{%- endif %}
            end
            received = received + 1;
        end

    // ==== Input: offers a beat until it is taken; starts and ends at a falling edge
    integer accepted_clock;
    task send(input [{{ s.input.data_bits() - 1 }}:0] data, {% if !by_count %}input last, {% endif %}input user);
        reg taken;
        begin
            while (pauses && ($random(seed) & 1) == 0) @(negedge aclk);
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
                @(negedge aclk);
            end
            s_axis_tvalid = 1'b0;
        end
    endtask

    task reset;
        begin
            aresetn = 1'b0;
            s_axis_tvalid = 1'b0;
            repeat (3) begin
                @(negedge aclk);
                if (s_axis_tready !== 1'b0 || m_axis_tvalid !== 1'b0) begin
                    $display("in reset s_axis_tready is %b and m_axis_tvalid %b", s_axis_tready, m_axis_tvalid);
                    fail;
                end
            end
            aresetn = 1'b1;
            received = 0;
        end
    endtask

    integer vector, beat, sent_clock, limit;
    task send_all;
        for (vector = 0; vector < VECTORS; vector = vector + 1) begin
            for (beat = 0; beat < IN_BEATS; beat = beat + 1)
                send(given[vector * IN_BEATS + beat], {% if !by_count %}beat == IN_BEATS - 1, {% endif %}beat == 0 && vector % {{ every }} == 0);
            if (vector == 0) sent_clock = accepted_clock;
        end
    endtask

    task drain;
        begin
            limit = clock + 20 * ({% if s.latency > 0 %}LATENCY + {% endif %}OUT_BEATS) + 40 * VECTORS * {% if s.whole_frames %}II{% else %}OUT_BEATS{% endif %};
            while (received < VECTORS * OUT_BEATS && clock < limit) @(negedge aclk);
            repeat (10) @(negedge aclk);
            if (received != VECTORS * OUT_BEATS) begin
                $display("%0d output beats instead of %0d", received, VECTORS * OUT_BEATS);
                fail;
            end
        end
    endtask

{%- if !by_count %}
    // Waits for an error that is due, since the core may be busy yet.
    task expect_error(input due);
        begin
            limit = clock + 20 * II + 100;
            while (frame_error !== due && clock < limit) @(negedge aclk);
            if (frame_error !== due) begin
                $display("frame_error is %b instead of %b", frame_error, due);
                fail;
            end
        end
    endtask

    task clear;
        begin
            frame_error_clear = 1'b1;
            @(posedge aclk);
            while (!aclken) @(posedge aclk);
            @(negedge aclk) frame_error_clear = 1'b0;
            if (frame_error !== 1'b0) begin
                $display("frame_error was not cleared");
                fail;
            end
        end
    endtask

{%- endif %}
    initial begin
        repeat (2) @(negedge aclk);

        // Full rate.
        reset;
        send_all;
        drain;
        if (first_clock - sent_clock != LATENCY) begin
            $display("latency %0d instead of %0d", first_clock - sent_clock, LATENCY);
            fail;
        end
{%- if s.warm_up == 0 %}
        if (last_clock - first_clock {% if s.whole_frames %}>{% else %}!={% endif %} (VECTORS - 1) * II) begin
            $display("%0d clocks from the first vector to the last instead of %0d", last_clock - first_clock,
                     (VECTORS - 1) * II);
            fail;
        end
{%- else %}
        if (VECTORS > WARM_UP && last_clock - warm_clock > (VECTORS - 1 - WARM_UP) * II) begin
            $display("%0d clocks from vector %0d to the last instead of %0d at most", last_clock - warm_clock, WARM_UP,
                     (VECTORS - 1 - WARM_UP) * II);
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
        // A frame one beat too long is cut, and one too short completed; the frames after them pass.
        reset;
        skipped = 2 * OUT_BEATS;
{%- else %}
        // A frame one beat too long is dropped, and one too short; the frames after them pass.
        reset;
{%- endif %}
        for (beat = 0; beat <= IN_BEATS; beat = beat + 1) send(given[0], beat == IN_BEATS, 1'b1);
        expect_error(1'b1);
        clear;
        // Where a frame has one beat, none is too short.
        if (IN_BEATS == 1) send(given[0], 1'b0, 1'b1);
        send(given[0], 1'b1, 1'b1);
        send_all;
        drain;
        expect_error(1'b1);

{%- endif %}
        // A reset in mid-frame, with vectors on their way.
        send(given[0], {% if !by_count %}IN_BEATS == 1, {% endif %}1'b0);
        if (IN_BEATS > 1) send(given[0], {% if !by_count %}1'b0, {% endif %}1'b0);
        reset;
        send_all;
        drain;
{%- if !by_count %}
        expect_error(1'b0);
{%- endif %}

        if (failures > 0) stop;
        $display("PASS {{ s.top }}: {{ vectors }} vectors, latency %0d, initiation interval %0d", LATENCY, II);
        $finish;
    end
endmodule

`default_nettype wire
