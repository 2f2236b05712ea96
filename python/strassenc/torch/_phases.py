"""The three phases of StrassenNets, and distillation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._layers import SPN, Phase


class Phases:
    """Leads the SPNs of a network through the phases; each is a call, or `epoch` decides.

    `full`: W_b and W_c in full precision. `ternary`: ternary, gradients straight through. `frozen`:
    they train no more, the rest does. Wrap a network in DDP, and make an optimiser, anew for each.
    """

    def __init__(self, net: nn.Module, *, full: int = 0, ternary: int = 0) -> None:
        self._layers = [module for module in net.modules() if isinstance(module, SPN)]
        self._epochs = (full, ternary)

    def full(self) -> None:
        """Phase 1."""
        self._enter("full")

    def ternary(self) -> None:
        """Phase 2."""
        self._enter("ternary")

    def frozen(self) -> None:
        """Phase 3, with float activations; `strassenc.resume` has the integers'."""
        self._enter("frozen")

    def epoch(self, number: int) -> Phase:
        """Enters the phase of an epoch, counted from 0, by the numbers of epochs `full` and
        `ternary`."""
        full, ternary = self._epochs
        phase: Phase = "full" if number < full else "ternary"
        self._enter(phase if number < full + ternary else "frozen")
        return self.now

    @property
    def now(self) -> Phase:
        """The phase that the network is in."""
        return self._layers[0].phase

    def _enter(self, phase: Phase) -> None:
        for layer in self._layers:
            layer.phase = phase
            for w in (layer.w_b, layer.w_c):
                if w is not None:
                    w.requires_grad_(phase != "frozen")


def distillation_loss(
    logits: Tensor,
    labels: Tensor,
    teacher: Tensor,
    *,
    share: float = 0.5,
    temperature: float = 1.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """(1 - λ)·CE(z, labels) + λ·T²·CE(z/T, softmax(z_teacher/T)), with λ = `share` (Hinton,
    Vinyals & Dean 2015); logits and the teacher's are `[n, classes]`."""
    own = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    taught = F.cross_entropy(logits / temperature, torch.softmax(teacher / temperature, 1))
    return (1 - share) * own + share * temperature**2 * taught
