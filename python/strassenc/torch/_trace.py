"""What a network computes, one module after the other, seen on samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._error import Error
from ._layers import SPN, Residual

LEAVES = (
    *(SPN, Residual, nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Dropout, nn.Dropout2d),
    nn.Identity,
)
"""The modules that are understood."""


Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


@dataclass
class Step:
    """A module with what entered it and what left."""

    name: str
    module: nn.Module
    x: Tensor
    y: Tensor


def leaves(net: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules that compute something, with their names."""
    if isinstance(net, LEAVES):
        yield name, net
        return
    children = list(net.named_children())
    if not children:
        kind = type(net).__name__
        known = ", ".join(dict.fromkeys(leaf.__name__ for leaf in LEAVES))
        raise Error("input", f"module `{name}`", f"is a {kind}", f"understood are {known}")
    for own, child in children:
        yield from leaves(child, f"{name}.{own}" if name else own)


def steps(net: nn.Module, x: Tensor) -> list[Step]:
    """The modules in the order in which samples go through them, each reading what the one before
    yields, in evaluation mode."""
    seen: list[Step] = []
    last = x

    def same(a: Tensor, b: Tensor) -> bool:
        """Whether one is the other, but for its shape."""
        return a is b or (a.data_ptr() == b.data_ptr() and a.numel() == b.numel())

    def look(name: str) -> Hook:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> None:
            nonlocal last
            if not same(inputs[0], last):
                before = f"`{seen[-1].name}`" if seen else "the input"
                raise Error(
                    "input",
                    f"module `{name}`",
                    f"does not read what {before} yields",
                    "put what is computed between them into a module, a sum into "
                    "strassenc.torch.Residual",
                )
            seen.append(Step(name, module, inputs[0].detach(), y.detach()))
            last = y

        return hook

    hooks = [module.register_forward_hook(look(name)) for name, module in leaves(net)]
    training = net.training
    try:
        net.eval()
        with torch.no_grad():
            y = net(x)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    if not same(y, last):
        cause = f"does not end with what `{seen[-1].name}` yields" if seen else "has no modules"
        raise Error("input", "network", cause, "put what is computed behind it into a module")
    return seen

