"""Drives a core on the board of shim.cpp with its PYNQ driver, and compares with golden:
main.py VECTORS COUNT TABLE. VECTORS holds, as 64-bit integers, the inputs and outputs of so many
vectors, first those of the core's own model, then those of the one whose TABLE is loaded."""

import sys

import numpy as np
from digits_pynq import INPUTS, OUTPUTS, STATUS_BITS, Core, quantise, real
from pynq import DMA, Registers

file, count = sys.argv[1], int(sys.argv[2])
every = np.fromfile(file, "<i8").reshape(2, -1, INPUTS + OUTPUTS)[:, :count]
vectors, others = every
x, due = vectors[:, :INPUTS], vectors[:, INPUTS:]
assert len(x) == count

assert quantise([-1.0, 1e300, 0.03125, 0.03124]).tolist() == [0, 31, 1, 0]
assert (quantise(x / 16.0) == x).all()
core = Core(DMA(), Registers())
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

assert not core.status() & (STATUS_BITS["ERROR"] | STATUS_BITS["LOADING"])
core.clear_error()
assert core.frames_in() == core.frames_out() == count + 7, core.frames_in()
with open(sys.argv[3], "rb") as table:
    table = table.read()
try:
    core.load(table[4:])
except ValueError:
    core.load(table)
else:
    raise AssertionError("half a table is taken")
got = core.infer(others[:, :INPUTS])
assert (got == others[:, INPUTS:]).all(), "outputs after the load differ"
core.close()


class Other(Registers):
    """The registers of another build."""

    def read(self, offset):
        return super().read(offset) ^ 1


try:
    Core(DMA(), Other())
except RuntimeError:
    count *= 2
print(f"{count} inferences, every one golden's")
