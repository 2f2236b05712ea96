"""Constant matrices, and matrix products."""

import json
from pathlib import Path

import numpy as np
import pytest

import strassenc as sc


def test_a_matrix_is_shared_and_becomes_a_kernel(tmp_path: Path) -> None:
    w = np.random.default_rng(5).integers(-1, 2, (24, 16))
    shared = sc.matrix(w, name="w", input_bits=4, stream=True)
    figures = shared.report()
    assert (figures["inputs"], figures["outputs"]) == (24, 16) and figures["proved"]
    assert figures["adders"] < figures["naive_adders"]
    assert f"{figures['adders']} adders" in repr(shared)
    shared.save(tmp_path / "kernel")
    record = json.loads((tmp_path / "kernel" / "report.json").read_text())
    assert record["top"] == "w" and (tmp_path / "kernel" / "w.v").is_file()
    shared.save(tmp_path / "kernel")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(sc.Error, match="left alone"):
        shared.save(tmp_path)


def test_what_is_no_matrix_of_integers_is_refused() -> None:
    most = np.array([[2**64 - 1]], np.uint64)
    none = np.array([[None]])
    for w in ([1, 2], [[0.5]], [[np.nan]], [["a"]], [[-np.inf]], none, most):
        with pytest.raises(sc.Error, match="matrix, w: is not a matrix of integers"):
            sc.matrix(w)
    with pytest.raises(sc.Error, match="beyond 32 bits"):
        sc.matrix([[2**40]])
    with pytest.raises(sc.Error, match="max_depth="):
        sc.matrix(np.ones((9, 1)), max_depth=1)


def test_a_fast_product_multiplies_matrices() -> None:
    product = sc.discover("2x2x2", bits=6)
    pairs = np.random.default_rng(6).integers(-32, 32, (50, 2, 2, 2))
    due = pairs[:, 0] @ pairs[:, 1]
    assert np.array_equal(product.infer(pairs.reshape(50, 8)), due.reshape(50, 4))
    core = product.compile(effort=0)
    assert core.report()["total"]["multiplications"] == 7
    for shape in ("2x2", "-1x2x2"):
        with pytest.raises(sc.Error, match="is not three sizes"):
            sc.discover(shape)
