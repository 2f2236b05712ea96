"""Models: what golden computes, with arrays."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray

import strassenc as sc

SIGNAL = """name = "signal"
input = { shape = [6, 2], bits = 8, frac = 6, signed = true }
layers = [{ gru = { units = 4 } }, "last", { dense = { units = 3 } }]
"""


def test_integers_and_real_values_are_one_network(
    digits: sc.Model, pixels: NDArray[np.int64]
) -> None:
    integers = digits.infer(pixels)
    assert integers.shape == (100, 10) and integers.dtype == np.int64
    reals = digits.infer(pixels / 16.0)
    assert reals.dtype == np.float64
    steps = reals[integers != 0] / integers[integers != 0]
    assert len(np.unique(steps)) == 1, "real values are integers times a power of two"


def test_every_shape_of_the_same_samples_gives_the_same(
    digits: sc.Model, pixels: NDArray[np.int64]
) -> None:
    due = digits.infer(pixels.reshape(100, *digits.input_shape))
    assert np.array_equal(digits.infer(pixels.reshape(100, 64)), due)
    assert np.array_equal(digits.infer(pixels.reshape(100, 64).astype(np.uint8)), due)
    assert np.array_equal(digits.infer(pixels[0].reshape(64).tolist()), due[0])
    assert digits.infer(pixels[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    ("x", "cause"),
    [
        (np.zeros((3, 63)), "has the shape [3, 63], the network takes [n, 8, 8]"),
        (np.full((1, 64), 32), "is 32, outside the input format"),
        (np.full((1, 64), 2**64 - 1, np.uint64), "outside the input format"),
        (np.full((1, 64), np.nan), "is NaN, not a number"),
        (np.full((1, 64), "a"), "not numbers"),
    ],
)
def test_what_is_no_sample_is_refused_with_the_cause(
    digits: sc.Model, x: NDArray[np.int64], cause: str
) -> None:
    with pytest.raises(sc.Error) as told:
        digits.infer(x)
    assert told.value.kind == "input" and cause in str(told.value)


def test_a_model_of_one_step_takes_the_steps_of_signals(digits: sc.Model, tmp_path: Path) -> None:
    (tmp_path / "net.toml").write_text(SIGNAL)
    draw = [sys.executable, "-m", "strassenc", "random", "net.toml", "-o", "drawn"]
    subprocess.run(draw, cwd=tmp_path, check=True, capture_output=True)
    whole = sc.Model.load(tmp_path / "drawn")
    steps = whole.steps()
    x = np.random.default_rng(1).integers(-64, 64, (5, 6, 2))
    answers = steps.infer(x)
    assert answers.shape == (5, 6, 3) and steps.input_shape == (2,)
    assert np.array_equal(answers[:, -1], whole.infer(x.reshape(5, -1)))
    assert np.array_equal(answers[2], steps.infer(x[2])), "samples without that axis are one"
    assert steps.infer(x / 64.0).dtype == np.float64
    assert steps.infer(x[:0]).shape == (0, 6, 3)
    core = steps.compile(effort=0)
    assert np.array_equal(core.simulate(x, gaps=True, backpressure=True).outputs, answers)
    with pytest.raises(sc.Error, match="is no signal of several steps"):
        digits.steps()
    with pytest.raises(sc.Error, match="the network takes"):
        digits.infer(np.zeros((2, 3, 8, 8)))


def test_a_saved_model_is_the_model(digits: sc.Model, tmp_path: Path) -> None:
    digits.save(tmp_path / "again.safetensors")
    again = sc.Model.load(str(tmp_path / "again.safetensors"))
    assert (again.sha256, again.name, again.outputs) == (digits.sha256, "digits", 10)


def test_what_is_no_model_is_named_with_the_way_out() -> None:
    with pytest.raises(sc.Error) as told:
        sc.Model.load(ROOT / "runtime/networks/mnist.toml")
    assert told.value.place.endswith("mnist.toml") and told.value.kind == "input"
    assert told.value.cause == "is a network description, not a model file"
    assert told.value.help and "strassenc train" in told.value.help
