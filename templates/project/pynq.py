"""{{ header }}

Drives the core on a PYNQ board, behind an AXI DMA in simple mode with {{ d.length_bits }} bits
or more of length (PG021; Vivado's default is 14). Copy this file beside the overlay:

    from pynq import Overlay
    from {{ module }} import Core

    core = Core(Overlay("{{ d.name }}.bit").axi_dma_0)
    # Real numbers: [{{ d.input.elements }}] to [{{ d.output.elements }}], or many vectors at once.
    y = core(x)
    y = core.infer(x)     # integers, as the core has them
{%- if d.control.is_some() %}

With its registers beside the DMA engine, it says how the core does:

    overlay = Overlay("{{ d.name }}.bit")
    core = Core(overlay.axi_dma_0, overlay.{{ d.name }}_0)
    core.status() & STATUS_BITS["EMPTY"], core.frames_in(), core.frames_out()
{%- if d.loads() %}
    core.load(open("table.bin", "rb").read())     # as `strassenc reload -o table.bin` writes it
{%- endif %}
{%- endif %}
{%- if d.recurrent %}

Simple mode carries no tuser: tie s_axis_tuser low. A sequence begins with the first vector after a
reset of the core.
{%- endif %}

Tried with the core in a simulator, and a stand-in for pynq 3.1; no board was at hand.
"""

{% if d.loads() -%}
import time

{% endif -%}
import numpy as np

INPUTS, OUTPUTS = {{ d.input.elements }}, {{ d.output.elements }}
# An integer v stands for the real number v * 2^-frac.
INPUT_FRAC, OUTPUT_FRAC = {{ d.input.frac }}, {{ d.output.frac }}
# The least and the largest integer of an input.
LEAST, MOST = {{ d.input.least }}, {{ d.input.most }}
# Bytes of an element, low byte first.
INPUT_BYTES, OUTPUT_BYTES = {{ d.input.element_bytes }}, {{ d.output.element_bytes }}


def quantise(x):
    """The nearest integers of real inputs, half up, within the range of the core."""
    scaled = np.asarray(x, np.float64) * 2.0**INPUT_FRAC
    if np.isnan(scaled).any():
        raise ValueError("an input is not a number")
    below = np.floor(scaled)
    # scaled + 1/2 would be rounded.
    return np.clip(below + (scaled - below >= 0.5), LEAST, MOST).astype(np.int64)
{%- if let Some([offset, scale]) = d.numbers %}
# An output of 0 stands for the offset, in units of the data, and a real 1 for the scale more.
OFFSET, SCALE = np.array([{{ offset }}]), np.array([{{ scale }}])


def real(y):
    """The numbers, in units of the data, that integers [..., OUTPUTS] stand for."""
    return OFFSET + SCALE * (np.asarray(y) * 2.0**-OUTPUT_FRAC)
{%- else %}


def real(y):
    """The real numbers that integers of the outputs stand for."""
    return np.asarray(y) * 2.0**-OUTPUT_FRAC
{%- endif %}


def pack(x):
    """Frames [vectors, bytes] of integers [vectors, INPUTS]."""
    every = np.ascontiguousarray(x, "<i8").view(np.uint8).reshape(-1, INPUTS, 8)
    return every[:, :, :INPUT_BYTES].reshape(-1, INPUTS * INPUT_BYTES)


def unpack(results):
    """Integers [vectors, OUTPUTS] of results [vectors, bytes]."""
    every = np.zeros((len(results), OUTPUTS, 8), np.uint8)
    every[:, :, :OUTPUT_BYTES] = results.reshape(-1, OUTPUTS, OUTPUT_BYTES)
{%- if d.output.signed %}
    # The sign goes up through all bits.
    free = 8 * (8 - OUTPUT_BYTES)
    return every.view("<i8")[:, :, 0] << free >> free
{%- else %}
    return every.view("<i8")[:, :, 0]
{%- endif %}
{%- if let Some(control) = d.control %}


# Addresses of registers, what they always hold, and their bits.
{%- for r in control.registers %}
{{ r.name }} = {{ r.offset }}
{%- endfor %}
HOLDS = {
{%- for r in control.registers %}
{%- if let Some(value) = r.value %}
    {{ r.name }}: 0x{{ "{:08x}"|format(value) }},
{%- endif %}
{%- endfor %}
}
{%- for r in control.registers %}
{%- if !r.fields.is_empty() %}
{{ r.name }}_BITS = {
{%- for field in r.fields %}
    "{{ field.name }}": 1 << {{ field.bit }},
{%- endfor %}
}
{%- endif %}
{%- endfor %}
{%- if let Some(table) = control.table %}
TABLE, WORDS = {{ table.offset }}, {{ table.words }}
{%- endif %}
{%- endif %}


