{%- let s = c.signature -%}
{{ header }}
#
# Platform Designer finds it where its IP search path names the build folder:
#
#   qsys-edit --search-path='BUILD,$'
#
# Written after Platform Designer's documentation; its commands were checked with stand-ins, as none
# was at hand.
package require qsys

set_module_property NAME {{ s.top }}
set_module_property VERSION 1.0
set_module_property GROUP strassenc
set_module_property DISPLAY_NAME {{ s.top }}
set_module_property DESCRIPTION {The {{ c.told() }}, written by {{ s.tool }}}

foreach {fileset kind} {synthesis QUARTUS_SYNTH simulation SIM_VERILOG} {
    add_fileset $fileset $kind
    set_fileset_property $fileset TOP_LEVEL {{ s.top }}
{%- for name in s.files %}
    add_fileset_file {{ name }} VERILOG PATH {{ name }}{{ self::if_top(c, name) }}
{%- endfor %}
{%- for name in s.memories %}
    add_fileset_file {{ name }} OTHER PATH {{ name }}
{%- endfor %}
}
{%- if let Some(clock) = c.interface.clock %}

add_interface clock clock end
add_interface_port clock {{ clock.name }} clk Input 1
{%- endif %}
{%- if let Some(reset) = c.interface.reset %}

add_interface reset reset end
set_interface_property reset associatedClock clock
set_interface_property reset synchronousEdges BOTH
add_interface_port reset {{ reset.name }} reset_n Input 1
{%- endif %}
{%- for bus in c.interface.buses %}

add_interface {{ bus.name }} {{ self::kind(bus) }}
set_interface_property {{ bus.name }} associatedClock clock
set_interface_property {{ bus.name }} associatedReset reset
{%- for signal in bus.signals %}
add_interface_port {{ bus.name }} {{ signal.port.name }} \
    {{ signal.logical.to_lowercase() }} {{ self::told(signal.port) }}
{%- endfor %}
{%- endfor %}
{%- for port in c.interface.conduits() %}

add_interface {{ port.name }} conduit end
set_interface_property {{ port.name }} associatedClock clock
add_interface_port {{ port.name }} {{ port.name }} {{ port.name }} {{ self::told(port) }}
{%- endfor %}
