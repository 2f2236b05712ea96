{%- let s = c.signature -%}
{{ header }}
#
# Makes {{ s.top }}_ip in a folder of your own, with the core as IP that block designs take:
#
#   vivado -mode batch -source BUILD/{{ s.top }}_vivado_ip.tcl [-tclargs PART]
#
# Then, in the project of the block design:
#
#   set_property ip_repo_paths [file normalize {{ s.top }}_ip] [current_project]
#   update_ip_catalog
#   create_bd_cell -type ip -vlnv strassenc:core:{{ s.top }}:1.0 {{ s.top }}_0
#
# Written after Vivado's documentation; its commands were checked with stand-ins, as no Vivado was
# at hand.
{% include "project/run_elsewhere.tcl" %}
set part {{ part }}
if {[llength $argv] > 0} { set part [lindex $argv 0] }

create_project -in_memory -part $part
foreach name {
{%- for name in s.files %}
    {{ name }}
{%- endfor %}
{%- for name in s.memories %}
    {{ name }}
{%- endfor %}
} { add_files -norecurse [list [file join $here $name]] }
set_property top {{ s.top }} [current_fileset]
update_compile_order -fileset sources_1

# The interfaces are inferred from the names of the ports.
ipx::package_project -root_dir [file normalize {{ s.top }}_ip] -vendor strassenc -library core \
    -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name {{ s.top }} $core
set_property version 1.0 $core
set_property display_name {{ s.top }} $core
set_property description {The {{ c.told() }}, written by {{ s.tool }}} $core
set families {}
foreach family {virtex7 kintex7 artix7 zynq virtexuplus kintexuplus artixuplus zynquplus} {
    lappend families $family Production
}
set_property supported_families $families $core
foreach bus { {{- c.interface.bus_names(" ") -}} } {
    if {[llength [ipx::get_bus_interfaces $bus -of_objects $core]] == 0} {
        error "no interface $bus was inferred"
    }
{%- if let Some(clock) = c.interface.clock %}
    ipx::associate_bus_interfaces -busif $bus -clock {{ clock.name }} $core
{%- endif %}
}
{%- if let Some(clock) = c.interface.clock %}
{%- if let Some(reset) = c.interface.reset %}
ipx::associate_bus_interfaces -clock {{ clock.name }} -reset {{ reset.name }} $core
{%- endif %}
# The clock is that of the block design, whatever it is.
ipx::remove_bus_parameter -quiet FREQ_HZ \
    [ipx::get_bus_interfaces {{ clock.name }} -of_objects $core]
{%- endif %}
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
