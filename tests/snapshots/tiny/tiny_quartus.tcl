# tiny_quartus.tcl: a Quartus project of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# Makes the project tiny in a folder of your own, and compiles it unless --no-compile stands
# behind:
#
#   quartus_sh -t BUILD/tiny_quartus.tcl [--no-compile]
#
# Every port but the clock is a virtual pin, so that no core has too many. Written after Quartus's
# documentation; its commands were checked with stand-ins, as no Quartus was at hand.
set here [file dirname [file normalize [info script]]]
if {[file normalize [pwd]] eq $here} {
    error "start this in a folder of your own, not in the build folder:\
        what it makes lies where it is started"
}
load_package flow
project_new -overwrite tiny
set_global_assignment -name FAMILY "MAX 10"
set_global_assignment -name DEVICE 10M50DAF484C7G
set_global_assignment -name TOP_LEVEL_ENTITY tiny
set_global_assignment -name PROJECT_OUTPUT_DIRECTORY output_files
set_global_assignment -name VERILOG_INPUT_VERSION VERILOG_2001
# Where the Verilog's $readmemh finds the contents of ROMs.
set_global_assignment -name SEARCH_PATH $here
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
} { set_global_assignment -name VERILOG_FILE [file join $here $name] }
set_global_assignment -name SDC_FILE [file join $here tiny.sdc]
foreach port {
    aresetn
    s_axis_tdata[*]
    s_axis_tkeep[*]
    s_axis_tvalid
    s_axis_tready
    s_axis_tlast
    s_axis_tuser
    m_axis_tdata[*]
    m_axis_tkeep[*]
    m_axis_tvalid
    m_axis_tready
    m_axis_tlast
    m_axis_tuser
    frame_error_clear
    frame_error
} { set_instance_assignment -name VIRTUAL_PIN ON -to $port }
export_assignments

if {"--no-compile" ni $argv} { execute_flow -compile }
project_close
