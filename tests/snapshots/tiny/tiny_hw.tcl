# tiny_hw.tcl: a component for Platform Designer of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# Platform Designer finds it where its IP search path names the build folder:
#
#   qsys-edit --search-path='BUILD,$'
#
# Written after Platform Designer's documentation; its commands were checked with stand-ins, as none
# was at hand.
package require qsys

set_module_property NAME tiny
set_module_property VERSION 1.0
set_module_property GROUP strassenc
set_module_property DISPLAY_NAME tiny
set_module_property DESCRIPTION {The network tiny, written by strassenc 0.1.0}

foreach {fileset kind} {synthesis QUARTUS_SYNTH simulation SIM_VERILOG} {
    add_fileset $fileset $kind
    set_fileset_property $fileset TOP_LEVEL tiny
    add_fileset_file strassenc_stream_register.v VERILOG PATH strassenc_stream_register.v
    add_fileset_file strassenc_collector.v VERILOG PATH strassenc_collector.v
    add_fileset_file strassenc_serialiser.v VERILOG PATH strassenc_serialiser.v
    add_fileset_file strassenc_add3.v VERILOG PATH strassenc_add3.v
    add_fileset_file strassenc_coefficient.v VERILOG PATH strassenc_coefficient.v
    add_fileset_file strassenc_scaled_product.v VERILOG PATH strassenc_scaled_product.v
    add_fileset_file strassenc_multiplier.v VERILOG PATH strassenc_multiplier.v
    add_fileset_file strassenc_frame_end.v VERILOG PATH strassenc_frame_end.v
    add_fileset_file strassenc_fifo.v VERILOG PATH strassenc_fifo.v
    add_fileset_file strassenc_segment.v VERILOG PATH strassenc_segment.v
    add_fileset_file tiny_hidden.v VERILOG PATH tiny_hidden.v
    add_fileset_file tiny_scores.v VERILOG PATH tiny_scores.v
    add_fileset_file tiny.v VERILOG PATH tiny.v TOP_LEVEL_FILE
}

add_interface clock clock end
add_interface_port clock aclk clk Input 1

add_interface reset reset end
set_interface_property reset associatedClock clock
set_interface_property reset synchronousEdges BOTH
add_interface_port reset aresetn reset_n Input 1

add_interface s_axis axi4stream end
set_interface_property s_axis associatedClock clock
set_interface_property s_axis associatedReset reset
add_interface_port s_axis s_axis_tdata \
    tdata Input 16
add_interface_port s_axis s_axis_tkeep \
    tkeep Input 2
add_interface_port s_axis s_axis_tvalid \
    tvalid Input 1
add_interface_port s_axis s_axis_tready \
    tready Output 1
add_interface_port s_axis s_axis_tlast \
    tlast Input 1
add_interface_port s_axis s_axis_tuser \
    tuser Input 1

add_interface m_axis axi4stream start
set_interface_property m_axis associatedClock clock
set_interface_property m_axis associatedReset reset
add_interface_port m_axis m_axis_tdata \
    tdata Output 32
add_interface_port m_axis m_axis_tkeep \
    tkeep Output 4
add_interface_port m_axis m_axis_tvalid \
    tvalid Output 1
add_interface_port m_axis m_axis_tready \
    tready Input 1
add_interface_port m_axis m_axis_tlast \
    tlast Output 1
add_interface_port m_axis m_axis_tuser \
    tuser Output 1

add_interface frame_error_clear conduit end
set_interface_property frame_error_clear associatedClock clock
add_interface_port frame_error_clear frame_error_clear frame_error_clear Input 1

add_interface frame_error conduit end
set_interface_property frame_error associatedClock clock
add_interface_port frame_error frame_error frame_error Output 1
