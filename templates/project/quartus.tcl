{%- let s = c.signature -%}
{{ header }}
#
# Makes the project {{ s.top }} in a folder of your own, and compiles it unless --no-compile stands
# behind:
#
#   quartus_sh -t BUILD/{{ s.top }}_quartus.tcl [--no-compile]
#
# Every port but the clock is a virtual pin, so that no core has too many. Written after Quartus's
# documentation; its commands were checked with stand-ins, as no Quartus was at hand.
{% include "project/run_elsewhere.tcl" %}
load_package flow
project_new -overwrite {{ s.top }}
set_global_assignment -name FAMILY "{{ family }}"
set_global_assignment -name DEVICE {{ part }}
set_global_assignment -name TOP_LEVEL_ENTITY {{ s.top }}
set_global_assignment -name PROJECT_OUTPUT_DIRECTORY output_files
set_global_assignment -name VERILOG_INPUT_VERSION VERILOG_2001
# Where the Verilog's $readmemh finds the contents of ROMs.
set_global_assignment -name SEARCH_PATH $here
foreach name {
{%- for name in s.files %}
    {{ name }}
{%- endfor %}
} { set_global_assignment -name VERILOG_FILE [file join $here $name] }
set_global_assignment -name SDC_FILE [file join $here {{ s.top }}.sdc]
foreach port {
{%- for port in s.ports %}
{%- if Some(port) != c.interface.clock.as_ref() %}
    {{ port.name }}{% if port.bits > 1 %}[*]{% endif %}
{%- endif %}
{%- endfor %}
} { set_instance_assignment -name VIRTUAL_PIN ON -to $port }
export_assignments

if {"--no-compile" ni $argv} { execute_flow -compile }
project_close
