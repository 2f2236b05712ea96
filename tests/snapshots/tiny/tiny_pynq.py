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
# An integer v stands for the real number v * 2^-frac.
INPUT_FRAC, OUTPUT_FRAC = 2, 3
# The least and the largest integer of an input.
LEAST, MOST = -8, 7
# Bytes of an element, low byte first.
INPUT_BYTES, OUTPUT_BYTES = 1, 2


def quantise(x):
    """The nearest integers of real inputs, half up, within the range of the core."""
    scaled = np.asarray(x, np.float64) * 2.0**INPUT_FRAC
    if np.isnan(scaled).any():
        raise ValueError("an input is not a number")
    below = np.floor(scaled)
    # scaled + 1/2 would be rounded.
    return np.clip(below + (scaled - below >= 0.5), LEAST, MOST).astype(np.int64)


def real(y):
    """The real numbers that integers of the outputs stand for."""
    return np.asarray(y) * 2.0**-OUTPUT_FRAC


def pack(x):
    """Frames [vectors, bytes] of integers [vectors, INPUTS]."""
    every = np.ascontiguousarray(x, "<i8").view(np.uint8).reshape(-1, INPUTS, 8)
    return every[:, :, :INPUT_BYTES].reshape(-1, INPUTS * INPUT_BYTES)


def unpack(results):
    """Integers [vectors, OUTPUTS] of results [vectors, bytes]."""
    every = np.zeros((len(results), OUTPUTS, 8), np.uint8)
    every[:, :, :OUTPUT_BYTES] = results.reshape(-1, OUTPUTS, OUTPUT_BYTES)
    # The sign goes up through all bits.
    free = 8 * (8 - OUTPUT_BYTES)
    return every.view("<i8")[:, :, 0] << free >> free


class Core:
    """The network tiny behind the DMA engine `dma`, an attribute of an overlay."""

    def __init__(self, dma):
        from pynq import allocate

        self.dma = dma
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

    def close(self):
        """Frees the two buffers."""
        self.frame.freebuffer()
        self.result.freebuffer()
