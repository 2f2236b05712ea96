"""{{ header }}

Drives the core on a PYNQ board, behind an AXI DMA in simple mode with {{ d.length_bits }} bits
or more of length (PG021; Vivado's default is 14). Copy this file beside the overlay:

    from pynq import Overlay
    from {{ module }} import Core

{% if d.heads.is_empty() %}    core = Core(Overlay("{{ d.name }}.bit").axi_dma_0)
{%- else %}    overlay = Overlay("{{ d.name }}.bit")
    heads = {
{%- for h in d.heads %}
        "{{ h.name }}": overlay.axi_dma_{{ loop.index }},     # behind {{ h.port }}_*: [{{ h.output.elements }}]
{%- endfor %}
    }
    core = Core(overlay.axi_dma_0, heads=heads)
{%- endif %}
    # Real numbers: [{{ d.input.elements }}] to [{{ d.output.elements }}], or many vectors at once.
    y{% if !d.heads.is_empty() %}, *more{% endif %} = core(x)
    y{% if !d.heads.is_empty() %}, *more{% endif %} = core.infer(x)     # integers, as the core has them
{%- if let Some(told) = d.told %}
    # y is {{ told }}.
{%- endif %}
{%- for h in d.heads %}
{%- if let Some(told) = h.told %}
    # What leaves {{ h.name }} is {{ told }}.
{%- endif %}
{%- endfor %}
{%- if !d.heads.is_empty() %}

Each head leaves on a stream of its own, to a DMA engine of its own that has only the channel to
memory. `more` has what they yield, in their order.
{%- endif %}
{%- if d.control.is_some() %}

With its registers beside the DMA engine, it says how the core does:

    overlay = Overlay("{{ d.name }}.bit")
    core = Core(overlay.axi_dma_0, overlay.{{ d.name }}_0{% if !d.heads.is_empty() %}, heads=heads{% endif %})
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
# An integer v of the inputs stands for the real number v * 2^-frac.
INPUT_FRAC = {{ d.input.frac }}
# The least and the largest integer of an input.
LEAST, MOST = {{ d.input.least }}, {{ d.input.most }}
# Bytes of an input, low byte first.
INPUT_BYTES = {{ d.input.element_bytes }}


def quantise(x):
    """The nearest integers of real inputs, half up, within the range of the core."""
    scaled = np.asarray(x, np.float64) * 2.0**INPUT_FRAC
    if np.isnan(scaled).any():
        raise ValueError("an input is not a number")
    below = np.floor(scaled)
    # scaled + 1/2 would be rounded.
    return np.clip(below + (scaled - below >= 0.5), LEAST, MOST).astype(np.int64)


def pack(x):
    """Frames [vectors, bytes] of integers [vectors, INPUTS]."""
    every = np.ascontiguousarray(x, "<i8").view(np.uint8).reshape(-1, INPUTS, 8)
    return every[:, :, :INPUT_BYTES].reshape(-1, INPUTS * INPUT_BYTES)


class Output:
    """What leaves on one stream: so many integers of so many bytes each, low byte first. An integer
    v stands for offset + scale * v * 2^-frac, in units of the data; without a frac, for itself."""

    def __init__(self, elements, element_bytes, signed, frac, offset=0.0, scale=1.0):
        self.elements, self.element_bytes, self.signed = elements, element_bytes, signed
        self.frac, self.offset, self.scale = frac, np.array(offset), np.array(scale)
        self.bytes = elements * element_bytes

    def real(self, y):
        """The real numbers that integers [..., elements] stand for; decisions as they are."""
        if self.frac is None:
            return np.asarray(y)
        return self.offset + self.scale * (np.asarray(y) * 2.0**-self.frac)

    def unpack(self, results):
        """Integers [vectors, elements] of results [vectors, bytes]."""
        size = self.element_bytes
        every = np.zeros((len(results), self.elements, 8), np.uint8)
        every[:, :, :size] = results.reshape(-1, self.elements, size)
        y = every.view("<i8")[:, :, 0]
        # The sign goes up through all bits.
        free = 8 * (8 - size)
        return y << free >> free if self.signed else y


{% macro output(o, told, numbers) -%}
Output({{ o.elements }}, {{ o.element_bytes }}, {% if o.signed %}True{% else %}False{% endif %}
{%- if told.is_some() %}, None{% else %}, {{ o.frac }}{% endif %}
{%- if let Some([offset, scale]) = numbers %}, [{{ offset }}], [{{ scale }}]{% endif %})
{%- endmacro -%}
OUTPUT = {% call output(d.output, d.told, d.numbers) %}{% endcall %}
real, unpack = OUTPUT.real, OUTPUT.unpack
{%- if !d.heads.is_empty() %}
HEADS = {
{%- for h in d.heads %}
    "{{ h.name }}": {% call output(h.output, h.told, h.numbers) %}{% endcall %},
{%- endfor %}
}
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
    """The network {{ model }} behind the DMA engine `dma`, an attribute of an overlay
{%- if !d.heads.is_empty() %}, with those of its
    heads by their names
{%- endif %}
{%- if d.control.is_some() %}, and its
    registers, another one: whatever has read(offset) and write(offset, value)
{%- endif %}."""

    def __init__(self, dma{% if d.control.is_some() %}, registers=None{% endif %}
{%- if !d.heads.is_empty() %}, *, heads{% endif %}):
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
{%- if d.heads.is_empty() %}
        ends = [(OUTPUT, dma)]
{%- else %}
        if set(heads) != set(HEADS):
            raise ValueError(f"the heads are {', '.join(HEADS)}, not {', '.join(heads)}")
        ends = [(OUTPUT, dma), *((HEADS[name], heads[name]) for name in HEADS)]
{%- endif %}
        # Of each output what it is, the channel to memory, and where that writes.
        self.ends = [
            (output, end.recvchannel, allocate(shape=(output.bytes,), dtype=np.uint8))
            for output, end in ends
        ]

    def __call__(self, x):
{%- if d.heads.is_empty() %}
        """Real outputs [..., OUTPUTS] of real inputs [..., INPUTS]."""
        return real(self.infer(quantise(x)))
{%- else %}
        """Real outputs of real inputs [..., INPUTS], one array [..., elements] for each stream."""
        return tuple(end[0].real(y) for end, y in zip(self.ends, self.infer(quantise(x))))
{%- endif %}

    def infer(self, x):
{%- if d.heads.is_empty() %}
        """Integer outputs [..., OUTPUTS] of integer inputs [..., INPUTS]."""
{%- else %}
        """The same of integers."""
{%- endif %}
        x = np.asarray(x)
        if x.dtype.kind not in "iu" or x.shape[-1:] != (INPUTS,):
            raise ValueError(f"inputs are integers [..., {INPUTS}], not {x.dtype} {x.shape}")
        if x.size and (x.min() < LEAST or x.max() > MOST):
            raise ValueError(f"an input is outside of {LEAST}..={MOST}")
        frames = pack(x.reshape(-1, INPUTS))
        results = [np.empty((len(frames), output.bytes), np.uint8) for output, _, _ in self.ends]
        for i, frame in enumerate(frames):
            self.frame[:] = frame
            for _, channel, buffer in self.ends:
                channel.transfer(buffer)
            self.dma.sendchannel.transfer(self.frame)
            self.dma.sendchannel.wait()
            self.dma.sendchannel.wait()
            for (_, channel, buffer), result in zip(self.ends, results):
                channel.wait()
                if channel.transferred != buffer.nbytes:
                    raise RuntimeError("a result has a wrong length: reset the core and begin anew")
                result[i] = buffer
        shape = x.shape[:-1]
        ends = (output for output, _, _ in self.ends)
        y = tuple(o.unpack(y).reshape(*shape, o.elements) for o, y in zip(ends, results))
{%- if d.heads.is_empty() %}
        return y[0]
{%- else %}
        return y
{%- endif %}
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
        """Frees the buffers."""
        for buffer in (self.frame, *(buffer for _, _, buffer in self.ends)):
            buffer.freebuffer()
