"""The recurrent layers."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._layers import SPN
from ._ternary import Quantiser

BIASES = 4
"""Biases of each unit, of an LSTM and of a GRU alike."""


class Gates(SPN):
    """SPNs of r multiplications over the same values, one for each gate.

    `w_b` is `[gates · r, inputs]`, `a` `[gates · r]` and `w_c` `[gates · units, r]`, gate by gate.
    """

    w_c: nn.Parameter

    def __init__(
        self,
        gates: int,
        inputs: int,
        units: int,
        r: int,
        threshold: float,
        quantiser: Quantiser,
    ) -> None:
        super().__init__(
            (gates * r, inputs),
            (gates * units, r),
            gates * units,
            groups=1,
            norm=False,
            hidden_norm=False,
            threshold=threshold,
            quantiser=quantiser,
        )
        self.gates, self.bias = gates, None

    def apply_to(self, x: Tensor, w_b: Tensor, w_c: Tensor) -> Tensor:
        """The sums before σ and tanh, `[n, gates · units]`, of the rows of x, `[n, inputs]`."""
        m = self.multiply(F.linear(x, w_b)).view(len(x), self.gates, -1)
        # Gates first, as one product of so many matrices.
        y = torch.bmm(m.transpose(0, 1), w_c.view(self.gates, -1, m.shape[2]).transpose(1, 2))
        return y.transpose(0, 1).flatten(1)

    def weights(self) -> tuple[Tensor, Tensor]:
        """W_b and W_c as they multiply."""
        w_b, w_c = self.effective()
        assert w_c is not None
        return w_b, w_c


class Direction(nn.Module):
    """What a recurrent layer has for each direction: `of_x` reads the input, `of_h` the state, and
    `bias` is `[4 · units]`."""

    def __init__(
        self,
        gates: int,
        inputs: int,
        units: int,
        r: int,
        threshold: float,
        quantiser: Quantiser,
    ) -> None:
        super().__init__()
        self.of_x = Gates(gates, inputs, units, r, threshold, quantiser)
        self.of_h = Gates(gates, units, units, r, threshold, quantiser)
        self.bias = nn.Parameter(torch.zeros(BIASES * units))
        with torch.no_grad():
            # What is there is kept at first (Jozefowicz et al. 2015): f of an LSTM, z of a GRU.
            self.bias[units : 2 * units] = 1


class Recurrent(nn.Module):
    """What the recurrent layers have in common: they map `[steps, n, input_size]`, or `[n, steps,
    input_size]` with `batch_first`, to h of every step and the state; without a state they begin
    with zeros. With `bidirectional` a second layer goes from the last step to the first, and its h
    come behind those of the other."""

    gates: ClassVar[int]
    """SPNs over the input, and as many over h."""
    states: ClassVar[int]
    """Tensors of the state, h first."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        batch_first: bool = False,
        bidirectional: bool = False,
        r: int | None = None,
        threshold: float = 0.7,
        quantiser: Quantiser = "twn",
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.batch_first, self.bidirectional = batch_first, bidirectional
        self.r, self.threshold = hidden_size if r is None else r, threshold
        sizes = (self.gates, input_size, hidden_size, self.r, threshold, quantiser)
        self.directions = nn.ModuleList(Direction(*sizes) for _ in range(1 + bidirectional))

    def step(
        self, of_x: Tensor, of_h: Tensor, bias: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """The next state, from the sums of both kinds of gates, `[n, gates · units]`, the biases
        of all but those of the input's in them, and the state, `[n, units]` each."""
        raise NotImplementedError

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        x = input.transpose(0, 1) if self.batch_first else input
        steps, n = x.shape[:2]
        if hx is None:
            zeros = x.new_zeros(len(self.directions), n, self.hidden_size)
            hx = self.states * (zeros,)
        given = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        seen, ended = [], []
        for number, direction in enumerate(self.directions):
            assert isinstance(direction, Direction)
            of_x, of_h = direction.of_x, direction.of_h
            own, rest = direction.bias.split(
                [of_x.outputs, len(direction.bias) - of_x.outputs]
            )
            entering = of_x.apply_to(x.flatten(0, 1), *of_x.weights()) + own
            weights = of_h.weights()
            state = tuple(part[number] for part in given)
            hidden = []
            for now in entering.view(steps, n, -1).unbind()[:: -1 if number else 1]:
                state = self.step(now, of_h.apply_to(state[0], *weights), rest, state)
                hidden.append(state[0])
            seen.append(torch.stack(hidden[:: -1 if number else 1]))
            ended.append(state)
        y = torch.cat(seen, 2)
        ends = tuple(torch.stack(parts) for parts in zip(*ended, strict=True))
        return (y.transpose(0, 1) if self.batch_first else y), ends if self.states > 1 else ends[0]

    def extra_repr(self) -> str:
        both = ", bidirectional=True" if self.bidirectional else ""
        return f"{self.input_size}, {self.hidden_size}, r={self.r}{both}"


class SPNLSTM(Recurrent):
    """An LSTM whose gates i, f, g and o are eight SPNs of `r` multiplications, called as
    `torch.nn.LSTM` of one layer is: the state is `(h, c)`, each `[directions, n, hidden_size]`."""

    gates, states = 4, 2

    def step(
        self, of_x: Tensor, of_h: Tensor, bias: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        i, f, g, o = (of_x + of_h).chunk(4, 1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class SPNGRU(Recurrent):
    """A GRU whose gates r, z and n are six SPNs of `r` multiplications, called as `torch.nn.GRU`
    of one layer is: the state is h, `[directions, n, hidden_size]`. The biases are of r, of z, of
    n's part of the input, and of its part of h."""

    gates, states = 3, 1

    def step(
        self, of_x: Tensor, of_h: Tensor, bias: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        r_x, z_x, n_x = of_x.chunk(3, 1)
        r_h, z_h, n_h = of_h.chunk(3, 1)
        new = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * (n_h + bias))
        (h,) = state
        return (new + torch.sigmoid(z_x + z_h) * (h - new),)
