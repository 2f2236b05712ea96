#!/usr/bin/env python3
"""LUTs against frames a second: each engine alone, and what the compiler chooses.

    cargo build --release
    python3 benches/curves.py runtime/models/fashion-cnn.safetensors --fps 255102,63775,15943

Estimates of xc7, as `strassenc verilog` prints them; curves.csv has them all, curves.svg is the
plot. A point that an engine cannot reach is left out, and so is one that takes more than --minutes.
"""

import argparse
import csv
import json
import math
import subprocess
import tempfile
from pathlib import Path

FIGURES = ["luts", "flip_flops", "dsp_blocks", "brams"]
ENGINES = {"unrolled": "#888888", "serial": "#1f77b4", "folded": "#d62728", "auto": "#2ca02c"}


def point(program, model, engine, fps, minutes):
    """The figures of one core, or None."""
    with tempfile.TemporaryDirectory() as folder:
        core = f"{folder}/core"
        command = [program, "verilog", model, "-o", core, "--project", "none", "--quiet"]
        command += ["--engine", engine, "--target-fps", str(fps), "--anyway"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60 * minutes)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode != 0:
            return None
        report = [program, "report", core, "--json"]
        told = subprocess.run(report, capture_output=True, check=True).stdout
    total = json.loads(told)["total"]
    return {key: total[key] for key in FIGURES}


def plot(rows, path):
    """Both axes are logarithmic."""
    width, height, margin = 640, 400, 60
    across = [math.log(row["fps"]) for row in rows]
    up = [math.log(row["luts"]) for row in rows]

    def place(value, values, start, length):
        low, high = min(values), max(values)
        return start + length * ((value - low) / (high - low) if high > low else 0.5)

    def x(row):
        return place(math.log(row["fps"]), across, margin, width - 2 * margin)

    def y(row):
        return height - place(math.log(row["luts"]), up, margin, height - 2 * margin)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="12">',
             f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">frames a second</text>',
             '<text x="12" y="20">LUTs, estimated</text>']
    for fps in sorted({row["fps"] for row in rows}):
        at = x({"fps": fps})
        parts.append(f'<text x="{at:.0f}" y="{height - 34}" text-anchor="middle">{fps:,.0f}</text>')
    for i, (engine, colour) in enumerate(ENGINES.items()):
        own = sorted((row for row in rows if row["engine"] == engine), key=lambda row: row["fps"])
        points = " ".join(f"{x(row):.1f},{y(row):.1f}" for row in own)
        name = "chosen" if engine == "auto" else engine
        line = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        parts.append(line)
        for row in own:
            parts.append(f'<circle cx="{x(row):.1f}" cy="{y(row):.1f}" r="3" fill="{colour}">'
                         f'<title>{name}: {row["luts"]:,} LUTs</title></circle>')
        parts.append(f'<text x="{margin + 90 * i + 110}" y="20" fill="{colour}">{name}</text>')
    Path(path).write_text("\n".join(parts) + "\n</svg>\n")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("model")
    options.add_argument("--fps", default="255102,63775,15943,3985")
    options.add_argument("--engines", default=",".join(ENGINES))
    options.add_argument("--minutes", type=float, default=30)
    options.add_argument("--strassenc", default="target/release/strassenc")
    options.add_argument("-o", "--output", default="curves")
    args = options.parse_args()
    rows = []
    for fps in map(float, args.fps.split(",")):
        for engine in args.engines.split(","):
            figures = point(args.strassenc, args.model, engine, fps, args.minutes)
            print(engine, f"{fps:,.0f}", figures or "not reached", flush=True)
            if figures:
                rows.append({"engine": engine, "fps": fps, **figures})
    with open(f"{args.output}.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["engine", "fps", *FIGURES])
        table.writeheader()
        table.writerows(rows)
    plot(rows, f"{args.output}.svg")


if __name__ == "__main__":
    main()
