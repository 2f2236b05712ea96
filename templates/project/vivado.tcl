{%- let s = c.signature -%}
{{ header }}
#
# Out of context and without a project, in a folder of your own, where reports and checkpoints then
# lie:
#
#   vivado -mode batch -source BUILD/{{ s.top }}_vivado.tcl [-tclargs PART]
#
# Written after Vivado's documentation; its commands were checked with stand-ins, as no Vivado was
# at hand.
{% include "project/run_elsewhere.tcl" %}
set part {{ part }}
if {[llength $argv] > 0} { set part [lindex $argv 0] }

# Contents of a ROM that are not found are no more than a warning, and the ROM is left out.
set_msg_config -id {Synth 8-4445} -new_severity ERROR
create_project -in_memory -part $part
foreach name {
{%- for name in s.files %}
    {{ name }}
{%- endfor %}
} { read_verilog [list [file join $here $name]] }
{%- if !s.memories.is_empty() %}
foreach name {
{%- for name in s.memories %}
    {{ name }}
{%- endfor %}
} { read_mem [list [file join $here $name]] }
{%- endif %}
read_xdc -mode out_of_context [file join $here {{ s.top }}.xdc]

synth_design -top {{ s.top }} -part $part -mode out_of_context
write_checkpoint -force {{ s.top }}_synthesised.dcp
report_utilization -hierarchical -file {{ s.top }}_synthesised_utilization.rpt

opt_design
place_design
phys_opt_design
route_design
write_checkpoint -force {{ s.top }}_routed.dcp
report_utilization -hierarchical -file {{ s.top }}_utilization.rpt
report_timing_summary -max_paths 10 -file {{ s.top }}_timing.rpt
{%- if let Some(clock) = c.interface.clock %}

set period [get_property PERIOD [get_clocks {{ clock.name }}]]
set paths [get_timing_paths -setup -max_paths 1]
if {[llength $paths] == 0} { error "no path is timed" }
set slack [get_property SLACK [lindex $paths 0]]
puts [format "{{ s.top }} on $part: %.1f MHz; slack %.3f ns of %.3f ns" \
    [expr {1000.0 / ($period - $slack)}] $slack $period]
{%- if c.asked.must_reach %}
if {$slack < 0} { error "the clock of $period ns is missed by [expr {-$slack}] ns" }
{%- endif %}
{%- endif %}
