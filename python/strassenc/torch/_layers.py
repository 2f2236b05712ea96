"""The linear layers."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._ternary import Quantiser, ternarise

Phase = Literal["full", "ternary", "frozen"]
Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


class SPN(nn.Module):
    """What the layers have in common: `y = W_c[a ⊙ norm(W_b x)]`, and then the batch norm `norm`,
    or a bias where there is none, as in a network's last layer. In a network of sequences there is
    no norm between either.

    `w_b` is `[r, inputs / groups, K_h, K_w]` and `w_c` `[outputs, r, p_h, p_w]`, of a dense layer
    without the last two axes; `a` is `[r]`. A `plain` layer has W_c = 1.
    """

    w_c: nn.Parameter | None
    norm: nn.BatchNorm1d | nn.BatchNorm2d | None
    bias: nn.Parameter | None
    hidden: nn.BatchNorm1d | nn.BatchNorm2d | None

    def __init__(
        self,
        w_b: tuple[int, ...],
        w_c: tuple[int, ...] | None,
        outputs: int,
        *,
        groups: int,
        norm: bool,
        hidden_norm: bool = True,
        threshold: float,
        quantiser: Quantiser,
    ) -> None:
        super().__init__()
        self.r, self.outputs, self.groups = w_b[0], outputs, groups
        self.threshold, self.quantiser = threshold, quantiser
        self.phase: Phase = "full"
        norms = nn.BatchNorm2d if len(w_b) == 4 else nn.BatchNorm1d
        self.w_b = nn.Parameter(torch.empty(w_b))
        self.a = nn.Parameter(torch.ones(self.r))
        self.hidden = norms(self.r, affine=False) if hidden_norm else None
        self.w_c = nn.Parameter(torch.empty(w_c)) if w_c else None
        self.norm = norms(outputs) if norm else None
        self.bias = None if norm else nn.Parameter(torch.zeros(outputs))
        for w in (self.w_b, self.w_c):
            if w is not None:
                columns = w.shape[1] if w is self.w_c else w[0].numel()
                # Without a norm W_b keeps the variance of what enters.
                keeps = w is self.w_b and self.hidden is None
                limit = math.sqrt((3 if keeps else 1) / columns)
                nn.init.uniform_(w, -limit, limit)

    @property
    def output_groups(self) -> int:
        """Groups of W_c: those of a depthwise layer."""
        return self.groups if self.groups > 1 and self.w_b.shape[1] == 1 else 1

    def rows_of_b(self, w: Tensor) -> Tensor:
        """W_b as a matrix `[r, columns]`."""
        return w.flatten(1)

    def rows_of_c(self, w: Tensor) -> Tensor:
        """W_c as a matrix `[p_h · p_w · outputs, columns]`."""
        return w.permute(2, 3, 0, 1).flatten(0, 2) if w.ndim == 4 else w

    def effective(self) -> tuple[Tensor, Tensor | None]:
        """W_b and W_c as they multiply."""
        if self.phase == "full":
            return self.w_b, self.w_c
        by_row = self.quantiser == "row"
        rows = self.rows_of_b(self.w_b)
        products = torch.arange(self.r, device=rows.device)[:, None].expand(rows.shape)
        w_b = ternarise(rows, self.threshold, products if by_row else None).view_as(self.w_b)
        if self.w_c is None:
            return w_b, None
        rows = self.rows_of_c(self.w_c)
        # Column j is product j of the group that the row's channel is in.
        group = torch.arange(len(rows), device=rows.device) % self.outputs
        group = group // (self.outputs // self.output_groups)
        columns = torch.arange(rows.shape[1], device=rows.device)
        products = group[:, None] * rows.shape[1] + columns
        w_c = ternarise(rows, self.threshold, products if by_row else None)
        if self.w_c.ndim == 4:
            p_h, p_w = self.w_c.shape[2:]
            w_c = w_c.unflatten(0, (p_h, p_w, self.outputs)).permute(2, 3, 0, 1)
        return w_b, w_c

    def multiply(self, u: Tensor) -> Tensor:
        """a ⊙ norm(u), with channels on axis 1, of sequences on the last one."""
        v = u if self.hidden is None else self.hidden(u)
        return v * (self.a.view(-1, 1, 1) if self.w_b.ndim == 4 else self.a)

    def spread(self, v: Tensor, w_c: Tensor, patch: tuple[int, int]) -> Tensor:
        """W_c v, as the pixels of one patch for each pixel of v."""
        groups = self.output_groups
        # [outputs, r / groups, …] to [r, outputs / groups, …].
        w = w_c.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
        y: Tensor = F.conv_transpose2d(v, w, stride=patch, groups=groups)
        return y

    def finish(self, y: Tensor) -> Tensor:
        """What follows W_c."""
        if self.norm is not None:
            z: Tensor = self.norm(y)
            return z
        if self.bias is None:
            return y
        return y + (self.bias.view(-1, 1, 1) if self.w_b.ndim == 4 else self.bias)


class SPNLinear(SPN):
    """A dense layer of `r` multiplications, `[n, in_features]` to `[n, out_features]`, or at each
    step, `[n, steps, in_features]` to `[n, steps, out_features]`.

    In a network that begins with an `Embedding` it has no norms (`norm=False, hidden_norm=False`).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        r: int | None = None,
        norm: bool = True,
        hidden_norm: bool = True,
        plain: bool = False,
        threshold: float = 0.7,
        quantiser: Quantiser = "twn",
    ) -> None:
        r = out_features if r is None or plain else r
        super().__init__(
            (r, in_features),
            None if plain else (out_features, r),
            out_features,
            groups=1,
            norm=norm,
            hidden_norm=hidden_norm,
            threshold=threshold,
            quantiser=quantiser,
        )

    def forward(self, x: Tensor) -> Tensor:
        w_b, w_c = self.effective()
        # Norms take all steps of all samples alike.
        v = self.multiply(F.linear(x.flatten(0, -2), w_b))
        y = self.finish(v if w_c is None else F.linear(v, w_c))
        z: Tensor = y.unflatten(0, x.shape[:-1])
        return z

    def extra_repr(self) -> str:
        return f"{self.w_b.shape[1]}, {self.outputs}, r={self.r}"


