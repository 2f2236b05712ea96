"""Constant matrices, and matrix products."""

from __future__ import annotations

import json
from os import fspath
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from . import _strassenc
from ._error import Error
from ._model import Model
from ._words import Path, as_words


class Matrix:
    """A constant matrix as shared additions, which are proved equal to it."""

    _native: _strassenc.Matrix

    def __init__(self) -> None:
        raise TypeError("a matrix is made by strassenc.matrix")

    def report(self) -> dict[str, Any]:
        """Its figures, as `strassenc matrix W.npy --json` prints them."""
        figures: dict[str, Any] = json.loads(self._native.report())
        return figures

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Writes Verilog of y = x·W with a testbench, in place of an earlier kernel there; with
        `overwrite` also where its files were changed."""
        self._native.save(fspath(folder), overwrite)

    def __repr__(self) -> str:
        figures = self.report()
        adders, naive = figures["adders"], figures["naive_adders"]
        shape = f"{figures['inputs']} × {figures['outputs']}"
        return f"<Matrix {shape}: {adders} adders, {naive} without sharing>"


def matrix(
    w: ArrayLike,
    *,
    name: str = "matrix",
    effort: int | None = None,
    time_limit: float | None = None,
    max_depth: int | None = None,
    extra_depth: int | None = None,
    cost: Literal["adders", "lut-bits"] | None = None,
    adder_operands: int | None = None,
    input_bits: int | None = None,
    unsigned: bool = False,
    seed: int | None = None,
    threads: int | None = None,
    device: str | None = None,
    clock: float | None = None,
    adders_per_stage: int | None = None,
    combinational: bool = False,
    stream: bool = False,
    clken: bool = False,
) -> Matrix:
    """Finds the shared additions of y = x·W for small integers `w`, `[inputs, outputs]`.

    The parameters are the options of `strassenc matrix`; those from `device` on say how the Verilog
    that `save` writes is clocked. `name` is that of its module.
    """
    words = as_words(locals(), "w", "name")
    array = np.asarray(w)
    is_matrix = array.ndim == 2 and array.dtype.kind in "biuf"
    reals = array.astype(np.float64) if is_matrix else np.full((1, 1), np.nan)
    # What is no number is unlike itself.
    if not (reals == np.rint(reals)).all() or (abs(reals) > 2.0**62).any():
        help = "give whole numbers of at most 32 bits, [inputs, outputs]"
        raise Error("input", "matrix, w", "is not a matrix of integers", help)
    made = Matrix.__new__(Matrix)
    made._native = _strassenc.Matrix(array.astype(np.int64), name, words)
    return made


def discover(
    shape: str,
    *,
    rank: int | None = None,
    method: Literal["flip-graph", "extend", "gradient", "kronecker", "schoolbook"] | None = None,
    fewest_additions: bool = False,
    seed: int | None = None,
    time_limit: float | None = None,
    bits: int | None = None,
    recursive: bool = False,
) -> Model:
    """A fast product of two matrices, found and verified: a model whose input is both, row by row,
    and whose output is the product.

    `shape` is "NxMxP". The parameters are the options of `strassenc discover`, which also keeps a
    search that was cut short.
    """
    words = as_words(locals(), "shape")
    return Model._of(_strassenc.discover([*words, "--", shape]))
