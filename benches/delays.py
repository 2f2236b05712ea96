#!/usr/bin/env python3
"""Measures what nextpnr says of sums between two registers, and fits the delay model of
compiler/src/device/delays.rs to it.

    strassenc doctor --install yosys nextpnr
    python3 benches/delays.py                    measures, writes benches/delays.csv, prints the fit
    python3 benches/delays.py --only hx8k
    python3 benches/delays.py --from-csv         fits what benches/delays.csv has
    python3 benches/delays.py --kernels          the slowest paths of whole kernels, which have
                                                 longer ways, and benches/kernels.csv; needs numpy

One design holds chains of 1 to 4 sums of two and of three operands, of four widths, saturations
behind a sum, and multipliers, each between registers of its own; nextpnr places it with three
seeds. A row of the CSV is the slowest path into one register. The fit is by least squares of

    ns = register + sums * sum + third * third + clamps * clamp + widest * bit

where `widest` is the widest carry chain on the path, `third` counts sums of three operands, and
each of `sum`, `third` and `clamp` has the way to it.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(os.environ.get("STRASSENC_HOME", Path.home() / ".strassenc"))
HERE = Path(__file__).parent
WIDTHS = (6, 10, 16, 24)
SEEDS = (1, 2, 3)
# Sums of the longest paths that the fit is to.
MOST_SUMS = {"hx8k": 2}
PARTS = {
    "hx8k": ("synth_ice40 -device hx", "nextpnr_ice40", "--hx8k --package ct256"),
    "up5k": ("synth_ice40 -device u -dsp", "nextpnr_ice40", "--up5k --package sg48"),
    "ecp5-85k": (
        "synth_ecp5",
        "nextpnr_ecp5",
        "--25k --package CABGA381 --speed 6 --lpf-allow-unconstrained",
    ),
    "gw2a-18": (
        "synth_gowin -family gw2a -noiopads",
        "nextpnr_himbaechel_gowin",
        "--device GW2AR-LV18QN88C8/I7 --vopt family=GW2A-18C --vopt cst=pins.cst",
    ),
}
# A flip-flop is named after the register that it is a bit of, and so is what leads to it. On Gowin
# the names of some are lost.
NAMED = re.compile(r"(q_[23]_\d_\d+|q_[cm]_\d+)_")
LOST = re.compile(r"q_3_[34]_")
PINS = 'IO_LOC "clk" 4;\nIO_LOC "si" 15;\nIO_LOC "so" 16;\n'


def design(device):
    """The text, and of each register at an end what lies before it."""
    lines, ends, outs = [], {}, []
    # A long shift register feeds everything: no two registers are the same.
    need = sum(w for w in WIDTHS) * 9
    lines.append(f"reg [{need - 1}:0] feed; always @(posedge clk) feed <= {{feed, si}};")
    at = 0
    for w in WIDTHS:
        for k in range(9):
            lines.append(f"(* keep *) reg signed [{w - 1}:0] a{w}_{k};")
            lines.append(f"always @(posedge clk) a{w}_{k} <= feed[{at} +: {w}];")
            at += w
        # iCE40 holds fewer.
        small = device == "up5k"
        for operands in (2, 3):
            for n in (1, 2, 3) if small else (1, 2, 3, 4):
                name, value, width, k = f"q_{operands}_{n}_{w}", f"a{w}_0", w, 1
                for i in range(n):
                    more = [f"a{w}_{k + j}" for j in range(operands - 1)]
                    k += operands - 1
                    width += operands - 1
                    text = f"{value} + {more[0]}" if i % 2 == 0 else f"{value} - {more[0]}"
                    text += "".join(f" - {x}" for x in more[1:])
                    lines.append(f"wire signed [{width - 1}:0] {name}_{i} = {text};")
                    value = f"{name}_{i}"
                lines.append(f"reg [{width - 1}:0] {name};")
                lines.append(f"always @(posedge clk) {name} <= {value};")
                third = n if operands == 3 else 0
                ends[name] = dict(operands=operands, sums=n, third=third, clamps=0, widest=width)
                outs.append((name, width))
        # A saturation behind a sum.
        name = f"q_c_{w}"
        lines.append(f"wire signed [{w}:0] {name}_s = a{w}_0 + a{w}_1;")
        low, high = f"{name}_s[{w}]", f"|{name}_s[{w - 1}:{w - 2}]"
        lines.append(f"reg [{w - 3}:0] {name};")
        lines.append(
            f"always @(posedge clk) {name} <= {low} ? 0 : {high} ? ~0 : {name}_s[{w - 3}:0];"
        )
        ends[name] = dict(operands=2, sums=1, third=0, clamps=1, widest=w + 1)
        outs.append((name, w - 2))
    if device in ("ecp5-85k", "gw2a-18", "up5k"):
        for k in (0, 1, 2):
            name = f"q_m_{k}"
            lines.append(f"reg signed [25:0] {name};")
            lines.append(f"always @(posedge clk) {name} <= a16_{k} * a10_{k};")
            ends[name] = dict(operands=0, sums=0, third=0, clamps=0, widest=0)
            outs.append((name, 26))
    bits = sum(width for _, width in outs)
    both = ", ".join(name for name, _ in outs)
    lines.append(f"reg [{bits - 1}:0] held; reg [{bits}:0] sum; assign so = sum[{bits}];")
    lines.append(f"always @(posedge clk) begin held <= {{{both}}};")
    lines.append(f"sum <= {{sum[{bits - 1}:0] ^ held, 1'b0}}; end")
    text = "\n".join(["module top (input wire clk, input wire si, output wire so);", *lines])
    return text + "\nendmodule\n", ends


def package(name, component, args, folder):
    site = next((HOME / "tools").glob(f"{component}-*"))
    env = dict(os.environ, PYTHONPATH=str(site), YOWASP_CACHE_DIR=str(HOME / "cache" / component))
    code = f"import sys, yowasp_{name} as m; sys.exit(m.run_{name}(sys.argv[1:]))"
    run = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=folder, env=env, capture_output=True, text=True
    )
    if run.returncode:
        sys.exit(f"{name}: {(run.stderr or run.stdout)[-2000:]}")


def placed(device, folder, text, seed):
    synth, nextpnr, options = PARTS[device]
    (folder / "top.v").write_text(text)
    (folder / "pins.cst").write_text(PINS)
    pads = "iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O top;" if "gowin" in synth else ""
    script = f"read_verilog top.v; {synth} -top top; {pads} autoname; write_json top.json"
    package("yosys", "yosys", ["-q", "-p", script], folder)
    args = f"{options} --json top.json --freq 400 --seed {seed} --timing-allow-fail"
    args += " --report report.json --detailed-timing-report"
    package(nextpnr, "nextpnr", args.split(), folder)
    return json.loads((folder / "report.json").read_text())


def slowest(report):
    """The path that bounds the clock."""
    paths = [p for p in report["critical_paths"] if p["from"] == p["to"] != "<async>"]
    return max((p["path"] for p in paths), key=lambda path: sum(s["delay"] for s in path))


def measure(device):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        text, ends = design(device)
        for seed in SEEDS:
            report = placed(device, folder, text, seed)
            setup = max(s["delay"] for s in slowest(report) if s["type"] == "setup")
            worst = {}
            for net in report["detailed_net_timings"]:
                for end in net["endpoints"]:
                    found = NAMED.match(end["cell"])
                    name = found and found.group(1)
                    if name and device == "gw2a-18" and LOST.match(name):
                        continue
                    if name in ends and end["event"] == net["event"]:
                        worst[name] = max(worst.get(name, 0.0), max(end["delay"]) + setup)
            for name, ns in sorted(worst.items()):
                rows.append(dict(device=device, seed=seed, end=name, **ends[name], ns=round(ns, 3)))
            print(device, seed, len(worst), "of", len(ends), file=sys.stderr)
    return rows


def solve(rows, columns):
    """Least squares by the normal equations."""
    n = len(columns)
    m = [[0.0] * (n + 1) for _ in range(n)]
    for row in rows:
        x = [1.0 if c == "register" else float(row[c]) for c in columns]
        for i in range(n):
            for j in range(n):
                m[i][j] += x[i] * x[j]
            m[i][n] += x[i] * float(row["ns"])
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(m[r][i]))
        m[i], m[pivot] = m[pivot], m[i]
        for r in range(n):
            if r != i and m[i][i]:
                f = m[r][i] / m[i][i]
                m[r] = [a - f * b for a, b in zip(m[r], m[i])]
    return [m[i][n] / m[i][i] for i in range(n)]


def fit(rows):
    columns = ["register", "sums", "third", "clamps", "widest"]
    for device in sorted({row["device"] for row in rows}):
        own = [row for row in rows if row["device"] == device]
        sums = [row for row in own if 0 < int(row["sums"]) <= MOST_SUMS.get(device, 4)]
        found = solve(sums, columns)
        of = lambda row: sum(
            k * (1.0 if c == "register" else float(row[c])) for k, c in zip(found, columns)
        )
        errors = sorted(float(row["ns"]) / of(row) - 1 for row in sums)
        words = ", ".join(f"{c} {k:.3f}" for c, k in zip(columns, found))
        print(f"{device}: {words}; errors {errors[0]:+.0%} to {errors[-1]:+.0%}, 9 of 10 within "
              f"{sorted(map(abs, errors))[int(0.9 * len(errors))]:.0%}")
        products = [float(row["ns"]) for row in own if not int(row["sums"])]
        if products:
            print(f"  a product between registers: {max(products):.2f} ns")


def kernels(device, strassenc):
    """The slowest path of kernels as benches/netlist.py draws them, by adders a stage."""
    import netlist
    import numpy as np

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = lambda *args: subprocess.run(
            [strassenc, *map(str, args)], cwd=folder, check=True, capture_output=True, text=True
        ).stdout
        for n in (16, 32):
            np.save(Path(folder) / "w.npy", netlist.kernel(n).astype(np.int64))
            for adders in (1, 2, 3):
                build = ["--device", device, "--adders-per-stage", adders, "--overwrite"]
                run("matrix", "w.npy", "-o", "kernel", *build)
                report = json.loads(run("report", "kernel", "--pnr", device, "--json"))
                ns = 1000 / report["placement"]["reached_mhz"]
                rows.append(dict(device=device, inputs=n, adders=adders, ns=round(ns, 2)))
                print(rows[-1], file=sys.stderr)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--from-csv", action="store_true")
    parser.add_argument("--kernels", action="store_true")
    parser.add_argument("--strassenc", default="target/release/strassenc")
    args = parser.parse_args()
    if args.kernels:
        path, parts = HERE / "kernels.csv", [part for part in PARTS if part != "up5k"]
        ask = lambda part: kernels(part, os.path.abspath(args.strassenc))
    else:
        path, parts, ask = HERE / "delays.csv", list(PARTS), measure
    if args.from_csv:
        rows = list(csv.DictReader(path.open()))
    else:
        rows = [row for part in parts if args.only in (None, part) for row in ask(part)]
        if path.exists() and args.only:
            rows += [r for r in csv.DictReader(path.open()) if r["device"] != args.only]
        if rows:
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    if not args.kernels:
        fit(rows)


if __name__ == "__main__":
    main()
