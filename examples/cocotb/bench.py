"""A cocotb bench of any core without a state, with the AXI models of cocotbext-axi: its frames
arrive as the bytes that a DMA engine would read from memory, pass under random pauses on both
sides, and must come out as the bytes that golden says.

Read from the environment: BUILD, the build folder; VECTORS, what
`strassenc eval MODEL --vectors VECTORS` wrote.
"""

import ast
import json
import os
import random
import struct
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

SIGNATURE = json.loads((Path(os.environ["BUILD"]) / "signature.json").read_text())
PORTS = [port["name"] for port in SIGNATURE["ports"]]


def rows(name):
    """The rows of a file of int64 in NumPy's format."""
    data = (Path(os.environ["VECTORS"]) / name).read_bytes()
    end = 10 + struct.unpack_from("<H", data, 8)[0]
    header = ast.literal_eval(data[10:end].decode())
    assert header["descr"] == "<i8" and not header["fortran_order"], header
    count, size = header["shape"]
    values = struct.unpack_from(f"<{count * size}q", data, end)
    return [values[i * size : (i + 1) * size] for i in range(count)]


def memory(side, vector):
    """A vector as an array in a processor's memory."""
    size, signed = SIGNATURE[side]["element_bytes"], SIGNATURE[side]["format"]["signed"]
    return b"".join(value.to_bytes(size, "little", signed=signed) for value in vector)


def frame(data):
    """The beats of a frame; a source without tkeep fills the last one up."""
    stream = SIGNATURE["input"]
    size = stream["element_bytes"] * stream["beat_elements"] * stream["beats"]
    return AxiStreamFrame(data if "s_axis_tkeep" in PORTS else data.ljust(size, b"\xa5"))


def pauses(seed):
    """Whole stretches with and without pauses, and random ones between."""
    rng = random.Random(seed)
    while True:
        share = rng.choice([0.0, 0.5, 0.9])
        for _ in range(rng.randrange(1, 60)):
            yield rng.random() < share


@cocotb.test()
async def every_vector_is_golden_s(dut):
    inputs, outputs = rows("inputs.npy"), rows("outputs.npy")
    if "s_axis_tlast" not in PORTS:
        assert not hasattr(dut, "s_axis_tlast") and not hasattr(dut, "frame_error")
    else:
        dut.frame_error_clear.value = 0
    dut.aresetn.value = 0
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
    wires = {"reset": dut.aresetn, "reset_active_level": False}
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **wires)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **wires)
    for model in (source, sink):
        model.log.setLevel("WARNING")
    await FallingEdge(dut.aclk)
    for _ in range(4):
        await FallingEdge(dut.aclk)
        streams = dut.s_axis_tready.value, dut.m_axis_tvalid.value
        assert streams == (0, 0), "a stream is open in reset"
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    source.set_pause_generator(pauses(1))
    sink.set_pause_generator(pauses(2))
    for vector in inputs:
        source.send_nowait(frame(memory("input", vector)))
    for number, vector in enumerate(outputs):
        # Bytes that tkeep drops are not in it.
        got = bytes((await sink.recv()).tdata)
        due = memory("output", vector)
        assert got == due, f"vector {number}: {got.hex()} instead of {due.hex()}"
    await ClockCycles(dut.aclk, 100)
    assert sink.empty(), "more frames came out than went in"
    dut._log.info("%d vectors, every one golden's", len(outputs))
