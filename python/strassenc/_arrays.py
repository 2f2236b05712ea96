"""Ternary layers that were trained elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._error import Error

Real = NDArray[np.float64]
Layer = tuple[Real, Real, Real, Real]

_LINEAR = {"dense": "dense", "conv2d": "conv", "conv1d": "conv"}
"""The keys of linear layers, and what their names begin with."""


class Ternary:
    """The weights of a linear layer: `W = scale · w`, entries of `w` -1, 0 or 1.

    `w` is `[units, inputs]` of a dense layer, `[channels, inputs / groups, k_h, k_w]` of a `conv2d`
    and `[channels, inputs / groups, k]` of a `conv1d`, as in PyTorch; a dense layer reads an image
    row by row, channels innermost. `scale` is a number or `[units]`, as ternary weight networks
    have it, or a pair of these: of the positive and of the negative entries, as trained ternary
    quantisation has it, which takes two multiplications an output. `bias` is `[units]`. A batch
    norm behind the layer is folded in by `folded`.
    """

    def __init__(
        self,
        w: ArrayLike,
        scale: ArrayLike | tuple[ArrayLike, ArrayLike] = 1.0,
        bias: ArrayLike = 0.0,
    ) -> None:
        self.w = np.asarray(w, np.float64)
        if self.w.ndim < 2 or not np.isin(self.w, (-1, 0, 1)).all():
            help = "give signs, [units, …], and their scale beside them"
            raise Error("input", "Ternary, w", "is not a matrix of -1, 0 and 1", help)
        positive, negative = scale if isinstance(scale, tuple) else (scale, scale)
        self.scales = self._row(positive, "scale"), self._row(negative, "scale")
        self.bias = self._row(bias, "bias")

    def _row(self, value: ArrayLike, name: str) -> Real:
        """The value of each unit."""
        row, units = np.asarray(value, np.float64).squeeze(), self.w.shape[0]
        if row.shape not in ((), (units,)):
            cause = f"has the shape {list(row.shape)}, not [{units}]"
            raise Error("input", f"Ternary, {name}", cause)
        return np.broadcast_to(row, (units,)).copy()

    def folded(
        self,
        mean: ArrayLike,
        variance: ArrayLike,
        gamma: ArrayLike = 1.0,
        beta: ArrayLike = 0.0,
        epsilon: float = 1e-5,
    ) -> Ternary:
        """The layer and the batch norm behind it as one layer."""
        slope = self._row(gamma, "gamma") / np.sqrt(self._row(variance, "variance") + epsilon)
        scales = self.scales[0] * slope, self.scales[1] * slope
        bias = (self.bias - self._row(mean, "mean")) * slope + self._row(beta, "beta")
        return Ternary(self.w, scales, bias)

    @property
    def r(self) -> int:
        """Multiplications, of one output pixel."""
        return len(self.bias) * (1 if self._symmetric else 2)

    @property
    def _symmetric(self) -> bool:
        return np.array_equal(*self.scales)

    def spn(self, groups: int, depthwise: bool) -> Layer:
        """W_b, a, W_c and b: a product for each output, or one for either sign."""
        units = len(self.bias)
        # Columns in the order row, column, channel.
        w = np.moveaxis(self.w, 1, -1).reshape(units, -1)
        signs = [(w, self.scales[0], np.eye(units))]
        if not self._symmetric:
            positive, negative = np.maximum(w, 0), np.maximum(-w, 0)
            signs = [
                (positive, self.scales[0], np.eye(units)),
                (negative, self.scales[1], -np.eye(units)),
            ]

        def rows(parts: list[Real]) -> Real:
            """The rows of all parts, those of a group together."""
            by_group = [part.reshape(groups, units // groups, -1) for part in parts]
            return np.concatenate(by_group, 1).reshape(len(parts) * units, -1)

        w_b, a, w_c = (rows(list(parts)) for parts in zip(*signs, strict=True))
        w_c = w_c.T
        if depthwise:
            blocks = w_c.reshape(groups, units // groups, groups, -1)
            w_c = np.concatenate([blocks[g, :, g] for g in range(groups)])
        return w_b, a[:, 0].copy(), np.ascontiguousarray(w_c), self.bias


def described(
    description: Mapping[str, Any], weights: Mapping[str, Ternary]
) -> tuple[dict[str, Any], list[Layer]]:
    """The description with the numbers of products that the weights take, and their layers."""
    whole: dict[str, Any] = copy.deepcopy(dict(description))
    left, layers, counts = dict(weights), [], {"dense": 0, "conv": 0}

    def visit(given: list[Any]) -> None:
        for layer in given:
            if not isinstance(layer, dict):
                continue
            ((kind, keys),) = layer.items()
            for branch in ("body", "shortcut"):
                visit(keys.get(branch, []))
            if kind not in _LINEAR:
                continue
            name = f"{_LINEAR[kind]}_{counts[_LINEAR[kind]]}"
            counts[_LINEAR[kind]] += 1
            if name not in left:
                raise Error("input", "from_arrays, weights", f"has no `{name}`")
            ternary = left.pop(name)
            groups = keys.get("groups", 1)
            keys.update(r=ternary.r, **({} if kind == "dense" else {"p": 1}))
            depthwise = groups > 1 and ternary.w.shape[1] == 1
            layers.append(ternary.spn(groups, depthwise))

    visit(whole["layers"])
    if left:
        cause = f"has `{next(iter(left))}`, which is no linear layer of the description"
        raise Error("input", "from_arrays, weights", cause)
    return whole, layers
