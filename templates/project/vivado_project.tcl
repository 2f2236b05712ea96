{%- let s = c.signature -%}
{{ header }}
#
# Makes the project {{ s.top }}_project in a folder of your own: the core, out of context, its
# constraints and its testbench, ready for the simulator, synthesis and place and route of the user
# interface:
#
#   vivado -mode batch -source BUILD/{{ s.top }}_vivado_project.tcl [-tclargs PART]
#   vivado {{ s.top }}_project/{{ s.top }}.xpr
#
# Written after Vivado's documentation; its commands were checked with stand-ins, as no Vivado was
# at hand.
{% include "project/run_elsewhere.tcl" %}
set part {{ part }}
if {[llength $argv] > 0} { set part [lindex $argv 0] }

create_project {{ s.top }} {{ s.top }}_project -part $part
set_property target_language Verilog [current_project]
set_msg_config -id {Synth 8-4445} -new_severity ERROR

# What lies in the build folder stays there, and is not copied.
foreach name {
{%- for name in s.files %}
    {{ name }}
{%- endfor %}
{%- for name in s.memories %}
    {{ name }}
{%- endfor %}
} { add_files -norecurse -fileset sources_1 [list [file join $here $name]] }
set_property top {{ s.top }} [get_filesets sources_1]

foreach name {
    {{ s.testbench }}.v
{%- for name in c.testbench_data() %}
    {{ name }}
{%- endfor %}
} { add_files -norecurse -fileset sim_1 [list [file join $here $name]] }
set_property top {{ s.testbench }} [get_filesets sim_1]
set_property -name xsim.simulate.runtime -value all -objects [get_filesets sim_1]

add_files -norecurse -fileset constrs_1 [list [file join $here {{ s.top }}.xdc]]
set_property USED_IN {synthesis implementation out_of_context} [get_files {{ s.top }}.xdc]
set_property -name {STEPS.SYNTH_DESIGN.ARGS.MORE OPTIONS} -value {-mode out_of_context} \
    -objects [get_runs synth_1]

update_compile_order -fileset sources_1
update_compile_order -fileset sim_1
close_project
