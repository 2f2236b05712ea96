"""Texts, and runs over them that begin at given weights."""

import json
from pathlib import Path

import numpy as np
import pytest

import strassenc as sc
from strassenc import _strassenc


def test_a_text_is_indices_of_its_alphabet_in_three_parts(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ba, ab" * 20)
    text = sc.load_text(f"text:{path}")
    assert text.alphabet == " ,ab"
    parts = (text.train, text.valid, text.test)
    assert [len(part) for part in parts] == [108, 6, 6]
    assert "".join(text.alphabet[i] for part in parts for i in part) == path.read_text()
    with pytest.raises(sc.Error, match="does not exist"):
        sc.load_text(f"text:{tmp_path / 'none'}")


def test_a_run_over_a_text_begins_at_given_weights(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abc" * 100)
    description = {
        "name": "net",
        "input": {"shape": [1], "bits": 2, "frac": 0},
        "layers": [
            {"embedding": {"rows": 3, "units": 2}},
            {"lstm": {"units": 2, "r": 2}},
            {"dense": {"units": 3, "r": 3}},
        ],
        "train": {"data": f"text:{path}", "batch": 2, "window": 4, "full": {"epochs": 1}},
    }
    draw = np.random.default_rng(1)
    shapes = {
        **{"0.table": (3, 2), "1.bias": (1, 8), "2.bias": (1, 3)},
        **{f"1.{x}.{name}": (8, 2) for x in "xh" for name in ("w_b", "w_c")},
        **{"1.x.a": (1, 8), "1.h.a": (1, 8), "2.w_b": (3, 2), "2.a": (1, 3), "2.w_c": (3, 3)},
    }
    w = {f"float.{name}": draw.normal(size=shape).astype("f4") for name, shape in shapes.items()}

    def spn(name: str, x: object, groups: int = 1) -> np.ndarray:
        w_b, a, w_c = (w[f"float.{name}.{own}"] for own in ("w_b", "a", "w_c"))
        m = (a[0] * (w_b @ x)).reshape(groups, -1)
        return np.concatenate([c @ g for c, g in zip(np.split(w_c, groups), m, strict=True)])

    h = c = np.zeros(2)
    due = []
    for token in (symbols := [0, 2, 1, 1]):
        gates = spn("1.x", w["float.0.table"][token], 4) + spn("1.h", h, 4) + w["float.1.bias"][0]
        i, f, g, o = np.split(gates, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        due.append(spn("2", h) + w["float.2.bias"][0])
    _strassenc.begin(json.dumps(description), w, tmp_path / "run", False)
    got = _strassenc.float_logits(tmp_path / "run", np.array([symbols], np.uint32))
    assert np.allclose(got, due, rtol=1e-4, atol=1e-5)
    with pytest.raises(sc.Error, match="the network knows 3 symbols"):
        _strassenc.float_logits(tmp_path / "run", np.array([[3]], np.uint32))
    # An LSTM's state is in the checkpoint, but not among the weights.
    with pytest.raises(sc.Error, match="state.0.c.*is not one of this network"):
        more = {**w, "state.0.c": np.zeros((2, 2), "f4")}
        _strassenc.begin(json.dumps(description), more, tmp_path / "more", False)
