{{ header }}
#
# For the core alone, out of context: a clock of {{ c.asked.mhz }} MHz. In a design of yours the
# clock comes from there, and this file stays out. Not tried: no Vivado was at hand.
{%- if let Some(clock) = c.interface.clock %}
create_clock -name {{ clock.name }} -period {{ c.period() }} [get_ports {{ clock.name }}]
{%- endif %}