class Core:
{%- if d.control.is_some() %}
    """The network {{ model }} behind the DMA engine `dma`, an attribute of an overlay, and its
    registers, another one: whatever has read(offset) and write(offset, value)."""

    def __init__(self, dma, registers=None):
{%- else %}
    """The network {{ model }} behind the DMA engine `dma`, an attribute of an overlay."""

    def __init__(self, dma):
{%- endif %}
        from pynq import allocate

        self.dma = dma
{%- if d.control.is_some() %}
        self.registers = registers
        if registers is not None:
            for offset, due in HOLDS.items():
                if registers.read(offset) != due:
                    raise RuntimeError(f"register {offset:#x} is not that of this core's build")
{%- endif %}
        self.frame = allocate(shape=(INPUTS * INPUT_BYTES,), dtype=np.uint8)
        self.result = allocate(shape=(OUTPUTS * OUTPUT_BYTES,), dtype=np.uint8)

    def __call__(self, x):
        """Real outputs [..., OUTPUTS] of real inputs [..., INPUTS]."""
        return real(self.infer(quantise(x)))

    def infer(self, x):
        """Integer outputs [..., OUTPUTS] of integer inputs [..., INPUTS]."""
        x = np.asarray(x)
        if x.dtype.kind not in "iu" or x.shape[-1:] != (INPUTS,):
            raise ValueError(f"inputs are integers [..., {INPUTS}], not {x.dtype} {x.shape}")
        if x.size and (x.min() < LEAST or x.max() > MOST):
            raise ValueError(f"an input is outside of {LEAST}..={MOST}")
        frames = pack(x.reshape(-1, INPUTS))
        results = np.empty((len(frames), OUTPUTS * OUTPUT_BYTES), np.uint8)
        for frame, result in zip(frames, results):
            self.frame[:] = frame
            self.dma.recvchannel.transfer(self.result)
            self.dma.sendchannel.transfer(self.frame)
            self.dma.sendchannel.wait()
            self.dma.recvchannel.wait()
            if self.dma.recvchannel.transferred != self.result.nbytes:
                raise RuntimeError("a result has a wrong length: reset the core and begin anew")
            result[:] = self.result
        return unpack(results).reshape(*x.shape[:-1], OUTPUTS)
{%- if let Some(control) = d.control %}

    def status(self):
        """The bits of STATUS_BITS."""
        return self.registers.read(STATUS)

    def frames_in(self):
        """Frames that have entered since the reset of the core, modulo 2**32."""
        return self.registers.read(FRAMES_IN)

    def frames_out(self):
        """Frames that have left since the reset of the core, modulo 2**32."""
        return self.registers.read(FRAMES_OUT)
{%- if control.has("COMMAND", "CLEAR_ERROR") %}

    def clear_error(self):
        """Clears the error of a wrong frame."""
        self.registers.write(COMMAND, COMMAND_BITS["CLEAR_ERROR"])
{%- endif %}
{%- if control.table.is_some() %}

    def load(self, table, seconds=1.0):
        """Has the core load a table between two frames: bytes, as `strassenc reload` writes them.
        All frames to come have it then."""
        words = np.frombuffer(table, "<u4")
        if len(words) != WORDS:
            raise ValueError(f"a table of this core has {4 * WORDS} bytes, not {len(table)}")
        # A table that is being loaded takes no word.
        self._wait_loaded(seconds)
        for i, word in enumerate(words):
            self.registers.write(TABLE + 4 * i, int(word))
        self.registers.write(COMMAND, COMMAND_BITS["LOAD"])
        self._wait_loaded(seconds)

    def _wait_loaded(self, seconds):
        end = time.monotonic() + seconds
        while self.status() & STATUS_BITS["LOADING"]:
            if time.monotonic() > end:
                raise RuntimeError("the core is still loading a table")
{%- endif %}
{%- endif %}

    def close(self):
        """Frees the two buffers."""
        self.frame.freebuffer()
        self.result.freebuffer()
