{%- let s = c.signature -%}
"""{{ header }}

    from {{ s.top }}_litex import {{ class }}

    self.{{ s.top }} = {{ class }}(platform)

{% for sentence in self::sentences(c) -%}
{{ sentence }}
{% endfor -%}
The build folder has to be on Python's path.

Elaborated with LiteX 2024.12; no board was at hand.
"""

from pathlib import Path

from litex.gen import LiteXModule
from litex.soc.interconnect.axi import AXILiteInterface, AXIStreamInterface
from migen import ClockSignal, Instance, ResetSignal, Signal

FOLDER = Path(__file__).resolve().parent

VERILOG = [
{%- for name in s.files %}
    "{{ name }}",
{%- endfor %}
]

# The Verilog reads these where the tool runs.
MEMORIES = [
{%- for name in s.memories %}
    "{{ name }}",
{%- endfor %}
]


class {{ class }}(LiteXModule):
    """The {{ c.told() }}."""

    def __init__(self, platform, clock_domain="sys"):
{%- for bus in c.interface.buses %}
{%- match bus.kind %}
{%- when BusKind::Stream %}
        self.{{ bus.name }} = AXIStreamInterface(
            data_width={{ bus.bits("TDATA") }},
            keep_width={{ bus.bits("TKEEP") }},
            user_width={{ bus.bits("TUSER") }},
            clock_domain=clock_domain,
        )
{%- when BusKind::Lite %}
        self.{{ bus.name }} = AXILiteInterface(
            data_width={{ bus.bits("WDATA") }},
            address_width={{ bus.bits("AWADDR") }},
            clock_domain=clock_domain,
        )
{%- endmatch %}
{%- endfor %}
{%- for port in c.interface.conduits() %}
        self.{{ port.name }} = Signal({{ port.bits }}
        {%- if c.interface.is_enable(port) %}, reset=1{% endif %})
{%- endfor %}
        self.specials += Instance(
            "{{ s.top }}",
{%- if let Some(clock) = c.interface.clock %}
            i_{{ clock.name }}=ClockSignal(clock_domain),
{%- endif %}
{%- if let Some(reset) = c.interface.reset %}
            i_{{ reset.name }}=~ResetSignal(clock_domain),
{%- endif %}
{%- for port in c.interface.conduits() %}
            {{ self::side(port) }}_{{ port.name }}=self.{{ port.name }},
{%- endfor %}
{%- for bus in c.interface.buses %}
{%- for signal in bus.signals %}
            {{ self::side(signal.port) }}_{{ signal.port.name }}=self.{{ bus.name }}.
                {{- self::field(*bus.kind, signal.logical) }},
{%- endfor %}
{%- endfor %}
        )
        for name in VERILOG:
            platform.add_source(FOLDER / name)
        for name in MEMORIES:
            platform.add_source(FOLDER / name, copy=True)
