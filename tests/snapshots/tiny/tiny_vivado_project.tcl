# tiny_vivado_project.tcl: a Vivado project of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# Makes the project tiny_project in a folder of your own: the core, out of context, its
# constraints and its testbench, ready for the simulator, synthesis and place and route of the user
# interface:
#
#   vivado -mode batch -source BUILD/tiny_vivado_project.tcl [-tclargs PART]
#   vivado tiny_project/tiny.xpr
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

create_project tiny tiny_project -part $part
set_property target_language Verilog [current_project]
set_msg_config -id {Synth 8-4445} -new_severity ERROR

# What lies in the build folder stays there, and is not copied.
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
} { add_files -norecurse -fileset sources_1 [list [file join $here $name]] }
set_property top tiny [get_filesets sources_1]

foreach name {
    tiny_tb.v
    tiny_tb_input.mem
    tiny_tb_output.mem
} { add_files -norecurse -fileset sim_1 [list [file join $here $name]] }
set_property top tiny_tb [get_filesets sim_1]
set_property -name xsim.simulate.runtime -value all -objects [get_filesets sim_1]

add_files -norecurse -fileset constrs_1 [list [file join $here tiny.xdc]]
set_property USED_IN {synthesis implementation out_of_context} [get_files tiny.xdc]
set_property -name {STEPS.SYNTH_DESIGN.ARGS.MORE OPTIONS} -value {-mode out_of_context} \
    -objects [get_runs synth_1]

update_compile_order -fileset sources_1
update_compile_order -fileset sim_1
close_project
