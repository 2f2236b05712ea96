#!/usr/bin/env python3
"""What PyTorch makes of LSTM and GRU with the weights of the test in recurrent/tests.rs.

    python runtime/src/train/recurrent/witness.py > runtime/src/train/recurrent/witness.txt

For each cell: h of every step, then the gradients of Σ k·h_k (k from 1 on) with respect to x, to
the matrices of x and of h, and to what both biases add up to; a line each.
"""

import math

import torch

STEPS, SAMPLES, N_IN, UNITS = 5, 2, 3, 4


def waves(rows: int, columns: int, phase: float) -> torch.Tensor:
    """Numbers that both sides compute alike."""
    values = [[math.sin(phase + 1.7 * i + 0.9 * j) for j in range(columns)] for i in range(rows)]
    return torch.tensor(values, dtype=torch.float64)


for name, gates in [("LSTM", 4), ("GRU", 3)]:
    layer = getattr(torch.nn, name)(N_IN, UNITS).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(waves(gates * UNITS, N_IN, 0.1))
        layer.weight_hh_l0.copy_(waves(gates * UNITS, UNITS, 0.2))
        layer.bias_ih_l0.copy_(waves(1, gates * UNITS, 0.3)[0])
        layer.bias_hh_l0.copy_(waves(1, gates * UNITS, 0.4)[0])
    x = waves(STEPS * SAMPLES, N_IN, 0.5).reshape(STEPS, SAMPLES, N_IN).requires_grad_()
    h, _ = layer(x)
    (h.flatten() * torch.arange(1, h.numel() + 1)).sum().backward()
    of_h = layer.bias_hh_l0.grad
    # A GRU has n_h of its own; what is added to r and z is added twice.
    bias = torch.cat([layer.bias_ih_l0.grad, of_h[2 * UNITS:]]) if name == "GRU" else of_h
    parts = [h.detach(), x.grad, layer.weight_ih_l0.grad, layer.weight_hh_l0.grad, bias]
    for part in parts:
        print(" ".join(f"{v:.12g}" for v in part.flatten().tolist()))