class SPNConv2d(SPN):
    """A convolution of `r` multiplications for each `p × p` output pixels, `[n, in_channels, H, W]`
    to `[n, out_channels, H', W']`. With a `dilation` p is 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        groups: int = 1,
        *,
        dilation: Size = 1,
        r: int | None = None,
        p: Size = 1,
        norm: bool = True,
        plain: bool = False,
        threshold: float = 0.7,
        quantiser: Quantiser = "twn",
    ) -> None:
        r = out_channels if r is None or plain else r
        self_kernel, stride, padding, p = map(pair, (kernel_size, stride, padding, p))
        self.dilation = pair(dilation)
        if self.dilation != (1, 1) and p != (1, 1):
            raise ValueError(f"a dilated convolution has no output patches, but p is {p}")
        window = [(n - 1) * s + k for n, s, k in zip(p, stride, self_kernel, strict=True)]
        depthwise = groups > 1 and groups == in_channels
        super().__init__(
            (r, in_channels // groups, window[0], window[1]),
            None if plain else (out_channels, r // groups if depthwise else r, *p),
            out_channels,
            groups=groups,
            norm=norm,
            threshold=threshold,
            quantiser=quantiser,
        )
        self.kernel_size, self.stride, self.padding, self.p = self_kernel, stride, padding, p

    def forward(self, x: Tensor) -> Tensor:
        w_b, w_c = self.effective()
        if self.p == (1, 1):
            # The same, in fewer passes over the images.
            sizes = (self.stride, self.padding, self.dilation)
            y = self.multiply(F.conv2d(x, w_b, None, *sizes, self.groups))
            return self.finish(y if w_c is None else F.conv2d(y, w_c, groups=self.output_groups))
        all_sizes = zip(x.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
        out = [(size + 2 * pad - kernel) // stride + 1 for size, kernel, stride, pad in all_sizes]
        step = [p * stride for p, stride in zip(self.p, self.stride, strict=True)]
        # Patches may reach beyond the image, below and at the right.
        pads = []
        for axis in (1, 0):
            patches = -(-out[axis] // self.p[axis])
            reach = (patches - 1) * step[axis] + w_b.shape[2 + axis]
            pads += [self.padding[axis], reach - x.shape[2 + axis] - self.padding[axis]]
        u = F.conv2d(F.pad(x, pads), w_b, stride=step, groups=self.groups)
        y = self.multiply(u)
        if w_c is not None:
            y = self.spread(y, w_c, self.p)
        return self.finish(y[..., : out[0], : out[1]])

    def extra_repr(self) -> str:
        channels = self.w_b.shape[1] * self.groups
        return (
            f"{channels}, {self.outputs}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, groups={self.groups}, r={self.r}, "
            f"p={self.p}"
        )


class SPNConv1d(SPNConv2d):
    """A convolution along a signal, of `r` multiplications for each `p` output pixels, `[n,
    in_channels, T]` to `[n, out_channels, T']`: an `SPNConv2d` over images of one row."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        *,
        dilation: int = 1,
        r: int | None = None,
        p: int = 1,
        norm: bool = True,
        plain: bool = False,
        threshold: float = 0.7,
        quantiser: Quantiser = "twn",
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            (1, kernel_size),
            (1, stride),
            (0, padding),
            groups,
            dilation=(1, dilation),
            r=r,
            p=(1, p),
            norm=norm,
            plain=plain,
            threshold=threshold,
            quantiser=quantiser,
        )

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unsqueeze(2)).squeeze(2)


