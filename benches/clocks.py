#!/usr/bin/env python3
"""Builds cores for clocks that are asked for, and asks nextpnr which they reach.

    python3 -m venv .venv && .venv/bin/pip install numpy==2.4.6
    cargo build --release && target/release/strassenc doctor --install yosys nextpnr
    .venv/bin/python benches/clocks.py           the ten builds, and benches/clocks.csv
    .venv/bin/python benches/clocks.py --only gw2a-18

The ten builds and their clocks were written down before any of them was run: on each family a
kernel as benches/netlist.py draws it, a dense network and a convolution, and the second layer of
the shipped digits.
"""

import argparse
import csv
import json
import os
import subprocess
import tempfile
from pathlib import Path

import netlist

HERE = Path(__file__).parent
DIGITS = HERE.parent / "runtime/models/digits.safetensors"
SHIFT_ADD = ["--multipliers", "shift-add"]
FOLDED = ["--engine", "folded"]
# Part, network, the clock in MHz that is asked for, options. hx8k has no multipliers; those of
# ecp5-85k are slower than these clocks.
BUILDS = [
    ("hx8k", "kernel", 185, SHIFT_ADD),
    ("hx8k", "dense", 150, SHIFT_ADD),
    ("hx8k", "convolution", 100, [*SHIFT_ADD, *FOLDED]),
    ("ecp5-85k", "kernel", 200, SHIFT_ADD),
    ("ecp5-85k", "dense", 180, SHIFT_ADD),
    ("ecp5-85k", "convolution", 130, SHIFT_ADD),
    ("ecp5-85k", "digits", 180, SHIFT_ADD),
    ("gw2a-18", "kernel", 200, SHIFT_ADD),
    ("gw2a-18", "dense", 160, []),
    ("gw2a-18", "convolution", 130, []),
]
NETWORKS = {
    "dense": """
input = { shape = [16], bits = 8, frac = 7 }
layers = [{ dense = { units = 32 } }, "relu", { dense = { units = 10 } }]""",
    "convolution": """
input = { shape = [8, 8, 1], bits = 8, frac = 7 }
layers = [{ conv2d = { channels = 4, kernel = 3, pad = 1 } }]""",
}


def write_model(folder, network, strassenc):
    """What `strassenc verilog` is to read."""
    if network == "kernel":
        W = netlist.kernel(24)
        netlist.write_model(folder / "kernel.safetensors", "net", [W], [0 * W[0]])
        return "kernel.safetensors"
    if network == "digits":
        netlist.write_last_layer(folder / "digits.safetensors", DIGITS)
        return "digits.safetensors"
    (folder / "net.toml").write_text(f'name = "net"\n{NETWORKS[network]}\n')
    run([strassenc, "random", "net.toml", "-o", "run"], folder)
    return "run"


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def measure(strassenc, part, network, mhz, options):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = write_model(folder, network, strassenc)
        asked = ["--device", part, "--clock", str(mhz), *options]
        run([strassenc, "verilog", model, "-o", "core", *asked], folder)
        run([strassenc, "simulate", "core", "--random", "200"], folder)
        report = json.loads(run([strassenc, "report", "core", "--pnr", part, "--json"], folder))
    placement = report["placement"]
    return dict(
        part=part,
        network=network,
        asked=mhz,
        reached=round(placement["reached_mhz"], 1),
        latency=report["latency"],
        flip_flops=report["total"]["flip_flops"],
        ends=placement["path"][-1]["name"],
        routing=round(placement["routing_ns"], 2),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--strassenc", default="target/release/strassenc")
    parser.add_argument("--only", help="a part")
    args = parser.parse_args()
    rows, path = [], HERE / "clocks.csv"
    builds = [build for build in BUILDS if args.only in (None, build[0])]
    for part, network, mhz, options in builds:
        try:
            rows.append(measure(os.path.abspath(args.strassenc), part, network, mhz, options))
            print(rows[-1], flush=True)
        except RuntimeError as error:
            print(f"{part}, {network}, {mhz} MHz: {error}", flush=True)
    if rows and not args.only:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    met = sum(row["reached"] >= row["asked"] for row in rows)
    print(f"{met} of {len(builds)} met")


if __name__ == "__main__":
    main()
