#!/usr/bin/env python3
"""Compares `strassenc matrix` with Alkaid (formerly da4ml) on random ternary matrices.

    python3 -m venv .venv && .venv/bin/pip install alkaid==0.8.2 numpy==2.4.6 matplotlib==3.10.8
    cargo build --release
    .venv/bin/python benches/alkaid.py                      the table, at default effort
    .venv/bin/python benches/alkaid.py --effort 3           a minute a matrix
    .venv/bin/python benches/alkaid.py --only 64x64 --json
    .venv/bin/python benches/alkaid.py --operands 3         adders of three operands; Alkaid fuses its own afterwards
    .venv/bin/python benches/alkaid.py --others             ten other matrices, densities 0.25 to 1
    .venv/bin/python benches/alkaid.py --growth             time and memory by size, up to 4608x512
    .venv/bin/python benches/alkaid.py --from a.json b.json --plot docs/adder-graphs
                                                            tables of earlier --json runs again, and plots as SVG

Both run on the same matrices, one after the other. Seconds are CPU seconds: of the whole process for strassenc, of the
call alone for Alkaid. Peak memory below that of this Python process, some 35 MB, is not seen. Alkaid's
figures are kept in --cache, since its search takes many minutes; delete the file to measure anew. Every Alkaid graph is evaluated on the unit vectors and compared with its matrix.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# This file must not stand for the package of its name.
sys.path.pop(0)
import numpy as np  # noqa: E402

# (inputs, outputs, density as a key)
TABLE = [(n, n, d) for d in ("2/3", "1/3") for n in (16, 32, 64, 128)]
LARGE = [(256, 256, "2/3"), (64, 576, "2/3"), (576, 64, "2/3")]
OTHERS = [(24, 24, "0.25"), (40, 40, "0.5"), (48, 48, "0.9"), (32, 32, "0.95"), (80, 80, "0.75"), (20, 60, "0.5"),
          (60, 20, "0.5"), (32, 32, "Hadamard"), (28, 28, "0.8"), (72, 72, "0.35")]
GROWTH = [16, 32, 64, 128, 256, 512]

# Alkaid's settings: its default search tries every depth of its decomposition. One pass with decompose_dc=0 had the fewest
# adders of all single passes on these matrices, and takes no longer than any other.
ONE_PASS = dict(hard_dc=-1, search_all_decompose_dc=False, decompose_dc=0)
SETTINGS = {
    "search": dict(hard_dc=-1),
    "search mc": dict(hard_dc=-1, method0="mc"),
    "one pass wmc": dict(ONE_PASS),
    "one pass mc": dict(ONE_PASS, method0="mc"),
    "minimum depth": dict(hard_dc=0),
}


def matrix(n_in, n_out, density):
    if density == "Hadamard":
        return np.array([[1 - 2 * ((i & j).bit_count() & 1) for j in range(n_out)] for i in range(n_in)])
    p = {"2/3": 2 / 3, "1/3": 1 / 3}.get(density) or float(density)
    rng = np.random.default_rng([20180 + (0 if density == "2/3" else 1), n_in, n_out])
    return np.where(rng.random((n_in, n_out)) < p, rng.choice([-1, 1], size=(n_in, n_out)), 0)


def name(n_in, n_out, density):
    return f"{n_in}x{n_out}, {density}"


def bits(lo, hi):
    """Bits of the integers lo..hi, two's complement where some are negative."""
    lo, hi = int(lo), int(hi)
    return 1 + max((~lo).bit_length(), max(hi, 0).bit_length()) if lo < 0 else max(hi.bit_length(), 1)


