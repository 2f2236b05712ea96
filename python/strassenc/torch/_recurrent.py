"""The recurrent layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._layers import SPN
from ._ternary import Quantiser

State = tuple[Tensor, Tensor]


class Gates(SPN):
    """Four SPNs of r multiplications over the same values, for the gates i, f, g and o.

    `w_b` is `[4 · r, inputs]`, `a` `[4 · r]` and `w_c` `[4 · units, r]`, gate by gate.
    """

    w_c: nn.Parameter

    def __init__(
        self, inputs: int, units: int, r: int, threshold: float, quantiser: Quantiser
    ) -> None:
        super().__init__(
            (4 * r, inputs),
            (4 * units, r),
            4 * units,
            groups=1,
            norm=False,
            hidden_norm=False,
            threshold=threshold,
            quantiser=quantiser,
        )
        self.bias = None

    def apply_to(self, x: Tensor, w_b: Tensor, w_c: Tensor) -> Tensor:
        """The sums before σ and tanh, `[n, 4 · units]`, of the rows of x, `[n, inputs]`."""
        m = self.multiply(F.linear(x, w_b)).view(len(x), 4, -1)
        # Gates first, as one product of four matrices.
        y = torch.bmm(m.transpose(0, 1), w_c.view(4, -1, m.shape[2]).transpose(1, 2))
        return y.transpose(0, 1).flatten(1)


class SPNLSTM(nn.Module):
    """An LSTM whose gates are eight SPNs of `r` multiplications, called as `torch.nn.LSTM` of one
    layer is: `of_x` reads the input, `of_h` the state.

    It maps `[steps, n, input_size]`, or `[n, steps, input_size]` with `batch_first`, to h of every
    step and the state `(h, c)`, each `[1, n, hidden_size]`; without a state it begins with zeros.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        batch_first: bool = False,
        r: int | None = None,
        threshold: float = 0.7,
        quantiser: Quantiser = "twn",
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.batch_first, self.r = batch_first, hidden_size if r is None else r
        self.of_x = Gates(input_size, hidden_size, self.r, threshold, quantiser)
        self.of_h = Gates(hidden_size, hidden_size, self.r, threshold, quantiser)
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        with torch.no_grad():
            # What is there is kept at first (Jozefowicz et al. 2015).
            self.bias[hidden_size : 2 * hidden_size] = 1

    def forward(self, input: Tensor, hx: State | None = None) -> tuple[Tensor, State]:
        x = input.transpose(0, 1) if self.batch_first else input
        steps, n = x.shape[:2]
        h, c = (part[0] for part in hx) if hx else 2 * [x.new_zeros(n, self.hidden_size)]
        entering = self.of_x.apply_to(x.flatten(0, 1), *self._weights(self.of_x)) + self.bias
        w_b, w_c = self._weights(self.of_h)
        seen = []
        for of_x in entering.view(steps, n, -1):
            i, f, g, o = (of_x + self.of_h.apply_to(h, w_b, w_c)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            seen.append(h)
        y = torch.stack(seen)
        return (y.transpose(0, 1) if self.batch_first else y), (h[None], c[None])

    @staticmethod
    def _weights(gates: Gates) -> tuple[Tensor, Tensor]:
        w_b, w_c = gates.effective()
        assert w_c is not None
        return w_b, w_c

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, r={self.r}"
