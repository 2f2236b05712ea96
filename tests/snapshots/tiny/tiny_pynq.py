"""tiny_pynq.py: a driver for PYNQ of the network tiny.
Written by strassenc 0.1.0 from the model with SHA-256
4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.

Drives the core on a PYNQ board, behind an AXI DMA in simple mode with 8 bits
or more of length (PG021; Vivado's default is 14). Copy this file beside the overlay:

    from pynq import Overlay
    from tiny_pynq import Core

    core = Core(Overlay("tiny.bit").axi_dma_0)
    # Real numbers: [3] to [3], or many vectors at once.
    y = core(x)
    y = core.infer(x)     # integers, as the core has them

Tried with the core in a simulator, and a stand-in for pynq 3.1; no board was at hand.
"""

import numpy as np

INPUTS, OUTPUTS = 3, 3


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


INPUT = Input(3, 1, -8, 7, 2)
quantise, pack = INPUT.quantise, INPUT.pack
OUTPUT = Output(3, 2, True, 3)
real, unpack = OUTPUT.real, OUTPUT.unpack


class Core:
    """The network tiny behind the DMA engine `dma`, an attribute of an overlay."""

    def __init__(self, dma):
        from pynq import allocate

        self.dma = dma
        starts = [(INPUT, dma)]
        # Of each input what it is, the channel from memory, and where that reads.
        self.starts = [
            (own, start.sendchannel, allocate(shape=(own.bytes,), dtype=np.uint8))
            for own, start in starts
        ]
        ends = [(OUTPUT, dma)]
        # Of each output what it is, the channel to memory, and where that writes.
        self.ends = [
            (output, end.recvchannel, allocate(shape=(output.bytes,), dtype=np.uint8))
            for output, end in ends
        ]

    def __call__(self, x):
        """Real outputs [..., OUTPUTS] of real inputs [..., INPUTS]."""
        return real(self.infer(quantise(x)))

    def infer(self, x):
        """Integer outputs [..., OUTPUTS] of integer inputs [..., INPUTS]."""
        given = [x]
        given = [own.check(x) for (own, _, _), x in zip(self.starts, given)]
        shape = given[0].shape[:-1]
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
        return y[0]

    def close(self):
        """Frees the buffers."""
        for _, _, buffer in (*self.starts, *self.ends):
            buffer.freebuffer()
