{{ header }}
#
# For the core alone: a clock of {{ c.asked.mhz }} MHz. In a design of yours the clock comes from
# there, and this file stays out. Not tried: no Quartus was at hand.
{%- if let Some(clock) = c.interface.clock %}
create_clock -name {{ clock.name }} -period {{ c.period() }} [get_ports {{ clock.name }}]
{%- endif %}
derive_clock_uncertainty
