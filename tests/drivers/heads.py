"""Drives a core with a head through its PYNQ driver, on engines that know golden's answers by
heart: heads.py VECTORS, which holds inputs and all outputs as 64-bit integers, a line a vector.
What frames and results are, signature.json says."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

pynq = sys.modules["pynq"] = ModuleType("pynq")


class Buffer(np.ndarray):
    def freebuffer(self):
        self.fill(0)


pynq.allocate = lambda shape, dtype: np.zeros(shape, dtype).view(Buffer)

import heads_pynq as driver  # noqa: E402

signature = json.loads((Path(driver.__file__).parent / "signature.json").read_text())
head = signature["heads"][0]
streams = [signature["input"], signature["output"], head["stream"]]
ends = np.cumsum([stream["elements"] for stream in streams])
vectors = np.loadtxt(sys.argv[1], np.int64, ndmin=2)
parts = np.split(vectors, ends[:-1], axis=1)


def memory(stream, row):
    size, signed = stream["element_bytes"], stream["format"]["signed"]
    return b"".join(int(v).to_bytes(size, "little", signed=signed) for v in row)


frames, *results = ([memory(s, row) for row in part] for s, part in zip(streams, parts))


class Channel:
    buffer = None

    def transfer(self, buffer):
        self.buffer, self.transferred = buffer, 0

    def wait(self):
        pass

    def give(self, data):
        self.buffer[:] = np.frombuffer(data, np.uint8)
        self.transferred, self.buffer = len(data), None


class Engine:
    def __init__(self):
        self.recvchannel = Channel()


class Send:
    def transfer(self, frame):
        number = frames.index(frame.tobytes())
        for engine, of_stream in zip((dma, mask), results):
            engine.recvchannel.give(of_stream[number])

    def wait(self):
        pass


dma, mask = Engine(), Engine()
dma.sendchannel = Send()
for wrong in ({}, {"other": mask}):
    try:
        driver.Core(dma, heads=wrong)
    except ValueError:
        continue
    raise AssertionError("other heads are taken")
core = driver.Core(dma, heads={"mask": mask})
x, *due = parts
for got, of_stream in zip(core.infer(x), due, strict=True):
    assert got.shape == of_stream.shape and (got == of_stream).all(), (got, of_stream)
real = core(x[0] * 2.0 ** -streams[0]["format"]["frac"])
for got, of_stream, stream in zip(real, due, streams[1:], strict=True):
    assert (got == of_stream[0] * 2.0 ** -stream["format"]["frac"]).all()
core.close()
print(f"{len(x)} inferences, every one golden's")
