{{ header }}
//
{%- if clken %}
// {{ vectors }} vectors with their products in exact integers, one each clock, {{ latency }} clocks
// before its result, first without pauses, then with random ones of `clken`.
{%- else if clocked %}
// {{ vectors }} vectors with their products in exact integers, one each clock, {{ latency }} clocks
// before its result.
{%- else %}
// {{ vectors }} vectors with their products in exact integers.
{%- endif %}
// Prints PASS and ends with status 0, or prints what is wrong, with its place, then FAIL, and ends
// with another status in Icarus Verilog and Verilator; other simulators stop.
//
// +vectors=N   only the first N vectors
// +data=FOLDER where {{ input_file }} and {{ output_file }} are; else the macro STRASSENC_FOLDER
//              says it when this is compiled, else they are in the folder of the simulation
//
// `sh {{ module }}.sh icarus` and `sh {{ module }}.sh verilator` compile and run it, from any
// folder.
`default_nettype none

module {{ module }};
    localparam VECTORS    = {{ vectors }};
    localparam IN_BEATS   = 1;
    localparam OUT_BEATS  = 1;
    localparam IN_BITS    = {{ input_bits }};
    localparam OUT_BITS   = {{ output_bits }};
    localparam LATENCY    = {{ latency }};
    localparam WIDER_BITS = (IN_BITS > OUT_BITS ? IN_BITS : OUT_BITS) + 4;
    localparam PATH_BITS  = 8 * 1024;

    reg  clk;
    reg  clken;
    reg  [IN_BITS-1:0]  s_data;
    wire [OUT_BITS-1:0] m_data;

    {{ top }} dut (
        {% if clocked %}.clk(clk), {% endif %}{% if clken %}.clken(clken), {% endif -%}
        .s_data(s_data), .m_data(m_data)
    );

{% include "vectors.v" %}

    // ==== The clock, and what changes at its falling edge
    reg [31:0] noise;
    // Whether the clock pauses at random.
    reg        pauses;
    initial begin
        clk = 1'b0;
        forever #5 clk = !clk;
    end

    // Clocks so far, and the vector whose result is due.
    integer clock, due;
    task send_all;
        begin
            clock = 0;
            while (clock < vectors + LATENCY) begin
                @(negedge clk);
                // Marsaglia's xorshift: the same in every simulator.
                noise = noise ^ (noise << 13);
                noise = noise ^ (noise >> 17);
                noise = noise ^ (noise << 5);
                clken  = !pauses || noise[0];
                s_data = clock < vectors ? given[clock] : {IN_BITS{1'b0}};
                due    = clock - LATENCY;
                #1;
                if (due >= 0 && m_data !== expected[due]) begin
                    $display("vector %0d, beat 0: got %h, golden says %h", due, m_data,
                             expected[due]);
                    fail;
                end
                if (clken) clock = clock + 1;
            end
        end
    endtask

    initial begin
        noise = 32'd1;
        failures = 0;
        pauses = 1'b0;
        if (!$value$plusargs("vectors=%d", vectors)) vectors = VECTORS;
`ifdef STRASSENC_FOLDER
        home = `STRASSENC_FOLDER;
`else
        home = ".";
`endif
        if (!$value$plusargs("data=%s", folder)) folder = home;
        read_files;
        if (!whole) stop;
        else if (vectors >= 1 && vectors <= VECTORS) begin
            send_all;
{%- if clken %}
            pauses = 1'b1;
            send_all;
{%- endif %}
            if (failures > 0) stop;
            else begin
                $display("PASS {{ top }}: %0d vectors, latency %0d", vectors, LATENCY);
                $finish;
            end
        end else begin
            $display("+vectors=N: N is 1 to %0d", VECTORS);
            stop;
        end
    end
endmodule

`default_nettype wire
