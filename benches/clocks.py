#!/usr/bin/env python3
"""Builds small networks for clocks that are asked for, and asks nextpnr which they reach.

    cargo build --release && target/release/strassenc doctor --install yosys nextpnr
    python3 benches/clocks.py                    the table, and benches/clocks.csv
    python3 benches/clocks.py --strassenc target/debug/strassenc --only gw2a-18

Each network is random and dense, its multipliers made of shifts and additions.
"""

import argparse
import csv
import json
import os
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# Part, the sizes of the layers, the clock in MHz that is asked for.
BUILDS = [
    ("gw2a-18", (8, 6, 4), 120),
    ("gw2a-18", (8, 6, 4), 160),
    ("gw2a-18", (16, 8), 170),
    ("ecp5-85k", (8, 6, 4), 80),
    ("ecp5-85k", (8, 6, 4), 120),
    ("ecp5-85k", (16, 8), 100),
    ("ecp5-85k", (16, 8), 130),
    ("hx8k", (6, 5, 3), 60),
    ("hx8k", (6, 5, 3), 90),
    ("hx8k", (8, 6), 100),
]


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def measure(strassenc, part, sizes, mhz):
    layers = ', "relu", '.join(f"{{ dense = {{ units = {n} }} }}" for n in sizes[1:])
    text = f'name = "net"\ninput = {{ shape = [{sizes[0]}], bits = 6, frac = 5 }}\n'
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "net.toml").write_text(f"{text}layers = [{layers}]\n")
        run([strassenc, "random", "net.toml", "-o", "run"], folder)
        asked = ["--device", part, "--clock", str(mhz), "--multipliers", "shift-add"]
        run([strassenc, "verilog", "run", "-o", "core", *asked], folder)
        report = run([strassenc, "report", "core", "--pnr", part, "--json"], folder)
    report = json.loads(report)
    placement = report["placement"]
    return dict(
        part=part,
        network="-".join(map(str, sizes)),
        asked=mhz,
        reached=round(placement["reached_mhz"], 1),
        latency=report["latency"],
        register_bits=report["total"]["register_bits"],
        ends=placement["path"][-1]["name"],
        routing=round(placement["routing_ns"], 2),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--strassenc", default="target/release/strassenc")
    parser.add_argument("--only")
    args = parser.parse_args()
    rows, path = [], HERE / "clocks.csv"
    for part, sizes, mhz in BUILDS:
        if args.only in (None, part):
            try:
                rows.append(measure(os.path.abspath(args.strassenc), part, sizes, mhz))
                print(rows[-1], flush=True)
            except RuntimeError as error:
                print(f"{part} {sizes} {mhz}: {error}", flush=True)
    if rows and not args.only:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    met = sum(row["reached"] >= row["asked"] for row in rows)
    print(f"{met} of {len(rows)} met")


if __name__ == "__main__":
    main()