def reach(kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """Along one axis, how many pixels that enter a patch of a transposed convolution depends on,
    and how many of them lie before its own."""
    before = (kernel - 1 - padding) // stride
    return before + 1 + (stride - 1 + padding) // stride, before


class SPNConvTranspose2d(SPN):
    """A transposed convolution of `r` multiplications for each pixel that enters, `[n,
    in_channels, H, W]` to `[n, out_channels, stride · H, stride · W]`.

    The sizes have PyTorch's meaning, and are such that exactly that leaves: `kernel_size - 2 ·
    padding + output_padding = stride`. W_b reads all pixels that a patch of `stride × stride`
    output pixels depends on.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        *,
        r: int | None = None,
        norm: bool = True,
        threshold: float = 0.7,
        quantiser: Quantiser = "twn",
    ) -> None:
        given = (kernel_size, stride, padding, output_padding)
        sizes = (kernel, strides, pads, more) = [pair(size) for size in given]
        if (cause := grows_otherwise(*sizes)) is not None:
            raise ValueError(f"a transposed convolution {cause}")
        axes = [reach(*own) for own in zip(kernel, strides, pads, strict=True)]
        r = out_channels if r is None else r
        depthwise = groups > 1 and groups == in_channels
        super().__init__(
            (r, in_channels // groups, *(taps for taps, _ in axes)),
            (out_channels, r // groups if depthwise else r, *strides),
            out_channels,
            groups=groups,
            norm=norm,
            threshold=threshold,
            quantiser=quantiser,
        )
        self.kernel_size, self.stride, self.padding, self.output_padding = sizes

    def forward(self, x: Tensor) -> Tensor:
        w_b, w_c = self.effective()
        assert w_c is not None
        pads = []
        for axis in (1, 0):
            taps, before = reach(self.kernel_size[axis], self.stride[axis], self.padding[axis])
            pads += [before, taps - 1 - before]
        v = self.multiply(F.conv2d(F.pad(x, pads), w_b, groups=self.groups))
        return self.finish(self.spread(v, w_c, self.stride))

    def extra_repr(self) -> str:
        return (
            f"{self.w_b.shape[1] * self.groups}, {self.outputs}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, "
            f"output_padding={self.output_padding}, groups={self.groups}, r={self.r}"
        )


def grows_otherwise(
    kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], more: tuple[int, ...]
) -> str | None:
    """What is wrong with sizes that do not make an image exactly `stride` times as large."""
    for k, s, cut, put in zip(kernel, stride, pad, more, strict=True):
        if k - 2 * cut + put == s and put < s:
            continue
        cause = f"of kernel {k}, stride {s}, padding {cut} and output_padding {put}"
        fits = max(-((s - k) // 2), 0)
        if (rest := s + 2 * fits - k) >= s:
            return f"{cause} yields an image that is not {s} times as large: choose an odd kernel"
        return (
            f"{cause} yields an image that is not {s} times as large: choose padding={fits}, "
            f"output_padding={rest}"
        )
    return None


class SPNConvTranspose1d(SPNConvTranspose2d):
    """A transposed convolution along a signal, of `r` multiplications for each pixel that enters,
    `[n, in_channels, T]` to `[n, out_channels, stride · T]`: an `SPNConvTranspose2d` over images of
    one row."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        groups: int = 1,
        *,
        r: int | None = None,
        norm: bool = True,
        threshold: float = 0.7,
        quantiser: Quantiser = "twn",
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            (1, kernel_size),
            (1, stride),
            (0, padding),
            (0, output_padding),
            groups,
            r=r,
            norm=norm,
            threshold=threshold,
            quantiser=quantiser,
        )

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unsqueeze(2)).squeeze(2)


class Residual(nn.Module):
    """`body(x) + shortcut(x)`, or `body(x) + x`: what `export` knows as the sum of two branches."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return y
