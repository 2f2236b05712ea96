"""Networks whose ternary layers were trained elsewhere."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import strassenc as sc

Real = NDArray[np.float64]
RANDOM = np.random.default_rng(3)


def ternary(*shape: int) -> Real:
    return RANDOM.integers(-1, 2, shape).astype(np.float64)


def near(model: sc.Model, x: Real, due: Real) -> None:
    """The integer network's real values are those of the float network, but for its 12 bits."""
    error = np.abs(model.infer(x) - due).max() / np.abs(due).max()
    assert error < 0.01, error


def mlp(**bits: int) -> dict[str, Any]:
    return {
        "name": "mlp",
        "input": {"shape": [20], "bits": 8, "frac": 8},
        "layers": [{"dense": {"units": 12}}, "relu", {"dense": {"units": 5}}],
        "bits": {"activations": 12, "coefficients": 12, **bits},
    }


def test_one_scale_takes_one_multiplication_an_output_and_two_take_two() -> None:
    w, v, bias = ternary(12, 20), ternary(5, 12), RANDOM.normal(size=12)
    x = RANDOM.integers(0, 256, (300, 20)) / 256
    for first, matrix, products in [
        (sc.Ternary(w, 0.37, bias), 0.37 * w, 12),
        (sc.Ternary(w, np.arange(1, 13) / 10, bias), (np.arange(1, 13) / 10)[:, None] * w, 12),
        (sc.Ternary(w, (0.9, 0.2), bias), np.where(w > 0, 0.9, 0.2) * w, 24),
    ]:
        model = sc.Model.from_arrays(mlp(), {"dense_0": first, "dense_1": sc.Ternary(v)}, x)
        near(model, x, np.maximum(x @ matrix.T + bias, 0) @ v.T)
        layers = model.compile(effort=0).report()["layers"]
        assert [layer["multiplications"] for layer in layers] == [products, 5]


def conv(x: Real, w: Real, groups: int) -> Real:
    """A convolution of kernel 3 with a pad of 1, channels last, in plain loops."""
    n, height, width, channels = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((n, height, width, len(w)))
    reads, makes = channels // groups, len(w) // groups
    for c, kernel in enumerate(w):
        first = c // makes * reads
        for row in range(3):
            for column in range(3):
                window = padded[:, row : row + height, column : column + width]
                part = window[..., first : first + reads]
                y[..., c] += part @ kernel[:, row, column]
    return y


@pytest.mark.parametrize(("groups", "channels"), [(1, 6), (2, 6), (4, 8)])
@pytest.mark.parametrize("scale", [0.5, (0.5, 0.8)])
def test_a_convolution_with_its_batch_norm_is_one_layer(
    groups: int, channels: int, scale: float | tuple[float, float]
) -> None:
    w, v = ternary(channels, 4 // groups, 3, 3), ternary(3, 4 * 5 * channels)
    mean, variance, gamma, beta = RANDOM.normal(size=(4, channels))
    variance = variance**2
    description = {
        "name": "cnn",
        "input": {"shape": [4, 5, 4], "bits": 8, "frac": 8},
        "layers": [
            {"conv2d": {"channels": channels, "kernel": 3, "pad": 1, "groups": groups}},
            "relu",
            {"dense": {"units": 3}},
        ],
        "bits": {"activations": 12, "coefficients": 12},
    }
    first = sc.Ternary(w, scale).folded(mean, variance, gamma, beta)
    x = RANDOM.integers(0, 256, (50, 4, 5, 4)) / 256
    model = sc.Model.from_arrays(description, {"conv_0": first, "dense_0": sc.Ternary(v)}, x)
    matrix = np.where(w > 0, 0.5, scale if isinstance(scale, float) else scale[1]) * w
    y = (conv(x, matrix, groups) - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    near(model, x, np.maximum(y, 0).reshape(50, -1) @ v.T)


def test_what_does_not_fit_is_named() -> None:
    x = np.zeros((1, 20))
    first, second = sc.Ternary(ternary(12, 20)), sc.Ternary(ternary(5, 12))
    with pytest.raises(sc.Error, match="has no `dense_1`"):
        sc.Model.from_arrays(mlp(), {"dense_0": first}, x)
    with pytest.raises(sc.Error, match="`dense_7`, which is no linear layer"):
        sc.Model.from_arrays(mlp(), {"dense_0": first, "dense_1": second, "dense_7": first}, x)
    with pytest.raises(sc.Error, match=r"layer `dense_1`: W_b has the shape \[12, 20\]"):
        sc.Model.from_arrays(mlp(), {"dense_0": first, "dense_1": first}, x)
    with pytest.raises(sc.Error, match="is not a matrix of -1, 0 and 1"):
        sc.Ternary(np.full((2, 2), 0.5))
    with pytest.raises(sc.Error, match="activations"):
        bits = {"dense_0": first, "dense_1": second}
        sc.Model.from_arrays(mlp(activations=99), bits, x)
