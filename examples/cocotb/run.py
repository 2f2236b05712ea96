#!/usr/bin/env python3
"""Runs bench.py on a build folder, and fails where a test does."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="of `strassenc verilog MODEL -o BUILD`")
    parser.add_argument("vectors", type=Path, help="of `strassenc eval MODEL --vectors VECTORS`")
    parser.add_argument("--simulator", default="icarus", choices=["icarus", "verilator"])
    args = parser.parse_args()
    build, vectors = args.build.resolve(), args.vectors.resolve()
    signature = json.loads((build / "signature.json").read_text())
    with tempfile.TemporaryDirectory() as work:
        # The core reads its ROMs where the simulator runs.
        for name in signature.get("memories", []):
            shutil.copy(build / name, work)
        runner = get_runner(args.simulator)
        runner.build(
            sources=[build / name for name in signature["files"]],
            hdl_toplevel=signature["top"],
            build_dir=work,
            timescale=("1ns", "1ps"),
        )
        packages = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), packages])
        results = runner.test(
            test_module="bench",
            hdl_toplevel=signature["top"],
            build_dir=work,
            test_dir=work,
            extra_env={"BUILD": str(build), "VECTORS": str(vectors)},
            seed=1,
        )
        # The runner itself ends well whatever its tests do.
        tests, failures = get_results(results)
    print(f"{tests} tests, {failures} failed")
    return 0 if tests > 0 and failures == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
