# tiny_vivado_ip.tcl: packages as IP for Vivado's block designs the core of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# Makes tiny_ip in a folder of your own, with the core as IP that block designs take:
#
#   vivado -mode batch -source BUILD/tiny_vivado_ip.tcl [-tclargs PART]
#
# Then, in the project of the block design:
#
#   set_property ip_repo_paths [file normalize tiny_ip] [current_project]
#   update_ip_catalog
#   create_bd_cell -type ip -vlnv strassenc:core:tiny:1.0 tiny_0
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
} { add_files -norecurse [list [file join $here $name]] }
set_property top tiny [current_fileset]
update_compile_order -fileset sources_1

# The interfaces are inferred from the names of the ports.
ipx::package_project -root_dir [file normalize tiny_ip] -vendor strassenc -library core \
    -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name tiny $core
set_property version 1.0 $core
set_property display_name tiny $core
set_property description {The network tiny, written by strassenc 0.1.0} $core
set families {}
foreach family {virtex7 kintex7 artix7 zynq virtexuplus kintexuplus artixuplus zynquplus} {
    lappend families $family Production
}
set_property supported_families $families $core
foreach bus {s_axis m_axis} {
    if {[llength [ipx::get_bus_interfaces $bus -of_objects $core]] == 0} {
        error "no interface $bus was inferred"
    }
    ipx::associate_bus_interfaces -busif $bus -clock aclk $core
}
ipx::associate_bus_interfaces -clock aclk -reset aresetn $core
# The clock is that of the block design, whatever it is.
ipx::remove_bus_parameter -quiet FREQ_HZ \
    [ipx::get_bus_interfaces aclk -of_objects $core]
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