def alkaid(W, setting):
    """Adders, depth, LUT bits (each adder as wide as its result, as strassenc counts) and CPU seconds."""
    try:
        from alkaid.cmvm import cmvm_solve
        from alkaid.trace.passes.ternary import _fusion_leafs
    except ImportError:
        sys.exit("the package alkaid is missing: python3 -m venv .venv && .venv/bin/pip install alkaid==0.8.2 "
                 "numpy==2.4.6 matplotlib==3.10.8, then run this with .venv/bin/python")

    W = W.astype(np.float32)
    before = time.process_time()
    stages = cmvm_solve(W, **SETTINGS[setting])
    seconds = time.process_time() - before
    adders = lut_bits = depth = 0
    fused = dict(adders=0, lut_bits=0)
    depths = [0] * W.shape[0]
    values = [row for row in np.eye(W.shape[0])]
    for stage in stages:
        at, value = [], []
        leaves = set(_fusion_leafs(stage).values())
        for i, op in enumerate(stage.ops):
            if op.opcode == -1:
                at.append(depths[op.data[0]])
                value.append(values[op.data[0]] * 2.0 ** stage.inp_shifts[op.data[0]])
            elif op.opcode in (0, 1):
                (a, b), shift = op.addr, op.data[0]
                sign = 1 if op.opcode == 0 else -1
                at.append(1 + max(at[a], at[b]))
                value.append(value[a] + sign * value[b] * 2.0**shift)
                adders += 1
                lut_bits += bits(op.qint.min / op.qint.step, op.qint.max / op.qint.step)
                into_another = i in leaves
                fused["adders"] += not into_another
                fused["lut_bits"] += (not into_another) * bits(op.qint.min / op.qint.step, op.qint.max / op.qint.step)
            else:
                sys.exit(f"Alkaid's operation {op.opcode} is not known here")
        depths = [at[i] if i >= 0 else 0 for i in stage.out_idxs]
        zero = np.zeros(W.shape[0])
        values = [
            value[i] * (-1 if negate else 1) * 2.0**shift if i >= 0 else zero
            for i, shift, negate in zip(stage.out_idxs, stage.out_shifts, stage.out_negs)
        ]
    depth = max(depths)
    if not np.array_equal(np.array(values).T, W):
        sys.exit("Alkaid's graph does not equal its matrix")
    return dict(adders=adders, depth=depth, lut_bits=lut_bits, seconds=seconds, fused=fused)


def strassenc(program, path, *options):
    """The figures of `strassenc matrix --json`, with the CPU seconds of the process and its peak memory in MB."""
    begin = os.times()
    process = subprocess.Popen([program, "matrix", path, "--json", *map(str, options)], stdout=subprocess.PIPE)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"strassenc failed on {path}")
    figures = json.loads(text)
    figures["wall_seconds"] = os.times().elapsed - begin.elapsed
    figures["cpu_seconds"] = usage.ru_utime + usage.ru_stime
    figures["megabytes"] = usage.ru_maxrss / 1024
    return figures


class Cache:
    def __init__(self, path):
        self.path = Path(path)
        self.entries = json.loads(self.path.read_text()) if self.path.exists() else {}

    def has(self, case, setting):
        return f"{name(*case)}, {setting}" in self.entries

    def alkaid(self, case, setting):
        key = f"{name(*case)}, {setting}"
        if key not in self.entries:
            print(f"Alkaid: {key} ...", file=sys.stderr, flush=True)
            self.entries[key] = alkaid(matrix(*case), setting)
            self.path.write_text(json.dumps(self.entries, indent=1))
        return self.entries[key]


def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else float("nan")


def compare(args, folder):
    cache = Cache(args.cache)
    options = ["--effort", args.effort, "--threads", args.threads]
    if args.time_limit:
        options += ["--time-limit", args.time_limit]
    options += ["--adder-operands", args.operands]
    cases = [case for case in (OTHERS if args.others else TABLE + LARGE) if not args.only or f"{case[0]}x{case[1]}" in args.only]
    results = []
    for case in cases:
        path = folder / f"{case[0]}x{case[1]}_{case[2][0]}.npy"
        np.save(path, matrix(*case).astype(np.int8))
        # On large matrices Alkaid's default search takes from ten minutes to hours.
        wanted = [s for s in SETTINGS if case not in LARGE or args.large or s == "one pass mc"]
        settings = [s for s in SETTINGS if s in wanted or cache.has(case, s)]
        theirs = {setting: cache.alkaid(case, setting) for setting in settings}
        if args.operands == 3:
            results.append(three_operands(args, case, path, theirs, options))
            continue
        result = dict(matrix=name(*case), alkaid=theirs)
        free = [theirs[s] for s in settings if s != "minimum depth"]
        print(f"strassenc: {name(*case)} ...", file=sys.stderr, flush=True)
        result["no_limit"] = ours = strassenc(args.program, path, *options)
        result["adders_ratio"] = ours["adders"] / min(t["adders"] for t in free)
        result["speed_against_quickest"] = min(t["seconds"] for t in free) / ours["cpu_seconds"]
        if "search" in theirs:
            result["speed_against_search"] = theirs["search"]["seconds"] / ours["cpu_seconds"]
        if "minimum depth" in theirs:
            result["minimum_depth"] = ours = strassenc(args.program, path, *options, "--extra-depth", 0)
            result["minimum_depth_ratio"] = ours["adders"] / theirs["minimum depth"]["adders"]
        wide = min(free, key=lambda t: t["lut_bits"])
        depth = max(wide["depth"], ours["least_depth"])
        result["lut_bits"] = ours = strassenc(args.program, path, *options, "--cost", "lut-bits", "--max-depth", depth)
        result["lut_bits_ratio"] = ours["lut_bits"] / wide["lut_bits"]
        results.append(result)
    return results


