"""Ternary matrices with straight-through gradients, as `strassenc train` has them."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Quantiser = Literal["twn", "row"]


class _Ternary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, factor: float, products: Tensor | None) -> Tensor:
        size = rows.abs()
        threshold = factor * size.mean(1, keepdim=True)
        # The largest weight of a row and its near equals always stay.
        largest = size.amax(1, keepdim=True)
        threshold = torch.where(largest > threshold, threshold, largest / 2)
        stays = size > threshold
        signs = torch.sign(rows) * stays
        if products is None:
            kept, n = (size * stays).sum(), stays.sum()
            return signs * torch.where(n > 0, kept / n.clamp(min=1), 1)
        count = int(products.max()) + 1
        kept, n = (
            rows.new_zeros(count).index_add_(0, products.flatten(), part.flatten())
            for part in (size * stays, stays.to(rows.dtype))
        )
        scales = torch.where(n > 0, kept / n.clamp(min=1), torch.ones_like(n))
        return signs * scales[products]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0], None, None


def ternarise(rows: Tensor, factor: float = 0.7, products: Tensor | None = None) -> Tensor:
    """α·t of a matrix `[rows, columns]`: exactly three values for each α; gradients pass.

    t_ij = sign(w_ij) where |w_ij| > `factor` · mean_j|w_ij|, else 0, and α is the mean of |w| where
    t is not 0: of the whole matrix (Li, Zhang & Liu 2016), or of the entries that have the same
    number in `products`, `[rows, columns]`.
    """
    ternary: Tensor = _Ternary.apply(rows, factor, products)
    return ternary
