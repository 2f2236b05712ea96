#!/usr/bin/env python3
"""Compares what `report` estimates with what Yosys maps, and fits the one to the other.

    cargo build --release && target/release/strassenc doctor --install yosys
    python3 benches/estimates.py                 goes on with benches/estimates.csv where it ended
    python3 benches/estimates.py --device ecp5
    python3 benches/estimates.py --from-csv      compares what the CSV has

The builds are of every kind: dense layers, convolutions unrolled and folded, branches, sequences;
with hardware multipliers and with shifts and additions. A row is a layer of a build, or what stands
between its layers. Of each kind of layer a factor is fitted by least squares on the builds of even
seeds, and judged on those of odd ones, which the fit never saw.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PATH = Path(__file__).parent / "estimates.csv"
DENSE = 'input = { shape = [%d], bits = %d, frac = 4 }\nlayers = [%s]'
IMAGE = 'input = { shape = [%d, %d, %d], bits = 6, frac = 5 }\nlayers = [%s]'


def dense(*units):
    return ', "relu", '.join("{ dense = { units = %d } }" % n for n in units)


CONV = '{ conv2d = { channels = %d, kernel = 3, pad = 1 } }, "relu", { max_pool = { size = 2 } }'
RESIDUAL = CONV % 4 + ', { residual = { body = [{ conv2d = { channels = 4, kernel = 3, pad = 1 } }] } }'
SHIFT = ["--multipliers", "shift-add"]
FOLDED = ["--engine", "folded"]
# Name, description, options.
KINDS = [
    ("dense", DENSE % (10, 6, dense(8, 4)), []),
    ("dense-wide", DENSE % (24, 8, dense(16)), []),
    ("dense-deep", DENSE % (12, 5, dense(10, 8, 6)), ["--adders-per-stage", "2"]),
    ("dense-shift", DENSE % (12, 6, dense(8, 4)), SHIFT),
    ("dense-shift-deep", DENSE % (16, 8, dense(12, 8)), [*SHIFT, "--adders-per-stage", "3"]),
    ("dense-folded", DENSE % (16, 6, dense(12, 6)), FOLDED),
    ("dense-folded-shift", DENSE % (16, 6, dense(12, 6)), [*FOLDED, *SHIFT]),
    ("image-unrolled", IMAGE % (8, 8, 1, CONV % 4 + ", " + dense(4)), ["--engine", "unrolled"]),
    ("image-shift", IMAGE % (8, 8, 1, CONV % 3 + ", " + dense(4)), SHIFT),
    ("image-folded", IMAGE % (8, 8, 2, CONV % 6 + ", " + dense(4)), FOLDED),
    ("image-folded-shift", IMAGE % (8, 8, 2, CONV % 6 + ", " + dense(4)), [*FOLDED, *SHIFT]),
    ("image-auto", IMAGE % (12, 12, 1, CONV % 4 + ", " + CONV % 6 + ", " + dense(5)), []),
    ("residual", IMAGE % (8, 8, 1, RESIDUAL + ", " + dense(4)), FOLDED),
    (
        "sequence",
        'input = { shape = [1], bits = 4, frac = 0 }\nlayers = [{ embedding = { rows = 16, units = 8 } }, { lstm = { units = 8 } }, '
        '{ dense = { units = 16 } }]',
        FOLDED,
    ),
]
SEEDS = 4


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def rows_of(strassenc, kind, text, options, seed, device):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "net.toml").write_text(f'name = "net"\n{text}\n')
        run([strassenc, "random", "net.toml", "-o", "run", "--seed", str(seed)], folder)
        run([strassenc, "verilog", "run", "-o", "core", *options], folder)
        report = json.loads(
            run([strassenc, "report", "core", "--synth", device, "--json"], folder)
        )
    mapped = report["synthesis"]["layers"]
    build = dict(device=device, kind=kind, seed=seed)
    for layer, cells in zip(report["layers"], mapped):
        engine = "folded" if "fold" in layer["engine_name"] else "unrolled"
        engine = engine if layer["budget"] else "elementwise"
        yield dict(
            build,
            layer=engine,
            luts=layer["luts"],
            register_bits=layer["register_bits"],
            mapped_luts=cells["luts"],
            mapped_flip_flops=cells["flip_flops"],
        )
    total = report["total"]
    yield dict(
        build,
        layer="total",
        luts=total["luts"],
        register_bits=total["flip_flops"],
        mapped_luts=report["synthesis"]["total"]["luts"],
        mapped_flip_flops=report["synthesis"]["total"]["flip_flops"],
    )


def compare(rows):
    for device in sorted({row["device"] for row in rows}):
        for layer in ("unrolled", "folded", "elementwise", "total"):
            for estimate, mapped in (
                ("luts", "mapped_luts"),
                ("register_bits", "mapped_flip_flops"),
            ):
                own = [
                    (int(row["seed"]) % 2, float(row[estimate]), float(row[mapped]))
                    for row in rows
                    if (row["device"], row["layer"]) == (device, layer)
                    and float(row[estimate]) and float(row[mapped])
                ]
                train = [(x, y) for odd, x, y in own if not odd]
                test = [(x, y) for odd, x, y in own if odd]
                if len(train) < 3 or len(test) < 3:
                    continue
                # Least squares of relative errors.
                factor = sum(x / y for x, y in train) / sum((x / y) ** 2 for x, y in train)
                before = [abs(x / y - 1) for x, y in test]
                after = [abs(factor * x / y - 1) for x, y in test]
                print(
                    f"{device} {layer} {mapped}: factor {factor:.3f} of {len(train)}; on "
                    f"{len(test)} unseen: median error {median(before):.1%}, worst "
                    f"{max(before):.1%}; fitted {median(after):.1%}, {max(after):.1%}"
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--strassenc", default="target/release/strassenc")
    parser.add_argument("--device", default="xc7")
    parser.add_argument("--from-csv", action="store_true")
    args = parser.parse_args()
    rows = list(csv.DictReader(PATH.open())) if PATH.exists() else []
    done = {(row["device"], row["kind"], int(row["seed"])) for row in rows}
    strassenc = os.path.abspath(args.strassenc)
    for seed in range(0 if args.from_csv else SEEDS):
        for kind, text, options in KINDS:
            if (args.device, kind, seed) in done:
                continue
            try:
                rows += rows_of(strassenc, kind, text, options, seed, args.device)
            except RuntimeError as error:
                print(f"{kind}, seed {seed}: {error}", file=sys.stderr)
                continue
            print(kind, seed, rows[-1], flush=True)
            with PATH.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    compare(rows)


if __name__ == "__main__":
    main()