def three_operands(args, case, path, theirs, options):
    """Adders and LUT bits, each the least that is found, against the least of Alkaid's settings after its fusion."""
    print(f"strassenc: {name(*case)} ...", file=sys.stderr, flush=True)
    result = dict(matrix=name(*case), alkaid={s: t["fused"] for s, t in theirs.items()})
    for cost in ("adders", "lut-bits"):
        key = cost.replace("-", "_")
        best = min(t["fused"][key] for t in theirs.values())
        ours = strassenc(args.program, path, *options, "--cost", cost)
        result[key] = ours
        result[f"{key}_ratio"] = ours[key] / best
    return result


def show_three(results):
    print("matrix          | adders: Alkaid, strassenc | ratio | LUT bits: Alkaid, strassenc | ratio")
    for r in results:
        best = {key: min(t[key] for t in r["alkaid"].values()) for key in ("adders", "lut_bits")}
        print(f"{r['matrix']:15} | {best['adders']:6} {r['adders']['adders']:6} | {r['adders_ratio']:.3f} "
              f"| {best['lut_bits']:7} {r['lut_bits']['lut_bits']:7} | {r['lut_bits_ratio']:.3f}")
    for key in ("adders_ratio", "lut_bits_ratio"):
        ratios = [r[key] for r in results]
        print(f"geometric mean of {key}: {geometric_mean(ratios):.4f} over {len(ratios)}, worst {max(ratios):.4f}")


def line(result):
    def cell(figures):
        return f"{figures['adders']:6d} {figures['depth']:2d} {figures.get('cpu_seconds', figures['seconds']):8.2f}"

    theirs, empty = result["alkaid"], " " * 18
    best = min((theirs[s] for s in theirs if s != "minimum depth"), key=lambda t: t["adders"])
    cells = [f"{result['matrix']:13}", cell(best), cell(result["no_limit"]), f"{result['adders_ratio']:.3f}"]
    if "minimum_depth" in result:
        cells += [cell(theirs["minimum depth"]), cell(result["minimum_depth"]), f"{result['minimum_depth_ratio']:.3f}"]
    else:
        cells += [empty, empty, "     "]
    cells += [f"{result['lut_bits_ratio']:.3f}"]  # of adder bits, at no greater depth
    search = result.get("speed_against_search")
    cells += [(f"{search:6.0f}x" if search else " " * 7) + f" {result['speed_against_quickest']:6.0f}x"]
    return " | ".join(cells)


def show(results):
    print("adders, depth, CPU seconds; Alkaid: the fewest adders of its settings; LUT bits at no greater depth")
    print("              | no depth limit                          |       | minimum depth")
    print("matrix        | Alkaid             | strassenc          | ratio | Alkaid             | strassenc          "
          "| ratio | LUT   | faster than search, quickest")
    for result in results:
        print(line(result))
    for key in ("adders_ratio", "minimum_depth_ratio", "lut_bits_ratio"):
        ratios = [r[key] for r in results if key in r]
        print(f"geometric mean of {key}: {geometric_mean(ratios):.4f} over {len(ratios)}, worst {max(ratios):.4f}")


