"""tiny_litex.py: a LiteX module of the network tiny.
Written by strassenc 0.1.0 from the model with SHA-256
4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.

    from tiny_litex import Tiny

    self.tiny = Tiny(platform)

`s_axis` takes frames.
`m_axis` yields results.
What the fields of its beats are, signature.json says.
The build folder has to be on Python's path.

Elaborated with LiteX 2024.12; no board was at hand.
"""

from pathlib import Path

from litex.gen import LiteXModule
from litex.soc.interconnect.axi import AXILiteInterface, AXIStreamInterface
from migen import ClockSignal, Instance, ResetSignal, Signal

FOLDER = Path(__file__).resolve().parent

VERILOG = [
    "strassenc_stream_register.v",
    "strassenc_collector.v",
    "strassenc_serialiser.v",
    "strassenc_add3.v",
    "strassenc_coefficient.v",
    "strassenc_scaled_product.v",
    "strassenc_multiplier.v",
    "strassenc_frame_end.v",
    "strassenc_fifo.v",
    "strassenc_segment.v",
    "tiny_hidden.v",
    "tiny_scores.v",
    "tiny.v",
]

# The Verilog reads these where the tool runs.
MEMORIES = [
]


class Tiny(LiteXModule):
    """The network tiny."""

    def __init__(self, platform, clock_domain="sys"):
        self.s_axis = AXIStreamInterface(
            data_width=16,
            keep_width=2,
            user_width=1,
            clock_domain=clock_domain,
        )
        self.m_axis = AXIStreamInterface(
            data_width=32,
            keep_width=4,
            user_width=1,
            clock_domain=clock_domain,
        )
        self.frame_error_clear = Signal(1)
        self.frame_error = Signal(1)
        self.specials += Instance(
            "tiny",
            i_aclk=ClockSignal(clock_domain),
            i_aresetn=~ResetSignal(clock_domain),
            i_frame_error_clear=self.frame_error_clear,
            o_frame_error=self.frame_error,
            i_s_axis_tdata=self.s_axis.data,
            i_s_axis_tkeep=self.s_axis.keep,
            i_s_axis_tvalid=self.s_axis.valid,
            o_s_axis_tready=self.s_axis.ready,
            i_s_axis_tlast=self.s_axis.last,
            i_s_axis_tuser=self.s_axis.user,
            o_m_axis_tdata=self.m_axis.data,
            o_m_axis_tkeep=self.m_axis.keep,
            o_m_axis_tvalid=self.m_axis.valid,
            i_m_axis_tready=self.m_axis.ready,
            o_m_axis_tlast=self.m_axis.last,
            o_m_axis_tuser=self.m_axis.user,
        )
        for name in VERILOG:
            platform.add_source(FOLDER / name)
        for name in MEMORIES:
            platform.add_source(FOLDER / name, copy=True)
