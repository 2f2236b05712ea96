"""SPNs in the place of a network's linear layers, beginning as factors of their weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from ._layers import (
    SPN,
    Size,
    SPNConv1d,
    SPNConv2d,
    SPNConvTranspose1d,
    SPNConvTranspose2d,
    SPNLinear,
    pair,
    reach,
)
from ._recurrent import Direction, Recurrent, SPNGRU, SPNLSTM
from ._ternary import Quantiser
from ._trace import LINEAR, NORMS, RECURRENT, Traced, trace


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
    """A copy of the network with an SPN in the place of each `Linear`, `Conv1d`, `Conv2d`,
    `ConvTranspose1d`, `ConvTranspose2d`, `LSTM` and `GRU`, and of the batch norm behind it.

    `r` is multiplications over output channels, of `p × p` output pixels (`p` along a signal), for
    each pixel that enters a transposed convolution, or over the units of each gate; the last layer
    keeps at least as many as it has outputs. The copy begins with the network's function, exactly
    where `r` reaches the rank and a patch is one pixel, else as near as factors come; what norms
    need to know of their inputs they take from samples `x`. Convolutions with groups are depthwise.
    What `forward` does in functions and operators stays as it is; what is not understood is named,
    all of it, before anything is computed. A network of texts begins with an `Embedding`, and `x`
    are indices.
    """
    net = copy.deepcopy(net)
    traced = trace(net, x, begins=True)
    make = _Make(r, p, threshold, quantiser, torch.Generator().manual_seed(seed))
    begin = _Begin(net, traced, make)
    with torch.no_grad():
        begin.run(x)
    for owner in list(net.modules()):
        for name, module in owner._modules.items():
            if module in begin.made:
                setattr(owner, name, begin.made[module].train(net.training))
    return net


@dataclass
class _Make:
    """How SPNs are made."""

    ratio: float
    p: Size
    threshold: float
    quantiser: Quantiser
    generator: torch.Generator

    def budget(self, outputs: int, least: int = 1) -> int:
        """r of a layer with so many outputs."""
        return max(round(self.ratio * outputs), least)

    def recurrent(self, layer: nn.LSTM | nn.GRU) -> Recurrent:
        """The SPNs of a recurrent layer's gates."""
        make = SPNLSTM if isinstance(layer, nn.LSTM) else SPNGRU
        spn = make(
            layer.input_size,
            layer.hidden_size,
            batch_first=layer.batch_first,
            bidirectional=layer.bidirectional,
            r=self.budget(layer.hidden_size),
            threshold=self.threshold,
            quantiser=self.quantiser,
        )
        spn = spn.to(layer.all_weights[0][0].device, layer.all_weights[0][0].dtype)
        for direction, (of_x, of_h, *biases) in zip(
            spn.directions, layer.all_weights, strict=True
        ):
            assert isinstance(direction, Direction)
            for gates, w in ((direction.of_x, of_x), (direction.of_h, of_h)):
                each = w.detach().chunk(gates.gates)
                factors = [_factors(gate, spn.r, self.generator) for gate in each]
                gates.w_b.copy_(torch.cat([w_b for w_b, _ in factors]))
                gates.w_c.copy_(torch.cat([w_c for _, w_c in factors]))
            b_x, b_h = biases or 2 * [of_x.new_zeros(len(of_x))]
            # n of a GRU has one of the input and one of the state; other gates have their sum.
            both = len(b_x) if spn.gates == 4 else 2 * layer.hidden_size
            direction.bias.copy_(torch.cat([(b_x + b_h)[:both], b_x[both:], b_h[both:]]))
        return spn

    def dense(self, layer: nn.Linear, last: bool, sequences: bool) -> tuple[SPN, list[Tensor]]:
        """The SPN of a dense layer, and its matrix."""
        r = self.budget(layer.out_features, layer.out_features if last else 1)
        spn = SPNLinear(
            layer.in_features,
            layer.out_features,
            r=r,
            norm=not last and not sequences,
            hidden_norm=not sequences,
            threshold=self.threshold,
            quantiser=self.quantiser,
        )
        return spn, [layer.weight.detach()]

    def convolution(
        self, layer: nn.Conv1d | nn.Conv2d, last: bool
    ) -> tuple[SPN, list[Tensor]]:
        """The SPN of a convolution, and the matrix of all pixels of a patch, group by group."""
        outputs, groups = layer.out_channels, layer.groups
        r = self.budget(outputs, outputs if last else 1)
        assert not isinstance(layer.padding, str)
        sizes = (layer.kernel_size, layer.stride, layer.padding)
        w = layer.weight.detach()
        make: Any = SPNConv2d
        patch = pair(self.p)
        if along := isinstance(layer, nn.Conv1d):
            make, w, patch = SPNConv1d, w.unsqueeze(2), (1, patch[1])
        dilation = layer.dilation
        if set(dilation) != {1}:
            patch = (1, 1)
        spn: SPNConv2d = make(
            layer.in_channels,
            outputs,
            *(size[0] if along else size for size in sizes),
            groups,
            dilation=dilation[0] if along else dilation,
            r=-(-r // groups) * groups,
            p=patch[1] if along else patch,
            norm=not last,
            threshold=self.threshold,
            quantiser=self.quantiser,
        )
        kernel, stride = spn.kernel_size, spn.stride
        window = spn.w_b.shape[2:]
        # Row by row.
        pixels = w.new_zeros(*patch, *w.shape[:2], *window)
        for row in range(patch[0]):
            for column in range(patch[1]):
                y, x_ = row * stride[0], column * stride[1]
                pixels[row, column, :, :, y : y + kernel[0], x_ : x_ + kernel[1]] = w
        pixels = pixels.unflatten(2, (groups, -1)).movedim(2, 0)
        return spn, list(pixels.flatten(4).flatten(1, 3))

    def transposed(
        self, layer: nn.ConvTranspose1d | nn.ConvTranspose2d, last: bool
    ) -> tuple[SPN, list[Tensor]]:
        """The SPN of a transposed convolution, and the matrix of all pixels of a patch, group by
        group."""
        outputs, groups = layer.out_channels, layer.groups
        r = self.budget(outputs, outputs if last else 1)
        w = layer.weight.detach()
        make: Any = SPNConvTranspose2d
        if along := isinstance(layer, nn.ConvTranspose1d):
            make, w = SPNConvTranspose1d, w.unsqueeze(2)
        sizes = (layer.kernel_size, layer.stride, layer.padding, layer.output_padding)
        spn: SPNConvTranspose2d = make(
            layer.in_channels,
            outputs,
            *(size[0] if along else size for size in sizes),
            groups,
            r=-(-r // groups) * groups,
            norm=not last,
            threshold=self.threshold,
            quantiser=self.quantiser,
        )
        # [outputs, inputs / groups, …].
        w = w.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
        pixels = w.new_zeros(*spn.stride, *w.shape[:2], *spn.w_b.shape[2:])
        axes = list(zip(spn.kernel_size, spn.stride, spn.padding, strict=True))
        for row in range(spn.stride[0]):
            for column in range(spn.stride[1]):
                # The pixels whose kernels reach this one, and where.
                (ys, kys), (xs, kxs) = (
                    _reached(at, *own) for at, own in zip((row, column), axes, strict=True)
                )
                kernel = w[:, :, kys][..., kxs]
                pixels[row, column][:, :, ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] = kernel
        pixels = pixels.unflatten(2, (groups, -1)).movedim(2, 0)
        return spn, list(pixels.flatten(4).flatten(1, 3))

    def spn(
        self, layer: nn.Module, norm: nn.Module | None, x: Tensor, last: bool, sequences: bool
    ) -> SPN:
        """The SPN that begins at a layer and the norm behind it."""
        assert isinstance(layer, LINEAR)
        if isinstance(layer, nn.Linear):
            spn, matrices = self.dense(layer, last, sequences)
        elif isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d)):
            spn, matrices = self.transposed(layer, last)
        else:
            spn, matrices = self.convolution(layer, last)
        spn = spn.to(layer.weight.device, layer.weight.dtype)
        factors = [_factors(w, spn.r // len(matrices), self.generator) for w in matrices]
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
        if spn.hidden is not None:
            _undo_norm(spn, x, layer.bias, norm)
        elif layer.bias is not None:
            assert spn.bias is not None
            spn.bias.copy_(layer.bias)
        return spn


class _Begin(fx.Interpreter):
    """Runs a network, and makes an SPN of each linear layer as soon as what enters it is known:
    what leaves the SPNs before it."""

    def __init__(self, net: nn.Module, traced: Traced, make: _Make) -> None:
        super().__init__(traced.graph)
        self.make, self.norms = make, traced.norms()
        linear = [step.name for step in traced.steps if isinstance(step.module, LINEAR)]
        self.last = linear[-1]
        self.sequences = isinstance(traced.steps[0].module, nn.Embedding)
        self.made: dict[nn.Module | None, nn.Module] = {}

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.submodules[target]
        if isinstance(module, RECURRENT):
            self.made[module] = self.make.recurrent(module)
        elif isinstance(module, LINEAR):
            norm = self.submodules.get(self.norms.get(target))
            last = target == self.last
            self.made[module] = self.make.spn(module, norm, args[0], last, self.sequences)
        elif target in self.norms.values():
            self.made[module] = nn.Identity()
        else:
            return super().call_module(target, args, kwargs)
        return self.made[module].eval()(*args, **kwargs)


def _factors(w: Tensor, r: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """W_b `[r, columns]` and W_c `[rows, r]`, whose product is w where r reaches its rank, and the
    nearest of rank r else. A frame turns them at random: all products carry as much, and no entry
    is a zero, which would be ternary by noise."""
    _, _, q = torch.linalg.svd(w, full_matrices=False)
    q = q[: min(r, len(q))]
    frame = torch.randn(r, len(q), generator=generator).to(w)
    frame = torch.linalg.qr(frame)[0]
    return frame @ q, w @ q.T @ frame.T


def _reached(at: int, kernel: int, stride: int, padding: int) -> tuple[list[int], list[int]]:
    """The pixels of a window whose kernels reach pixel `at` of a patch, and the places in them."""
    taps, before = reach(kernel, stride, padding)
    places = {tap: (before - tap) * stride + padding + at for tap in range(taps)}
    inside = [tap for tap in places if 0 <= places[tap] < kernel]
    return inside, [places[tap] for tap in inside]


def _undo_norm(spn: SPN, x: Tensor, bias: Tensor | None, norm: nn.Module | None) -> None:
    """Makes up in W_c for what the norm between divides by, and behind it for what it subtracts."""
    spn.eval()
    assert spn.hidden is not None and spn.w_c is not None
    sums: list[Tensor] = []
    pixels: list[Tensor] = []
    hooks = [spn.hidden.register_forward_hook(lambda _, u, __: sums.append(u[0]))]
    if spn.norm is not None:
        hooks.append(spn.norm.register_forward_hook(lambda _, y, __: pixels.append(y[0])))
    spn(x)
    variance, mean = _moments(sums[0])
    _set(spn.hidden, mean, variance)
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
    elif isinstance(norm, NORMS):
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
