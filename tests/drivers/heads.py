"""Drives a core with a further input and a head through its PYNQ driver, on engines that know
golden's answers by heart: heads.py VECTORS, which holds all inputs and all outputs as 64-bit
integers, a line a vector. What frames and results are, signature.json says."""

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
(further,), (head,) = signature["inputs"], signature["heads"]
enter = [signature["input"], further["stream"]]
streams = [*enter, signature["output"], head["stream"]]
ends = np.cumsum([stream["elements"] for stream in streams])
vectors = np.loadtxt(sys.argv[1], np.int64, ndmin=2)
parts = np.split(vectors, ends[:-1], axis=1)


def memory(stream, row):
    size, signed = stream["element_bytes"], stream["format"]["signed"]
    return b"".join(int(v).to_bytes(size, "little", signed=signed) for v in row)


every = [[memory(s, row) for row in part] for s, part in zip(streams, parts)]
frames, results = every[:2], every[2:]


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
    """The channel of an input; what leaves is there once all of them have sent a frame."""

    number, sent = 0, set()

    def __init__(self, own):
        self.own = own

    def transfer(self, frame):
        assert frame.tobytes() == frames[self.own][Send.number], (self.own, Send.number)
        Send.sent.add(self.own)
        if len(Send.sent) == len(frames):
            for engine, of_stream in zip((dma, mask), results):
                engine.recvchannel.give(of_stream[Send.number])
            Send.number, Send.sent = (Send.number + 1) % len(vectors), set()

    def wait(self):
        pass


dma, depth, mask = Engine(), Engine(), Engine()
dma.sendchannel, depth.sendchannel = Send(0), Send(1)
right = {"inputs": {"depth": depth}, "heads": {"mask": mask}}
for wrong in ({"heads": {}}, {"heads": {"other": mask}}, {"inputs": {}}):
    try:
        driver.Core(dma, **{**right, **wrong})
    except ValueError:
        continue
    raise AssertionError("other streams are taken")
core = driver.Core(dma, **right)
x, beside, *due = parts
for wrong in ({}, {"depth": beside[1:]}, {"depth": beside, "other": beside}):
    try:
        core.infer(x, **wrong)
    except (TypeError, ValueError):
        continue
    raise AssertionError("other inputs are taken")
for got, of_stream in zip(core.infer(x, depth=beside), due, strict=True):
    assert got.shape == of_stream.shape and (got == of_stream).all(), (got, of_stream)
reals = (part[0] * 2.0 ** -stream["format"]["frac"] for part, stream in zip(parts, enter))
first, of_depth = reals
real = core(first, depth=of_depth)
for got, of_stream, stream in zip(real, due, streams[2:], strict=True):
    assert (got == of_stream[0] * 2.0 ** -stream["format"]["frac"]).all()
core.close()
print(f"{len(x)} inferences, every one golden's")
