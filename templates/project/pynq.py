{%- macro others() -%}
{% if !d.inputs.is_empty() %}, inputs=inputs{% endif %}{% if !d.heads.is_empty() %}, heads=heads{% endif %}
{%- endmacro -%}
{%- macro given() -%}
{% if !d.inputs.is_empty() %}, **further{% endif %}
{%- endmacro -%}
{%- macro takes() -%}
{% if !d.inputs.is_empty() %}, /, **further{% endif %}
{%- endmacro -%}
{%- macro quantised() -%}
{% if !d.inputs.is_empty() %}, **_quantised(further){% endif %}
{%- endmacro -%}
"""{{ header }}

Drives the core on a PYNQ board, behind an AXI DMA in simple mode with {{ d.length_bits }} bits
or more of length (PG021; Vivado's default is 14). Copy this file beside the overlay:

    from pynq import Overlay
    from {{ module }} import Core

{% if d.inputs.is_empty() && d.heads.is_empty() %}    core = Core(Overlay("{{ d.name }}.bit").axi_dma_0)
{%- else %}    overlay = Overlay("{{ d.name }}.bit")
{%- if !d.inputs.is_empty() %}
    inputs = {
{%- for i in d.inputs %}
        "{{ i.name }}": overlay.axi_dma_{{ loop.index }},     # before {{ i.port }}_*: [{{ i.input.elements }}]
{%- endfor %}
    }
{%- endif %}
{%- if !d.heads.is_empty() %}
    heads = {
{%- for h in d.heads %}
        "{{ h.name }}": overlay.axi_dma_{{ loop.index + d.inputs.len() }},     # behind {{ h.port }}_*: [{{ h.output.elements }}]
{%- endfor %}
    }
{%- endif %}
    core = Core(overlay.axi_dma_0{% call others() %}{% endcall %})
{%- endif %}
{%- if !d.inputs.is_empty() %}
    further = { {%- for i in d.inputs %}"{{ i.name }}": [...]{% if !loop.last %}, {% endif %}{% endfor -%} }
{%- endif %}
    # Real numbers: [{{ d.input.elements }}] to [{{ d.output.elements }}], or many vectors at once.
    y{% if !d.heads.is_empty() %}, *more{% endif %} = core(x{% call given() %}{% endcall %})
    y{% if !d.heads.is_empty() %}, *more{% endif %} = core.infer(x{% call given() %}{% endcall %})     # integers, as the core has them
{%- if let Some(told) = d.told %}
    # y is {{ told }}.
{%- endif %}
{%- for h in d.heads %}
{%- if let Some(told) = h.told %}
    # What leaves {{ h.name }} is {{ told }}.
{%- endif %}
{%- endfor %}
{%- if !d.inputs.is_empty() %}

Each further input enters on a stream of its own, from a DMA engine of its own that has only the
channel from memory.
{%- endif %}
{%- if !d.heads.is_empty() %}

Each head leaves on a stream of its own, to a DMA engine of its own that has only the channel to
memory. `more` has what they yield, in their order.
{%- endif %}
{%- if d.control.is_some() %}

With its registers beside the DMA engine, it says how the core does:

    overlay = Overlay("{{ d.name }}.bit")
    core = Core(overlay.axi_dma_0, overlay.{{ d.name }}_0{% call others() %}{% endcall %})
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


class Input:
    """What enters on one stream: so many integers of so many bytes each, low byte first, within
    least..=most. An integer v stands for the real number v * 2^-frac."""

    def __init__(self, elements, element_bytes, least, most, frac):
        self.elements, self.element_bytes = elements, element_bytes
        self.least, self.most, self.frac = least, most, frac
        self.bytes = elements * element_bytes

    def quantise(self, x):
        """The nearest integers of real inputs, half up, within the range of the core."""
        scaled = np.asarray(x, np.float64) * 2.0**self.frac
        if np.isnan(scaled).any():
            raise ValueError("an input is not a number")
        below = np.floor(scaled)
        # scaled + 1/2 would be rounded.
        return np.clip(below + (scaled - below >= 0.5), self.least, self.most).astype(np.int64)

    def check(self, x):
        """The array, which must be integers [..., elements] within the range."""
        x = np.asarray(x)
        n = self.elements
        if x.dtype.kind not in "iu" or x.shape[-1:] != (n,):
            raise ValueError(f"inputs are integers [..., {n}], not {x.dtype} {x.shape}")
        if x.size and (x.min() < self.least or x.max() > self.most):
            raise ValueError(f"an input is outside of {self.least}..={self.most}")
        return x

    def pack(self, x):
        """Frames [vectors, bytes] of integers [..., elements]."""
        every = np.ascontiguousarray(x, "<i8").view(np.uint8).reshape(-1, self.elements, 8)
        return every[:, :, : self.element_bytes].reshape(-1, self.bytes)


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
{% macro input(i) -%}
Input({{ i.elements }}, {{ i.element_bytes }}, {{ i.least }}, {{ i.most }}, {{ i.frac }})
{%- endmacro -%}
INPUT = {% call input(d.input) %}{% endcall %}
quantise, pack = INPUT.quantise, INPUT.pack
{%- if !d.inputs.is_empty() %}
FURTHER = {
{%- for i in d.inputs %}
    "{{ i.name }}": {% call input(i.input) %}{% endcall %},
{%- endfor %}
}


def _in_order(further):
    if set(further) != set(FURTHER):
        raise TypeError(f"the further inputs are {', '.join(FURTHER)}")
    return [further[name] for name in FURTHER]


def _quantised(further):
    given = zip(FURTHER.items(), _in_order(further))
    return {name: own.quantise(x) for (name, own), x in given}


{%- endif %}
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
{%- if !(d.inputs.is_empty() && d.heads.is_empty()) %}, with those of its
    {% if !d.inputs.is_empty() %}further inputs{% if !d.heads.is_empty() %} and of its {% endif %}{% endif %}{% if !d.heads.is_empty() %}heads{% endif %} by their names
{%- endif %}
{%- if d.control.is_some() %}, and its
    registers, another one: whatever has read(offset) and write(offset, value)
{%- endif %}."""

    def __init__(self, dma{% if d.control.is_some() %}, registers=None{% endif %}
{%- if !(d.inputs.is_empty() && d.heads.is_empty()) %}, *{% endif %}
{%- if !d.inputs.is_empty() %}, inputs{% endif %}
{%- if !d.heads.is_empty() %}, heads{% endif %}):
        from pynq import allocate

        self.dma = dma
{%- if d.control.is_some() %}
        self.registers = registers
        if registers is not None:
            for offset, due in HOLDS.items():
                if registers.read(offset) != due:
                    raise RuntimeError(f"register {offset:#x} is not that of this core's build")
{%- endif %}
{%- if d.inputs.is_empty() %}
        starts = [(INPUT, dma)]
{%- else %}
        if set(inputs) != set(FURTHER):
            raise ValueError(f"the inputs are {', '.join(FURTHER)}, not {', '.join(inputs)}")
        starts = [(INPUT, dma), *((FURTHER[name], inputs[name]) for name in FURTHER)]
{%- endif %}
        # Of each input what it is, the channel from memory, and where that reads.
        self.starts = [
            (own, start.sendchannel, allocate(shape=(own.bytes,), dtype=np.uint8))
            for own, start in starts
        ]
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

    def __call__(self, x{% call takes() %}{% endcall %}):
{%- if d.heads.is_empty() %}
        """Real outputs [..., OUTPUTS] of real inputs [..., INPUTS]."""
        return real(self.infer(quantise(x){% call quantised() %}{% endcall %}))
{%- else %}
        """Real outputs of real inputs [..., INPUTS], one array [..., elements] for each stream."""
        results = self.infer(quantise(x){% call quantised() %}{% endcall %})
        return tuple(end[0].real(y) for end, y in zip(self.ends, results))
{%- endif %}

    def infer(self, x{% call takes() %}{% endcall %}):
{%- if d.heads.is_empty() %}
        """Integer outputs [..., OUTPUTS] of integer inputs [..., INPUTS]."""
{%- else %}
        """The same of integers."""
{%- endif %}
{%- if d.inputs.is_empty() %}
        given = [x]
{%- else %}
        given = [x, *_in_order(further)]
{%- endif %}
        given = [own.check(x) for (own, _, _), x in zip(self.starts, given)]
        shape = given[0].shape[:-1]
{%- if !d.inputs.is_empty() %}
        if any(x.shape[:-1] != shape for x in given):
            raise ValueError("the inputs have different numbers of vectors")
{%- endif %}
        frames = [own.pack(x) for (own, _, _), x in zip(self.starts, given)]
        count = len(frames[0])
        results = [np.empty((count, output.bytes), np.uint8) for output, _, _ in self.ends]
        for i in range(count):
            for (_, _, buffer), own in zip(self.starts, frames):
                buffer[:] = own[i]
            for _, channel, buffer in (*self.ends, *self.starts):
                channel.transfer(buffer)
            for _, channel, _ in self.starts:
                channel.wait()
            for (_, channel, buffer), result in zip(self.ends, results):
                channel.wait()
                if channel.transferred != buffer.nbytes:
                    raise RuntimeError("a result has a wrong length: reset the core and begin anew")
                result[i] = buffer
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
        for _, _, buffer in (*self.starts, *self.ends):
            buffer.freebuffer()
