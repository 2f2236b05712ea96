# tiny_vivado.tcl: synthesis, place and route in Vivado of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# Out of context and without a project, in a folder of your own, where reports and checkpoints then
# lie:
#
#   vivado -mode batch -source BUILD/tiny_vivado.tcl [-tclargs PART]
#
# Written after Vivado's documentation; its commands were checked with stand-ins, as no Vivado was
# at hand.
set here [file dirname [file normalize [info script]]]
if {[file normalize [pwd]] eq $here} {
    error "start this in a folder of your own, not in the build folder:\
        what it makes lies where it is started"
}
set part xc7a35tcpg236-1
if {[llength $argv] > 0} { set part [lindex $argv 0] }

# Contents of a ROM that are not found are no more than a warning, and the ROM is left out.
set_msg_config -id {Synth 8-4445} -new_severity ERROR
create_project -in_memory -part $part
foreach name {
    strassenc_stream_register.v
    strassenc_collector.v
    strassenc_serialiser.v
    strassenc_add3.v
    strassenc_coefficient.v
    strassenc_scaled_product.v
    strassenc_multiplier.v
    strassenc_frame_end.v
    strassenc_fifo.v
    strassenc_segment.v
    tiny_hidden.v
    tiny_scores.v
    tiny.v
} { read_verilog [list [file join $here $name]] }
read_xdc -mode out_of_context [file join $here tiny.xdc]

synth_design -top tiny -part $part -mode out_of_context
write_checkpoint -force tiny_synthesised.dcp
report_utilization -hierarchical -file tiny_synthesised_utilization.rpt

opt_design
place_design
phys_opt_design
route_design
write_checkpoint -force tiny_routed.dcp
report_utilization -hierarchical -file tiny_utilization.rpt
report_timing_summary -max_paths 10 -file tiny_timing.rpt

set period [get_property PERIOD [get_clocks aclk]]
set paths [get_timing_paths -setup -max_paths 1]
if {[llength $paths] == 0} { error "no path is timed" }
set slack [get_property SLACK [lindex $paths 0]]
puts [format "tiny on $part: %.1f MHz; slack %.3f ns of %.3f ns" \
    [expr {1000.0 / ($period - $slack)}] $slack $period]
