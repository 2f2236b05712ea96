"""PyTorch's own layers against the ordinary networks of `strassenc train`: outputs, gradients."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: python/tests/torch.sh")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import strassenc.torch  # noqa: E402
from strassenc import _strassenc  # noqa: E402

from test_torch import Along, tensors  # noqa: E402

SAMPLES = 24
ACTIVATIONS: list[tuple[nn.Module, Any]] = [
    (nn.ReLU(), "relu"),
    (nn.ReLU6(), "relu6"),
    (nn.Hardtanh(0.0, 0.75), {"clipped_relu": 0.75}),
    (nn.LeakyReLU(0.125), {"leaky_relu": 3}),
    (nn.Sigmoid(), "sigmoid"),
    (nn.Tanh(), "tanh"),
]


class Ordinary(nn.Sequential):
    """Layers of random kinds and sizes over images, or signals, with those of a description."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.axes = 1 + seed % 2
        size = tuple(int(n) for n in self.rng.integers(4, 7, self.axes))
        self.shape = (int(self.rng.integers(1, 4)), *size)
        self.described: list[Any] = []
        x = torch.rand(2, *self.shape)
        linear = (self.convolution, self.grows, self.separable)
        draws = [linear[kind] for kind in self.rng.permutation(3)]
        if self.axes == 1:
            draws.insert(int(self.rng.integers(3)), self.recurrent)
        for draw in draws[:3]:
            before = len(self)
            draw(x.shape[1])
            with torch.no_grad():
                for layer in list(self)[before:]:
                    x = layer(x)
        self.extend([nn.Flatten(), nn.Linear(x[0].numel(), 3)])
        self.image = (x.shape[1], *[1] * (2 - self.axes), *x.shape[2:])
        self.described.append({"dense": {"units": 3}})

    def sizes(self, least: int, most: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self.rng.integers(least, most + 1, self.axes))

    def kind(self, name: str) -> tuple[Any, str]:
        """The class of a layer along these axes, and the end of its name in a description."""
        return getattr(nn, f"{name}{self.axes}d"), f"{self.axes}d"

    def add(self, layer: nn.Module, words: Any, channels: int) -> None:
        """A linear layer, its norm, and an activation."""
        activation, own = ACTIVATIONS[self.rng.integers(len(ACTIVATIONS))]
        self.extend([layer, self.kind("BatchNorm")[0](channels), activation])
        self.described += [words, own]

    def written(self, **sizes: tuple[int, ...]) -> dict[str, Any]:
        return {name: size if self.axes == 2 else size[0] for name, size in sizes.items()}

    def convolution(self, n: int) -> None:
        make, end = self.kind("Conv")
        kernel, stride, pad = self.sizes(1, 3), self.sizes(1, 2), self.sizes(0, 1)
        pad = tuple(min(p, k - 1) for p, k in zip(pad, kernel, strict=True))
        keys = {"channels": 4, "groups": 1, **self.written(kernel=kernel, stride=stride, pad=pad)}
        self.add(make(n, 4, kernel, stride, pad, bias=False), {f"conv{end}": keys}, 4)

    def grows(self, n: int) -> None:
        make, end = self.kind("ConvTranspose")
        stride, pad = self.sizes(1, 3), self.sizes(0, 2)
        more = tuple(int(self.rng.integers(s)) for s in stride)
        kernel = tuple(s + 2 * b - m for s, b, m in zip(stride, pad, more, strict=True))
        sizes = self.written(kernel=kernel, stride=stride, pad=pad, output_pad=more)
        # Of a single weight a channel the norm takes all but its sign.
        groups = n if self.rng.integers(2) and max(kernel) > 1 else 1
        layer = make(n, 2 * n, kernel, stride, pad, more, groups, bias=False)
        keys = {"channels": 2 * n, "groups": groups, **sizes}
        self.add(layer, {f"conv_transpose{end}": keys}, 2 * n)

    def separable(self, n: int) -> None:
        make, end = self.kind("Conv")
        kernel = tuple(2 * k + 1 for k in self.sizes(0, 1))
        pad, one = tuple(k // 2 for k in kernel), self.axes * (1,)
        own = make(n, n, kernel, 1, pad, groups=n, bias=False)
        self.extend([own, self.kind("BatchNorm")[0](n), nn.ReLU()])
        sizes = self.written(kernel=kernel, pad=pad)
        words = {f"separable_conv{end}": {"channels": 4, **sizes}}
        self.add(make(n, 4, one, bias=False), words, 4)

    def recurrent(self, n: int) -> None:
        make, word = ((nn.GRU, "gru"), (nn.LSTM, "lstm"))[self.rng.integers(2)]
        both = bool(self.rng.integers(2))
        self.append(Along(make(n, 3, batch_first=True, bidirectional=both)))
        self.described.append({word: {"units": 3, "bidirectional": both}})

    def numbers(self, of: Callable[[Any], Tensor], merged: float) -> dict[str, Any]:
        """What `of` says of parameters, by the names of a checkpoint; `merged` of the second one
        where one of ours is the sum of two."""
        found: dict[str, Tensor] = {}
        count = -1
        for layer in self:
            match layer:
                case nn.BatchNorm1d() | nn.BatchNorm2d():
                    found[f"float.{count}.scale"] = of(layer.weight)[None]
                    found[f"float.{count}.bias"] = of(layer.bias)[None]
                    for name, kept in (("mean", "running_mean"), ("variance", "running_var")):
                        found[f"float.{count}.output.{name}"] = layer.get_buffer(kept)
                case nn.Linear():
                    count += 1
                    w = of(layer.weight).unflatten(1, self.image).permute(0, 2, 3, 1)
                    found[f"float.{count}.w_b"] = w.flatten(1)
                    found[f"float.{count}.bias"] = of(layer.bias)[None]
                case Along():
                    for own in directions(layer.layer, of, merged):
                        count += 1
                        found |= {f"float.{count}.{name}": value for name, value in own.items()}
                case nn.ConvTranspose1d() | nn.ConvTranspose2d():
                    count += 1
                    found[f"float.{count}.w_b"] = patch(layer, of(layer.weight))
                case nn.Conv1d() | nn.Conv2d():
                    count += 1
                    w = of(layer.weight)
                    w = w.unsqueeze(2) if w.ndim == 3 else w
                    found[f"float.{count}.w_b"] = w.permute(0, 2, 3, 1).flatten(1)
        return {name: v.detach().float().contiguous().numpy() for name, v in found.items()}


def directions(
    layer: Any, of: Callable[[Any], Tensor], merged: float
) -> Iterator[dict[str, Tensor]]:
    """The numbers of each direction of a recurrent layer."""
    for own in layer.all_weights:
        w_x, w_h, b_x, b_h = (of(parameter) for parameter in own)
        if isinstance(layer, nn.LSTM):
            yield {"x.w_b": w_x, "h.w_b": w_h, "bias": (b_x + merged * b_h)[None]}
            continue
        (r, z, n), (w_r, w_z, w_n) = b_x.chunk(3), w_x.chunk(3)
        r_h, z_h, n_h = b_h.chunk(3)
        bias = torch.cat([n, r + merged * r_h, z + merged * z_h, n_h])
        yield {"x.w_b": torch.cat([w_n, w_r, w_z]), "h.w_b": w_h, "bias": bias[None]}


def patch(layer: Any, w: Tensor) -> Tensor:
    """The matrix from the pixels that a patch of a transposed convolution depends on to those of
    the patch, entry by entry of its kernel `[c_in, c_out, …]`."""
    w = w.unsqueeze(2) if w.ndim == 3 else w
    if layer.groups > 1:
        # Each channel that enters has its own that leave.
        of_all = w.new_zeros(len(w), w.shape[1] * len(w), *w.shape[2:])
        for channel, own in enumerate(w):
            of_all[channel, channel * len(own) : (channel + 1) * len(own)] = own
        w = of_all

    def both(size: Any, down: int) -> tuple[int, int]:
        return size if len(size) == 2 else (down, size[0])

    kernel, stride, pad = (
        both(size, down)
        for size, down in ((layer.kernel_size, 1), (layer.stride, 1), (layer.padding, 0))
    )
    # The pixel of the patch, and of which window pixel behind its own, for each place of a kernel.
    places = [
        [((k - p) % s, -((k - p) // s)) for k in range(n)]
        for n, s, p in zip(kernel, stride, pad, strict=True)
    ]
    first = [min(tap for _, tap in axis) for axis in places]
    taps = [max(tap for _, tap in axis) - at + 1 for axis, at in zip(places, first, strict=True)]
    c_in, c_out = w.shape[:2]
    matrix = w.new_zeros(*stride, c_out, *taps, c_in)
    for ky, (y, down) in enumerate(places[0]):
        for kx, (x, across) in enumerate(places[1]):
            at = (down - first[0], across - first[1])
            matrix[y, x, :, at[0], at[1]] = w[:, :, ky, kx].T
    return matrix.flatten(3).flatten(0, 2)


@pytest.mark.parametrize("seed", range(16))
def test_outputs_and_gradients_are_those_of_torch(seed: int, tmp_path: Path) -> None:
    net = Ordinary(seed)
    for norm in net:
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
            norm.momentum = 0.8
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, -1, 1)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (SAMPLES, *net.shape), generator=generator) / 256
    y = torch.arange(SAMPLES) % 3
    with torch.no_grad():
        for _ in range(3):
            net(x)
        due = net.eval()(x).numpy()
    before = net.numbers(lambda parameter: parameter, 1)
    train = {
        "data": strassenc.torch.save_data(tmp_path / "data", x, y, x[:9], y[:9]),
        "optimiser": "sgd",
        **{"momentum": 0.0, "weight_decay": 0.0, "batch": SAMPLES, "validation": 0.0},
        **{"full_precision": True, "ternary": {"epochs": 0}, "frozen": {"epochs": 0}},
        "full": {"epochs": 1, "learning_rate": 0.5, "schedule": "constant"},
    }
    shape = [*[1] * (2 - net.axes), *net.shape[1:], net.shape[0]]
    description = {
        "name": "net",
        "input": {"shape": shape, "bits": 8, "frac": 8},
        "layers": net.described,
        "train": train,
    }
    run = tmp_path / "run"
    _strassenc.begin(json.dumps(description), before, run, False)
    flat = np.ascontiguousarray(x.movedim(1, -1).flatten(1).numpy())
    assert (due.std(0) > 1e-3 * np.abs(due).max()).any()
    assert np.abs(_strassenc.float_outputs(run, flat) - due).max() < 1e-5 * np.abs(due).max()

    net.train().double()
    F.cross_entropy(net(x.double()), y).backward()
    gradients = net.numbers(lambda parameter: parameter.grad, 0)
    _strassenc.go_on(run)
    after = tensors(run / "checkpoint.safetensors")
    moved = [name for name in before if not name.endswith(("mean", "variance"))]
    largest = max(np.abs(gradients[name]).max() for name in moved)
    for name in moved:
        # A step of 0.5 against the gradient, in f32; what cancels is as exact as its parts.
        ours = (before[name] - after[name]) / 0.5
        steps = 2.0**-22 * np.abs(before[name]).max()
        assert np.abs(ours - gradients[name]).max() < 1e-5 * max(largest, 1) + steps, name