def growth(args, folder):
    """Time and memory by size, density 2/3, on one thread."""
    rows = []
    sizes = [(n, n) for n in GROWTH] + [(4608, 512)]
    for n_in, n_out in sizes:
        path = folder / f"{n_in}x{n_out}_growth.npy"
        np.save(path, matrix(n_in, n_out, "2/3").astype(np.int8))
        f = strassenc(args.program, path, "--threads", 1, "--effort", args.effort)
        rows.append({"matrix": f"{n_in}x{n_out}", **{k: f[k] for k in ("naive_adders", "adders", "depth", "cpu_seconds",
                     "proof_seconds", "megabytes")}})
        r = rows[-1]
        print(row_line(r), file=sys.stderr if args.json else sys.stdout, flush=True)
    return rows


def row_line(r):
    return (
        f"{r['matrix']:9} naive {r['naive_adders']:8d} adders {r['adders']:7d} depth {r['depth']:2d} "
        f"CPU {r['cpu_seconds']:8.3f} s proof {r['proof_seconds']:7.3f} s {r['megabytes']:6.0f} MB"
    )


def plot(results, rows, folder):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "strassenc"
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    if results:
        figure, axes = pyplot.subplots()
        colours = {}
        for result in results:
            trace = result["no_limit"]["trace"]
            best = min(t["adders"] for s, t in result["alkaid"].items() if s != "minimum depth")
            seconds, ratios = [max(t, 1e-3) for t, _ in trace], [c / best for _, c in trace]
            matrix = result["matrix"]
            label = None if matrix in colours else matrix
            colour = colours.setdefault(matrix, f"C{len(colours) % 10}")
            axes.step(seconds, ratios, where="post", color=colour, label=label)
            axes.plot(seconds[-1:], ratios[-1:], "o", color=colour)
        axes.set(xscale="log", xlabel="seconds since the start", ylabel="adders / Alkaid's",
                 title="adders against time: a line a search, a dot its end")
        axes.axhline(1, color="black", linewidth=0.5)
        axes.legend(fontsize="x-small", loc="lower left")
        figure.savefig(folder / "adders.svg", metadata={"Date": None})
    if rows:
        figure, axes = pyplot.subplots()
        size = [r["naive_adders"] for r in rows]
        axes.loglog(size, [r["cpu_seconds"] for r in rows], "o-", label="CPU seconds")
        axes.loglog(size, [r["proof_seconds"] for r in rows], "o-", label="of these, proof")
        axes.loglog(size, [r["megabytes"] for r in rows], "s-", label="MB")
        axes.set(xlabel="adders without sharing", title="strassenc: growth of time and memory")
        axes.legend()
        figure.savefig(folder / "growth.svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/strassenc")
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--time-limit", type=float)
    parser.add_argument("--only", nargs="+", metavar="16x16", help="only matrices of these sizes")
    parser.add_argument("--operands", type=int, default=2, choices=(2, 3), help="operands of an adder")
    parser.add_argument("--others", action="store_true", help="ten other matrices")
    parser.add_argument("--large", action="store_true", help="all of Alkaid's settings on the large matrices too: hours")
    parser.add_argument("--growth", action="store_true", help="only time and memory by size, up to 4608x512")
    parser.add_argument("--cache", default="alkaid.json", help="where Alkaid's figures are kept")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--from", dest="earlier", type=Path, nargs="+", metavar="JSON", help="figures of earlier runs")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="also write adders.svg and growth.svg")
    args = parser.parse_args()
    results, rows = [], []
    if args.earlier:
        for path in args.earlier:
            earlier = json.loads(path.read_text())
            results += earlier["comparison"]
            rows += earlier["growth"]
    else:
        with tempfile.TemporaryDirectory() as folder:
            if args.growth:
                rows = growth(args, Path(folder))
            else:
                results = compare(args, Path(folder))
    if args.json:
        print(json.dumps(dict(comparison=results, growth=rows), indent=1))
    else:
        if results:
            (show_three if args.operands == 3 else show)(results)
        if args.earlier:
            print(*map(row_line, rows), sep="\n")
    if args.plot:
        plot(results, rows, args.plot)


if __name__ == "__main__":
    main()
