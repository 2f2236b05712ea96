"""Sum-product layers for PyTorch, and the way from a network of them to a run of `strassenc train`.

    import strassenc as sc, strassenc.torch

    net = sc.torch.from_torch(teacher, x, r=2)    # SPNs that begin at its weights
    phases = sc.torch.Phases(net)
    phases.full()                                 # train as you train; then
    phases.ternary()                              # ternary W_b and W_c, straight-through gradients
    sc.torch.export(net, "run", x[:1], data="npy:FOLDER")
    model = sc.resume("run")                      # phase 3, on the integers of the hardware

Images are `[n, channels, height, width]` and signals `[n, channels, T]` here, as PyTorch has them,
and signals for recurrent layers `[n, T, channels]`; `save_data` turns them. Float outputs and
gradients equal those of `strassenc train` on the same weights.
"""

try:
    import torch as _  # noqa: F401
except ImportError as e:
    raise ImportError("strassenc.torch needs PyTorch: pip install torch") from e

from ._export import describe, export, save_data
from ._factors import from_torch
from ._layers import (
    Residual,
    SPNConv1d,
    SPNConv2d,
    SPNConvTranspose1d,
    SPNConvTranspose2d,
    SPNLinear,
)
from ._recurrent import SPNGRU, SPNLSTM
from ._phases import Phases, distillation_loss
from ._ternary import ternarise

__all__ = [
    "Phases",
    "Residual",
    "SPNConv1d",
    "SPNConv2d",
    "SPNConvTranspose1d",
    "SPNConvTranspose2d",
    "SPNGRU",
    "SPNLSTM",
    "SPNLinear",
    "describe",
    "distillation_loss",
    "export",
    "from_torch",
    "save_data",
    "ternarise",
]
