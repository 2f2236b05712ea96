"""SPNs in the place of a network's linear layers, beginning as factors of their weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .._error import Error
from ._layers import SPN, Residual, Size, SPNConv2d, SPNLinear, pair
from ._ternary import Quantiser
from ._trace import Step, steps


def from_torch(
    net: nn.Module,
    x: Tensor,
    *,
    r: float = 1.0,
    p: Size = 1,
    threshold: float = 0.7,
    quantiser: Quantiser = "twn",
    seed: int = 0,
) -> nn.Module:
    """A copy of the network with an SPN in the place of each `Linear` and `Conv2d`, and of the
    batch norm behind it.

    `r` is multiplications over output channels, of `p × p` output pixels; the last layer keeps at
    least as many as it has outputs. The copy begins with the network's function, exactly where `r`
    reaches the rank and p is 1, else as near as factors come; what norms need to know of their
    inputs they take from samples `x`. Layers with groups are depthwise.
    """
    net = copy.deepcopy(net)
    generator = torch.Generator().manual_seed(seed)
    whole = _linear(net, x)
    for number, (step, norm) in enumerate(whole):
        # What enters a layer follows from those before it, which are SPNs by now.
        entering = dict(_inputs(net, x))[step.name]
        last = number + 1 == len(whole)
        spn = _spn(step.module, norm, entering, r, p, last, threshold, quantiser, generator)
        _replace(net, step.name, spn)
        if norm is not None:
            _replace(net, norm.name, nn.Identity())
    return net


def _inside(step: Step) -> list[tuple[str, nn.Module, Tensor]]:
    """The branches of a step."""
    if not isinstance(step.module, Residual):
        return []
    branches = [("body", step.module.body), ("shortcut", step.module.shortcut)]
    return [
        (f"{step.name}.{name}", branch, step.x) for name, branch in branches if branch is not None
    ]


def _all(net: nn.Module, x: Tensor, name: str = "") -> list[list[Step]]:
    """The chains of a network, branches after what they are in."""
    chain = steps(net, x)
    for step in chain:
        step.name = f"{name}.{step.name}" if name else step.name
    inside = [branch for step in chain for branch in _inside(step)]
    return [chain, *(more for own, net, x in inside for more in _all(net, x, own))]


def _inputs(net: nn.Module, x: Tensor) -> list[tuple[str, Tensor]]:
    return [(step.name, step.x) for chain in _all(net, x) for step in chain]


def _linear(net: nn.Module, x: Tensor) -> list[tuple[Step, Step | None]]:
    """The linear layers, each with the batch norm behind it; the network's last one comes last."""
    chains = _all(net, x)
    found: list[tuple[Step, Step | None]] = []
    for chain in [*chains[1:], chains[0]]:
        for step, after in zip(chain, [*chain[1:], None], strict=True):
            norm = after if after and isinstance(after.module, _NORMS) else None
            if isinstance(step.module, (nn.Linear, nn.Conv2d)):
                found.append((step, norm))
            elif norm is not None:
                help = "put it directly behind a Linear or a Conv2d"
                raise Error("input", f"module `{norm.name}`", "normalises no linear layer", help)
    if not found:
        raise Error("input", "network", "has neither a Linear nor a Conv2d")
    return found


