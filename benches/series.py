#!/usr/bin/env python3
"""A recurrent network along time on real series: integers beside full precision and trees.

    python3 -m venv .venv && .venv/bin/pip install scikit-learn==1.9.1
    .venv/bin/pip download --no-deps sktime==1.2.0
    cargo build --release
    OMP_NUM_THREADS=1 .venv/bin/python benches/series.py sktime-1.2.0-py3-none-any.whl
    .venv/bin/python benches/series.py WHEEL --write vowels.npz   the data alone

Japanese Vowels (UCI, CC BY 4.0) are 640 utterances of one vowel by nine men, each twelve cepstra of
7 to 29 frames; shorter ones begin with zeros. Each seed is trained in full precision and as it is
described; the figures are means, with the standard deviation. The trees are scikit-learn's
HistGradientBoosting with its defaults, on all numbers of the same samples. LUTs are estimates for
the family xc7; the core is simulated on the test samples, bit for bit.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

ROOT = Path(__file__).resolve().parents[1]
FRAMES, CEPSTRA = 29, 12


def samples(wheel: Path) -> dict[str, np.ndarray]:
    """`[n, 29, 12]` and the speakers, of both splits of the data set."""
    arrays = {}
    for split in ["train", "test"]:
        name = f"sktime/datasets/data/JapaneseVowels/JapaneseVowels_{split.upper()}.ts"
        lines = zipfile.ZipFile(wheel).read(name).decode().splitlines()
        rows = [line.split(":") for line in lines if line and line[0] not in "#@"]
        x = np.zeros((len(rows), FRAMES, CEPSTRA), np.float32)
        for sample, row in zip(x, rows):
            series = np.array([[float(v) for v in part.split(",")] for part in row[:-1]])
            sample[FRAMES - series.shape[1]:] = series.T
        arrays[f"x_{split}"] = x
        arrays[f"y_{split}"] = np.array([int(row[-1]) - 1 for row in rows])
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strassenc", type=Path, default=ROOT / "target/release/strassenc")
    args = parser.parse_args()
    arrays = samples(args.wheel)
    if args.write:
        return np.savez(args.write, **arrays)
    with tempfile.TemporaryDirectory() as place:
        np.savez(Path(place) / "vowels.npz", **arrays)
        row(arrays, Path(place), args)


def row(arrays: dict[str, np.ndarray], folder: Path, args: argparse.Namespace) -> None:
    """Prints the row of the table."""

    def run(*command: str) -> dict:
        told = subprocess.run(
            [args.strassenc.resolve(), *command, "--json"], cwd=folder, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ).stdout
        return json.loads(told)

    flat = {name: x.reshape(len(x), -1) for name, x in arrays.items()}
    forest = HistGradientBoostingClassifier(random_state=0)
    forest.fit(flat["x_train"], arrays["y_train"])
    trees = forest.score(flat["x_test"], arrays["y_test"])
    full, ternary, integer, counts = [], [], [], {}
    for seed in range(1, args.seeds + 1):
        own = ["train", "vowels", "--seed", str(seed)]
        full.append(run(*own, "--full-precision", "-o", f"full{seed}")["test_accuracy_float"])
        counts = run(*own, "-o", f"run{seed}")
        ternary.append(counts["test_accuracy_float"])
        integer.append(counts["test_accuracy_integer"])
    run("verilog", f"run{args.seeds}", "-o", "core")
    luts = run("report", "core")["total"]["luts"]
    run("simulate", "core", "--data", "npz:vowels.npz")

    def told(all: list[float]) -> str:
        spread = f" ± {100 * statistics.stdev(all):.2f}" if len(all) > 1 else ""
        return f"{100 * statistics.mean(all):.2f}{spread} %"

    multiplications = counts["multiplications"]
    print("| series | trees | full precision | ternary | integers | multiplications | LUT |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| vowels | {100 * trees:.2f} % | {told(full)} | {told(ternary)} | {told(integer)} "
        f"| {multiplications:,} | {luts:,} |"
    )


if __name__ == "__main__":
    main()
