"""Drives a core on the board of shim.cpp with its PYNQ driver, and compares with golden:
main.py VECTORS COUNT. VECTORS holds, as 64-bit integers, the inputs and outputs of each vector."""

import sys

import numpy as np
from digits_pynq import INPUTS, OUTPUTS, Core, quantise, real
from pynq import DMA

file, count = sys.argv[1], int(sys.argv[2])
vectors = np.fromfile(file, "<i8").reshape(-1, INPUTS + OUTPUTS)[:count]
x, due = vectors[:, :INPUTS], vectors[:, INPUTS:]
assert len(x) == count

assert quantise([-1.0, 1e300, 0.03125, 0.03124]).tolist() == [0, 31, 1, 0]
assert (quantise(x / 16.0) == x).all()
core = Core(DMA())
for wrong in (x[0] + 32, x[0] / 16.0, x[:, 1:]):
    try:
        core.infer(wrong)
    except ValueError:
        continue
    raise AssertionError("an impossible input is taken")
got = core.infer(x)
assert got.shape == due.shape and (got == due).all(), f"{(got != due).sum()} outputs differ"
assert (core(x[0] / 16.0) == due[0] / 8.0).all()
assert (core.infer(x[:6].reshape(2, 3, INPUTS)) == due[:6].reshape(2, 3, OUTPUTS)).all()
assert (real(due) == due / 8.0).all()
core.close()
print(f"{count} inferences, every one golden's")