_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def _replace(net: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, own = name.rpartition(".")
    module.train(net.training)
    setattr(net.get_submodule(owner), own, module)


def _spn(
    layer: nn.Module,
    norm: Step | None,
    x: Tensor,
    ratio: float,
    p: Size,
    last: bool,
    threshold: float,
    quantiser: Quantiser,
    generator: torch.Generator,
) -> SPN:
    assert isinstance(layer, (nn.Linear, nn.Conv2d))
    outputs = layer.weight.shape[0]
    r = max(round(ratio * outputs), outputs if last else 1)
    spn: SPN
    if isinstance(layer, nn.Linear):
        spn = SPNLinear(
            layer.in_features,
            outputs,
            r=r,
            norm=not last,
            threshold=threshold,
            quantiser=quantiser,
        )
        matrices = [layer.weight.detach()]
    else:
        groups, padding = layer.groups, layer.padding
        odd = isinstance(padding, str) or layer.padding_mode != "zeros" or max(layer.dilation) > 1
        if odd or (groups > 1 and groups != layer.in_channels):
            cause = f"is {layer}: its padding, dilation or groups are none of ours"
            raise Error("input", "Conv2d", cause, "zeros as padding, depthwise groups")
        patch = pair(p)
        kernel, stride = layer.kernel_size, layer.stride
        spn = SPNConv2d(
            layer.in_channels,
            outputs,
            (kernel[0], kernel[1]),
            (stride[0], stride[1]),
            (int(padding[0]), int(padding[1])),
            groups,
            r=-(-r // groups) * groups,
            p=patch,
            norm=not last,
            threshold=threshold,
            quantiser=quantiser,
        )
        window = spn.w_b.shape[2:]
        # The matrix of all pixels of a patch, row by row.
        w = layer.weight.detach()
        pixels = w.new_zeros(*patch, *w.shape[:2], *window)
        for row in range(patch[0]):
            for column in range(patch[1]):
                y, x_ = row * stride[0], column * stride[1]
                pixels[row, column, :, :, y : y + kernel[0], x_ : x_ + kernel[1]] = w
        pixels = pixels.unflatten(2, (groups, -1)).movedim(2, 0)
        matrices = list(pixels.flatten(4).flatten(1, 3))
    spn = spn.to(layer.weight.device, layer.weight.dtype)
    with torch.no_grad():
        factors = [_factors(w, spn.r // len(matrices), generator) for w in matrices]
        rows = torch.cat([w_b for w_b, _ in factors])
        spn.w_b.copy_(rows.view_as(spn.w_b))
        assert spn.w_c is not None
        by_group = torch.stack([w_c for _, w_c in factors])
        if spn.w_c.ndim == 4:
            p_h, p_w = spn.w_c.shape[2:]
            # [groups, p_h · p_w · outputs / groups, r / groups].
            own = by_group.unflatten(1, (p_h, p_w, -1)).permute(0, 3, 4, 1, 2).flatten(0, 1)
            spn.w_c.copy_(own)
        else:
            spn.w_c.copy_(by_group[0])
        _undo_norm(spn, x, layer.bias, norm.module if norm else None)
    return spn


def _factors(w: Tensor, r: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """W_b `[r, columns]` and W_c `[rows, r]`, whose product is w where r reaches its rank, and the
    nearest of rank r else. A frame turns them at random: all products carry as much, and no entry
    is a zero, which would be ternary by noise."""
    _, _, q = torch.linalg.svd(w, full_matrices=False)
    q = q[: min(r, len(q))]
    frame = torch.randn(r, len(q), generator=generator).to(w)
    frame = torch.linalg.qr(frame)[0]
    return frame @ q, w @ q.T @ frame.T


def _undo_norm(spn: SPN, x: Tensor, bias: Tensor | None, norm: nn.Module | None) -> None:
    """Makes up in W_c for what the norm between divides by, and behind it for what it subtracts."""
    spn.eval()
    sums: list[Tensor] = []
    pixels: list[Tensor] = []
    hooks = [spn.hidden.register_forward_hook(lambda _, u, __: sums.append(u[0]))]
    if spn.norm is not None:
        hooks.append(spn.norm.register_forward_hook(lambda _, y, __: pixels.append(y[0])))
    spn(x)
    variance, mean = _moments(sums[0])
    _set(spn.hidden, mean, variance)
    assert spn.w_c is not None
    sigma = (variance + spn.hidden.eps).sqrt()
    shares = spn.w_c.new_zeros(spn.outputs)
    w_c, groups = spn.w_c, spn.output_groups
    per_group = mean.view(groups, -1).repeat_interleave(spn.outputs // groups, 0)
    axes = (1, *[1] * (w_c.ndim - 2))
    # Of all pixels of a patch, [outputs, r / groups].
    shares = (w_c.flatten(2).mean(2) if w_c.ndim == 4 else w_c).mul(per_group).sum(1)
    of_group = sigma.view(groups, -1).repeat_interleave(spn.outputs // groups, 0)
    w_c.mul_(of_group.view(spn.outputs, -1, *axes[1:]))
    offset = shares if bias is None else shares + bias
    if spn.norm is None:
        assert spn.bias is not None
        spn.bias.copy_(offset)
    elif isinstance(norm, _NORMS):
        assert norm.running_mean is not None and norm.running_var is not None
        _set(spn.norm, norm.running_mean - offset, norm.running_var)
        spn.norm.eps = norm.eps
        if norm.affine:
            spn.norm.weight.copy_(norm.weight)
            spn.norm.bias.copy_(norm.bias)
    else:
        spn(x)
        variance, mean = _moments(pixels[-1])
        _set(spn.norm, mean, variance)
        spn.norm.weight.copy_((variance + spn.norm.eps).sqrt())
        spn.norm.bias.copy_(mean + offset)
    for hook in hooks:
        hook.remove()


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean of each channel."""
    variance, mean = torch.var_mean(values.transpose(0, 1).flatten(1), 1, correction=0)
    return variance, mean


def _set(norm: nn.Module, mean: Tensor, variance: Tensor) -> None:
    norm.get_buffer("running_mean").copy_(mean)
    norm.get_buffer("running_var").copy_(variance)
