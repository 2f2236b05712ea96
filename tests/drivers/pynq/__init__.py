"""What pynq 3.1 offers to a driver, on the board of shim.cpp: `allocate` and a DMA engine whose
channels write the same registers in the same order. Buffers are cached: the board sees what was
flushed, and the processor what was invalidated."""

import ctypes
import os

import numpy as np

_board = ctypes.CDLL(os.environ["BOARD"])
_board.core_read.restype = ctypes.c_uint32
_board.board_base.restype = ctypes.c_uint64
_board.board_memory.restype = ctypes.POINTER(ctypes.c_uint8)
_memory = np.ctypeslib.as_array(_board.board_memory(), (1 << 16,))
_free = 0


class Buffer(np.ndarray):
    """A buffer at an address of the board."""

    place = None

    @property
    def physical_address(self):
        return _board.board_base() + self.place

    def _there(self):
        return _memory[self.place : self.place + self.nbytes]

    def flush(self):
        self._there()[:] = self.view(np.ndarray).view(np.uint8).ravel()

    def invalidate(self):
        self.view(np.ndarray).view(np.uint8).ravel()[:] = self._there()

    def freebuffer(self):
        self.place = None


def allocate(shape, dtype="u4"):
    global _free
    buffer = np.zeros(shape, dtype).view(Buffer)
    buffer.place = _free
    _free += -(-buffer.nbytes // 4096) * 4096
    return buffer


class _Channel:
    def __init__(self, offset):
        self.offset, self.buffer, self.transferred = offset, None, 0
        self.write(0x00, 1)
        assert not self.read(0x04) & 1, "is halted"

    def read(self, offset):
        return _board.dma_read(self.offset + offset)

    def write(self, offset, value):
        _board.dma_write(self.offset + offset, ctypes.c_uint32(value))

    @property
    def sends(self):
        return self.offset == 0

    def transfer(self, array):
        if self.buffer is not None and not self.read(0x04) & 2:
            raise RuntimeError("DMA channel not idle")
        if self.sends:
            array.flush()
        self.transferred = 0
        self.write(0x18, array.physical_address & 0xFFFFFFFF)
        self.write(0x1C, array.physical_address >> 32)
        self.write(0x28, array.nbytes)
        self.buffer = array

    def wait(self):
        while not (status := self.read(0x04)) & 2:
            if status & 0x70:
                raise RuntimeError(f"DMA error {status:#x}")
        if not self.sends:
            self.buffer.invalidate()
        self.transferred = self.read(0x28)


class Registers:
    """The registers of the core, as an overlay has them."""

    def read(self, offset):
        return _board.core_read(offset)

    def write(self, offset, value):
        _board.core_write(offset, ctypes.c_uint32(value))


class DMA:
    def __init__(self):
        self.sendchannel, self.recvchannel = _Channel(0x00), _Channel(0x30)
