"""PyTorch layers against `strassenc train`: float outputs, gradients, integers."""

import copy
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: python/tests/torch.sh")

import torch.nn.functional as F  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import strassenc as sc  # noqa: E402
import strassenc.torch  # noqa: E402
from strassenc import _strassenc  # noqa: E402
from strassenc.torch import (  # noqa: E402
    SPNGRU,
    SPNLSTM,
    Residual,
    SPNConv1d,
    SPNConv2d,
    SPNConvTranspose1d,
    SPNConvTranspose2d,
    SPNLinear,
)


def mlp() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(SPNLinear(12, 7, r=9), nn.ReLU(), SPNLinear(7, 3, r=5, norm=False))


def cnn(quantiser: Any = "twn") -> nn.Module:
    """Patches that reach beyond the image, strides, depthwise groups, branches, poolings."""
    torch.manual_seed(7)
    more = {"quantiser": quantiser}
    body = nn.Sequential(
        SPNConv2d(6, 6, 3, 1, 1, r=8, **more),
        nn.ReLU(),
        SPNConv2d(6, 6, (3, 1), 1, (1, 0), groups=6, r=12, p=(1, 2), **more),
    )
    return nn.Sequential(
        SPNConv2d(2, 6, 3, 1, 1, r=10, p=2, **more),
        nn.ReLU(),
        Residual(body, SPNConv2d(6, 6, 1, r=6, plain=True, **more)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        SPNConv2d(6, 4, 3, 2, 1, groups=2, r=6, **more),
        nn.ReLU(),
        nn.Flatten(),
        SPNLinear(16, 3, r=6, norm=False, **more),
    )


class Functional(nn.Module):
    """Branches, poolings and flattening that are no modules, and one module that serves twice."""

    def __init__(self, linear: Any, convolution: Any) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.stem = convolution(2, 6)
        self.one, self.two = convolution(6, 6), convolution(6, 6)
        self.side, self.narrow = convolution(6, 4), convolution(6, 3)
        self.rectify = nn.ReLU(inplace=True)
        self.classes = linear(13 * 2 * 1, 3)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        if scale is not None:
            x = x * scale
        x = F.relu(F.max_pool2d(self.stem(x), 2, 1))
        y: Tensor = self.two(self.rectify(self.one(x)))
        y += x
        x = self.rectify(y)
        x = torch.cat([torch.relu(self.side(x)), self.narrow(x).relu(), x], dim=1)
        x = F.dropout(F.avg_pool2d(x, 2), 0.0, self.training)
        x = F.adaptive_max_pool2d(x, (2, 1))
        y = self.classes(x.view(x.size(0), -1))
        return y


def functional() -> nn.Module:
    return Functional(
        lambda n, m: SPNLinear(n, m, r=5, norm=False),
        lambda n, m: SPNConv2d(n, m, 3, 1, 1, r=7),
    )


ACTIVATIONS: list[Any] = [
    nn.ReLU,
    nn.ReLU6,
    partial(nn.Hardtanh, 0.0, 0.75),
    partial(nn.LeakyReLU, 0.25),
    nn.Sigmoid,
    nn.Tanh,
]


class Along(nn.Module):
    """A recurrent layer along a signal `[n, channels, T]`."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x.transpose(1, 2))[0].permute(0, 2, 1)
        return y


class Series(nn.Module):
    """Steps of values, `[n, T, features]`: recurrent layers both ways, dense ones at each step,
    branches, the steps from their end, and the last one."""

    shape, turned = (7, 3), True

    def __init__(self, linear: Any, gru: Any, lstm: Any) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.one, self.two = gru(3, 4), linear(8, 4)
        self.three, self.four = lstm(4, 2), gru(8, 5, bidirectional=False)
        self.classes = linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.one(x)
        y = torch.tanh(self.two(y))
        y = torch.cat([self.three(y.flip(1))[0], y], 2)
        y, _ = self.four(y)
        z: Tensor = self.classes(y[:, -1])
        return z


def series() -> nn.Module:
    def recurrent(make: Any) -> Any:
        return partial(make, r=4, batch_first=True, bidirectional=True)

    norms = iter([True, False])
    return Series(
        lambda n, m: SPNLinear(n, m, r=5, norm=next(norms)),
        recurrent(SPNGRU),
        recurrent(SPNLSTM),
    )


def activated() -> nn.Module:
    """Every activation as a function, behind a sum and a concatenation too, and before poolings;
    images grow."""

    class Activated(nn.Module):
        shape = (2, 4, 5)

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(7)
            self.one, self.two = SPNConv2d(2, 4, 3, 1, 1, r=6), SPNConv2d(4, 4, 3, 1, 1, r=6)
            self.grown = SPNConvTranspose2d(4, 3, (4, 3), 2, 1, (0, 1), 2, r=6)
            self.side, self.last = SPNConv2d(3, 2, 1, r=4), SPNConv2d(5, 3, 3, r=6)
            self.classes = SPNLinear(3 * 2 * 3, 3, r=6, norm=False)

        def forward(self, x: Tensor) -> Tensor:
            x = F.leaky_relu(self.one(x), 0.125)
            x = F.hardtanh(x + self.two(x), 0.0, 1.5)
            x = torch.sigmoid(F.max_pool2d(self.grown(x), 2, 1))
            x = F.relu6(torch.cat([self.side(x).tanh(), x], 1))
            x = F.max_pool2d(self.last(x), 2).clamp(0.0, 1.25)
            y: Tensor = self.classes(x.flatten(1))
            return y

    return Activated()


class Drawn(nn.Module):
    """Layers of random kinds and sizes over images, or signals, of a random size."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        self.axes = 1 + seed % 2
        self.size = rng.integers(5, 12, self.axes).tolist()
        self.channels = int(rng.integers(1, 4))
        self.layers = nn.ModuleList()
        x = torch.rand(24, self.channels, *self.size)
        while len(self.layers) < 4:
            layer = self.drawn(rng, x)
            shake(layer)
            y = values(layer, x)
            # What never varies has no norm but one of rounding.
            if y is not None:
                self.layers.append(layer)
                x = y
        self.classes = SPNLinear(x[0].numel(), 3, r=5, norm=False)

    def drawn(self, rng: np.random.Generator, x: Tensor) -> nn.Module:
        n, size = x.shape[1], x.shape[2:]

        def sizes(least: int, most: int) -> Any:
            drawn = [int(rng.integers(least, max(min(most, n), least) + 1)) for n in size]
            return drawn[0] if self.axes == 1 else tuple(drawn)

        def each(of: Any, rule: Any) -> Any:
            return rule(of) if self.axes == 1 else tuple(map(rule, of))

        def convolution(m: int, same: bool, groups: int = 1) -> Any:
            kernel = sizes(1, 4)
            if same:
                kernel = each(kernel, lambda k: k - 1 + k % 2)
            apart = int(rng.integers(1, 3)) if same else 1
            pad = each(kernel, lambda k: k // 2 * apart if same else int(rng.integers(0, k)))
            stride = 1 if same else sizes(1, 2)
            r = groups * int(rng.integers(1, 6))
            make: Any = SPNConv1d if self.axes == 1 else SPNConv2d
            patch = int(rng.integers(1, 4)) if self.axes == 1 else sizes(1, 3)
            if apart > 1:
                patch = 1
            return make(n, m, kernel, stride, pad, groups, dilation=apart, r=r, p=patch)

        def behind(pool: Any, m: int, groups: int = 1) -> nn.Module:
            nonlocal size
            size = pool(x).shape[2:]
            return nn.Sequential(pool, convolution(m, False, groups), nn.ReLU())

        def grows(m: int) -> nn.Module:
            stride, pad, more = ([int(i) for i in rng.integers(0, 3, self.axes)] for _ in range(3))
            stride = [1 + s for s in stride]
            more = [min(i, s - 1) for i, s in zip(more, stride, strict=True)]
            kernel = [s + 2 * b - i for s, b, i in zip(stride, pad, more, strict=True)]
            make: Any = SPNConvTranspose1d if self.axes == 1 else SPNConvTranspose2d
            own = (tuple(v) if self.axes == 2 else v[0] for v in (kernel, stride, pad, more))
            groups = n if rng.integers(2) else 1
            r = groups * int(rng.integers(2, 5))
            return make(n, n * m, *own, groups, r=r)  # type: ignore[no-any-return]

        def activation() -> nn.Module:
            made: nn.Module = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]()
            return made

        match int(rng.integers(9)):
            case 0 if max(size) < 20:
                upsample = nn.Upsample(scale_factor=sizes(1, 3))
                return nn.Sequential(convolution(n, True), upsample, activation())
            case 1:
                return nn.Sequential(Residual(convolution(n, True)), activation())
            case 5 if max(size) < 20:
                return nn.Sequential(grows(2), activation())
            case 6:
                separate = (convolution(n, True, n), nn.ReLU(), behind(nn.Identity(), 3))
                return nn.Sequential(*separate)
            case 7 if self.axes == 1 and size[0] > 1:
                cell: Any = (SPNGRU, SPNLSTM)[rng.integers(2)]
                both = bool(rng.integers(2))
                return Along(cell(n, 3, r=4, batch_first=True, bidirectional=both))
            case 2:
                return Beside(convolution(int(rng.integers(1, 4)), True))
            case 3:
                kernel = sizes(1, 3)
                pad = each(kernel, lambda k: k // 2)
                make: Any = nn.MaxPool1d if self.axes == 1 else nn.MaxPool2d
                return behind(make(kernel, sizes(1, 2), pad), 4)
            case 4:
                make = nn.AvgPool1d if self.axes == 1 else nn.AvgPool2d
                return behind(make(sizes(1, 3)), 2 * n, n)
        return nn.Sequential(convolution(5, False), activation())

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        y: Tensor = self.classes(x.flatten(1))
        return y


def values(layer: nn.Module, x: Tensor) -> Tensor | None:
    """What ternary layers yield, unless a channel never varies."""
    phases = sc.torch.Phases(layer)
    phases.ternary()
    with torch.no_grad():
        y: Tensor = layer(x)
    phases.full()
    return y if (y.transpose(0, 1).flatten(1).std(1) > 1e-2).all() else None


class Beside(nn.Module):
    """What a layer yields beside what enters it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.cat([self.body(x), x], 1)
        return y


def samples(net: nn.Module, n: int = 24) -> tuple[Tensor, Tensor]:
    """Values of the input's format, u8 · 2^-8, and classes."""
    generator = torch.Generator().manual_seed(1)
    dense = isinstance(next(net.children()), SPNLinear)
    shape: tuple[int, ...] = (2, 9, 7) if isinstance(net, nn.Sequential) else (2, 9, 5)
    if dense:
        shape = (12,)
    elif isinstance(net, Drawn):
        shape = (net.channels, *net.size)
    elif hasattr(net, "shape"):
        shape = net.shape  # type: ignore[assignment]
    elif isinstance(net, nn.Sequential) and isinstance(net[0], SPNConv1d):
        shape = (2, 13)
    x = torch.randint(0, 256, (n, *shape), generator=generator) / 256
    return x, torch.arange(n) % 3


def shake(net: nn.Module) -> None:
    """Gives norms scales that are not 1, and biases that are not 0."""
    with torch.no_grad():
        for norm in net.modules():
            if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)) and norm.affine:
                norm.weight.uniform_(0.5, 2)
                norm.bias.uniform_(-1, 1)


def seen(net: nn.Module, x: Tensor) -> nn.Module:
    """The network with statistics of its own in all norms, and scales that are not 1."""
    torch.manual_seed(2)
    shake(net)
    for norm in net.modules():
        # Near those of the samples, by which all layers yield values that vary.
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)):
            norm.momentum = 0.8
    with torch.no_grad():
        net.train()
        for _ in range(3):
            net(x)
    return net.eval()


def signal() -> nn.Module:
    """Along a signal: patches beyond its end, strides, groups, branches, poolings, upsampling."""
    torch.manual_seed(7)
    return nn.Sequential(
        SPNConv1d(2, 6, 5, 1, 2, r=9, p=3),
        nn.ReLU(),
        Residual(SPNConv1d(6, 6, 3, 1, 1, groups=6, r=12, p=2)),
        nn.ReLU(),
        nn.MaxPool1d(3, 2, 1),
        SPNConv1d(6, 4, 4, 2, 1, r=6),
        nn.Upsample(scale_factor=3),
        nn.ReLU(),
        SPNConv1d(4, 5, 3, r=6, plain=True),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        SPNLinear(5, 3, r=6, norm=False),
    )


NETWORKS = [mlp, cnn, lambda: cnn("row"), functional, signal, series, activated]
NETWORKS += [partial(Drawn, seed) for seed in range(24)]


def begin(
    net: nn.Module, folder: Path, full: int, ternary: int, y: Tensor | None = None, **more: Any
) -> tuple[Path, Tensor]:
    """A run at the weights of the network; each epoch is one step of gradient descent. The recipe
    may have more."""
    x, classes = samples(net)
    y = classes if y is None else y
    turned = hasattr(net, "turned")
    data = sc.torch.save_data(folder / "data", x, y, x[:9], y[:9], channels_last=turned)
    layers, weights = sc.torch.describe(net, x)
    phase = {"learning_rate": 0.5, "schedule": "constant"}
    recipe = {"optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0, "batch": len(x)}
    quantiser = next(m.quantiser for m in net.modules() if isinstance(m, SPNLinear))
    shape = list((x.movedim(1, -1) if x.ndim > 2 and not turned else x).shape[1:])
    if x.ndim == 3:
        shape = [1, *shape]
    description = {
        "name": "net",
        "input": {"shape": shape, "bits": 8, "frac": 8},
        "layers": layers,
        "train": {
            **recipe,
            **more,
            "data": data,
            "quantiser": quantiser,
            "validation": 0.0,
            "full": {"epochs": full, **phase},
            "ternary": {"epochs": ternary, **phase},
            "frozen": {"epochs": 0},
        },
    }
    _strassenc.begin(json.dumps(description), weights, folder / "run", False)
    return folder / "run", x


def flat(net: nn.Module, x: Tensor) -> NDArray[np.float32]:
    """Samples with their channels last, `[n, elements]`."""
    moves = x.ndim > 2 and not hasattr(net, "turned")
    array: NDArray[np.float32] = (x.movedim(1, -1) if moves else x).flatten(1).numpy()
    return np.ascontiguousarray(array)


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("ternary", [False, True])
def test_float_outputs_are_those_of_a_run_at_the_same_weights(
    make: Any, ternary: bool, tmp_path: Path
) -> None:
    net = make()
    seen(net, samples(net)[0])
    run, x = begin(net, tmp_path, 0 if ternary else 1, 1)
    if ternary:
        sc.torch.Phases(net).ternary()
    with torch.no_grad():
        due = net(x).numpy()
    assert (due.std(0) > 1e-3 * np.abs(due).max()).any()
    outputs = _strassenc.float_outputs(run, flat(net, x))
    assert np.abs(outputs - due).max() < 1e-5 * np.abs(due).max()


def tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float tensors of a safetensors file."""
    bytes_ = path.read_bytes()
    start = 8 + int.from_bytes(bytes_[:8], "little")
    found = {}
    for name, entry in json.loads(bytes_[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, end = (start + offset for offset in entry["data_offsets"])
            values = np.frombuffer(bytes_[first:end], np.float32)
            found[name] = values.reshape(entry["shape"])
    return found


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("ternary", [False, True])
def test_gradients_are_those_of_a_run_at_the_same_weights(
    make: Any, ternary: bool, tmp_path: Path
) -> None:
    net = make()
    run, x = begin(net, tmp_path, *((0, 1) if ternary else (1, 0)))
    compare_gradients(net, run, x, ternary, lambda z: F.cross_entropy(z, samples(net)[1]))


def compare_gradients(net: nn.Module, run: Path, x: Tensor, ternary: bool, loss: Any) -> None:
    """That one step of a run moves its numbers as PyTorch's gradients of a loss say, those of
    doubles."""
    before = sc.torch.describe(net, x)[1]
    if ternary:
        sc.torch.Phases(net).ternary()
    net.train().double()
    loss(net(x.double()).float()).backward()
    gradients = copy.deepcopy(net)
    with torch.no_grad():
        for to, parameter in zip(gradients.parameters(), net.parameters(), strict=True):
            assert parameter.grad is not None
            to.copy_(parameter.grad)
    due = sc.torch.describe(gradients.float(), x)[1]
    sc.resume(run)
    after = tensors(run / "checkpoint.safetensors")
    moved = [name for name in before if not name.endswith(("mean", "variance"))]
    largest = max(np.abs(due[name]).max() for name in moved)
    for name in moved:
        # A step of 0.5 against the gradient, in f32; what cancels is as exact as its parts.
        ours = (before[name] - after[name]) / 0.5
        steps = 2.0**-22 * np.abs(before[name]).max()
        assert np.abs(ours - due[name]).max() < 1e-5 * max(largest, 1) + steps, name


NUMBERS = torch.rand(24, 3, generator=torch.Generator().manual_seed(5))
UNEVEN = torch.tensor([0] * 13 + [1] * 8 + [2] * 3)[torch.randperm(24)]
AS_IT_IS = {"targets": {"offset": [0.0] * 3, "scale": [1.0] * 3}}
LOSSES: list[tuple[dict[str, Any], Tensor, Any]] = [
    ({"loss": "squared", **AS_IT_IS}, NUMBERS, F.mse_loss),
    ({"loss": "absolute", **AS_IT_IS}, NUMBERS, F.l1_loss),
    ({"loss": "binary_cross_entropy"}, NUMBERS.round(), F.binary_cross_entropy_with_logits),
    ({"label_smoothing": 0.2}, UNEVEN, partial(F.cross_entropy, label_smoothing=0.2)),
    (
        {"class_weights": "balanced"},
        UNEVEN,
        partial(F.cross_entropy, weight=24 / 3 / UNEVEN.bincount()),
    ),
]


@pytest.mark.parametrize(("recipe", "due", "loss"), LOSSES)
def test_losses_are_those_of_pytorch(
    recipe: dict[str, Any], due: Tensor, loss: Any, tmp_path: Path
) -> None:
    net = mlp()
    run, x = begin(net, tmp_path, 1, 0, due, **recipe)
    compare_gradients(net, run, x, False, lambda z: loss(z, due))


@pytest.mark.parametrize("make", [cnn, series, activated])
def test_both_roads_lead_to_the_same_integers(make: Any, tmp_path: Path) -> None:
    net = make()
    x, y = samples(net)
    seen(net, x)
    sc.torch.Phases(net).ternary()
    turned = hasattr(net, "turned")
    data = sc.torch.save_data(tmp_path / "data", x, y, x, y, channels_last=turned)
    recipe = {"frozen": {"epochs": 1}, "validation": 0.0}
    for run in ("ours", "program"):
        sc.torch.export(net, tmp_path / run, x, data=data, train=recipe)
    model = sc.resume(tmp_path / "ours")
    program = [sys.executable, "-m", "strassenc", "train", "program/network.toml"]
    words = ["--resume", "-o", "program"]
    subprocess.run([*program, *words], check=True, capture_output=True, cwd=tmp_path)
    assert model.sha256 == sc.Model.load(tmp_path / "program").sha256
    core = model.compile(effort=0)
    core.simulate(flat(net, x)[:4].reshape(4, *model.input_shape))


def test_ternary_values_are_three_and_gradients_pass() -> None:
    w = torch.randn(40, 30, requires_grad=True)
    ternary = sc.torch.ternarise(w)
    assert len(ternary.unique()) == 3
    ternary.backward(torch.arange(1200.0).view(40, 30))
    assert w.grad is not None and torch.equal(w.grad, torch.arange(1200.0).view(40, 30))

    # Of a row below its threshold the largest and its near equals stay.
    few = sc.torch.ternarise(torch.tensor([[1.0, -0.9, 0.1]]), 5.0)
    assert torch.allclose(few, torch.tensor([[0.95, -0.95, 0.0]]))


class Teacher(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1, bias=False),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.Conv2d(5, 5, 3, padding=1, groups=5),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 6, 3, stride=2),
            nn.ReLU(),
        )
        self.classes = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.classes(self.features(x).flatten(1))
        return y


@pytest.mark.parametrize("r", [1, 2.5])
def test_a_network_of_spns_begins_with_the_function_of_its_teacher(r: float) -> None:
    teacher = Teacher()
    x = torch.rand(200, 2, 9, 7)
    seen(teacher, x)
    # The middle of the last convolution is one pixel.
    teacher.features[-1].register_forward_hook(lambda _, __, y: y[:, :, :1, :1])
    net = sc.torch.from_torch(teacher, x, r=r)
    with torch.no_grad():
        due = teacher(x)
        error = (net(x) - due).abs().max() / due.abs().max()
    assert error < 1e-4, error
    assert not any(isinstance(module, (nn.Linear, nn.Conv2d)) for module in net.modules())


class Grown(nn.Module):
    """Images that grow, by whole pixels and by overlapping ones."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.one: nn.Module = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.ConvTranspose2d(4, 3, 3, 1, 1), nn.BatchNorm2d(3)
        )
        sizes: Any = ((4, 5), (2, 3), (1, 2), (0, 2), 3, False)
        self.two: nn.Module = nn.ConvTranspose2d(3, 6, *sizes)
        self.classes = nn.Linear(6 * 8 * 15, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.classes(F.hardtanh(self.two(self.one(x).sigmoid()), 0, 9).flatten(1))
        return y


def test_transposed_convolutions_begin_with_the_function_of_their_teacher() -> None:
    teacher = Grown()
    x = torch.rand(200, 2, 4, 5)
    seen(teacher, x)
    net = sc.torch.from_torch(teacher, x, r=30)
    with torch.no_grad():
        assert isinstance(net, Grown)
        due, got = teacher.one(x), net.one(x)
        assert (got - due).abs().max() < 1e-4 * due.abs().max()
        # Pixels of a patch share the offset of what a norm in the middle subtracts.
        due, got = teacher.two(due), net.two(due)
        apart = (got - due - (got - due).mean(0)).abs().max()
        assert apart < 1e-4 * due.abs().max()
    layers, _ = sc.torch.describe(net, x)
    assert layers[4] == {"clipped_relu": 9.0}
    grown = layers[3]["conv_transpose2d"]
    assert [grown[k] for k in ("kernel", "stride", "pad", "output_pad")] == [
        *((4, 5), (2, 3), (1, 2), (0, 2)),
    ]


def test_recurrent_layers_begin_with_the_function_of_their_teacher() -> None:
    def recurrent(make: Any) -> Any:
        return partial(make, batch_first=True, bidirectional=True)

    teacher = Series(nn.Linear, recurrent(nn.GRU), recurrent(nn.LSTM)).eval()
    x = torch.rand(60, 7, 3)
    net = sc.torch.from_torch(teacher, x, r=4)
    with torch.no_grad():
        due, got = teacher(x), net(x)
    assert (got - due).abs().max() < 1e-4 * due.abs().max()
    layers, _ = sc.torch.describe(net, x)
    assert [layer if isinstance(layer, str) else next(iter(layer)) for layer in layers] == [
        *("gru", "conv1d", "tanh", "concat", "gru", "last", "dense")
    ]


def test_what_is_not_understood_is_named() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = SPNLinear(4, 4), SPNLinear(4, 2, norm=False)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.two(torch.sin(self.one(x)))
            return y

    line = Odd.forward.__code__.co_firstlineno + 1
    with pytest.raises(sc.Error, match=rf"`sin` \(.*test_torch.py, line {line}\): is not und"):
        sc.torch.describe(Odd(), torch.rand(3, 4))
    with pytest.raises(sc.Error, match="`1` is a GELU"):
        sc.torch.describe(nn.Sequential(SPNLinear(4, 4), nn.GELU()), torch.rand(3, 4))
    with pytest.raises(sc.Error, match="norm=False"):
        sc.torch.describe(nn.Sequential(SPNLinear(4, 4)), torch.rand(3, 4))


def test_functions_are_understood_as_the_modules_that_do_the_same() -> None:
    def convolution(n: int, m: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(n, m, 3, 1, 1, bias=False), nn.BatchNorm2d(m))

    teacher = Functional(nn.Linear, convolution)
    x = torch.rand(50, 2, 9, 5)
    seen(teacher, x)
    net = sc.torch.from_torch(teacher, x, r=3)
    with torch.no_grad():
        due = teacher(x)
        assert (net(x) - due).abs().max() < 1e-4 * due.abs().max()
    layers, _ = sc.torch.describe(net, x)
    pool = {"size": (2, 2), "stride": (1, 1), "pad": (0, 0)}
    # A largest value and max(0, x) commute; the integers have the second right behind the sums.
    assert layers[1:3] == ["relu", {"max_pool": pool}]
    assert [name for layer in layers if isinstance(layer, dict) for name in layer] == [
        *("conv2d", "max_pool", "residual", "concat", "average_pool", "max_pool", "dense"),
    ]
    concat = layers[5]["concat"]
    assert concat["shortcut"] == [] and "concat" in concat["body"][0]


def test_all_that_is_not_understood_is_named_at_once() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")
            self.two, self.three = nn.Conv2d(4, 4, 3, padding="same"), nn.Conv2d(4, 4, 1)
            self.classes = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = F.elu(self.one(x))
            x = self.three(self.two(x)) * 2
            y: Tensor = self.classes(F.max_pool2d(self.three(x), 2, ceil_mode=True).mean((2, 3)))
            return y

    with pytest.raises(sc.Error, match="6 places") as raised:
        sc.torch.from_torch(Odd(), torch.rand(3, 2, 9, 9))
    functions = ("`elu` (", "`mul` (", "`max_pool2d` (")
    for part in ("`one` is Conv2d", "`two` is Conv2d", "`three` is called in", *functions):
        assert part in raised.value.cause


class Block(nn.Module):
    def __init__(self, body: Any) -> None:
        super().__init__()
        self.one, self.two, self.body = nn.Linear(4, 4), nn.Linear(4, 4), body

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(self, x)
        return y


def dense(x: Tensor) -> Tensor:
    """Each value is read by all that come after it, in 2^40 ways."""
    values = [x, F.relu(x)]
    for _ in range(40):
        values.append(values[-1] + values[-2])
    return values[-1]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (lambda net, x: net.two(F.relu_(y := net.one(x)) + y), "changes in place"),
        (lambda net, x: net.two(net.one(x) if x.sum() > 0 else x), "cannot be followed"),
        (lambda net, x: net.two(torch.cat([x, net.one(x)], 1)[:, :4]), "begins with what enters"),
        (lambda net, x: net.two(F.relu(x) + F.relu(net.one(x))), "adds nothing that comes"),
        (lambda net, x: F.relu(net.one(x)), "does not end with a linear layer"),
        (lambda net, x: net.two(net.one(x) + 1), "is not of values"),
        (lambda net, x: net.two(dense(net.one(x))), "no branches of one sum"),
        (lambda net, x: net.two(F.tanh(x)), "behind no linear layer"),
        (lambda net, x: net.two(F.leaky_relu(net.one(x), 0.01)), "powers of two are ours"),
        (lambda net, x: net.two(F.hardtanh(net.one(x))), "limits of 0 and"),
    ],
)
def test_what_no_description_says_is_refused(body: Any, cause: str) -> None:
    with pytest.raises(sc.Error, match=cause):
        sc.torch.from_torch(Block(body), torch.rand(3, 4))


@pytest.mark.parametrize(
    ("body", "due"),
    [
        (lambda net, x: net.gru(torch.flip(x, dims=(1,)))[0][:, 6], ["reverse", "gru", "last"]),
        (lambda net, x: net.gru(x)[0].mean(1, True)[:, -1, :], ["gru", "global_average_pool"]),
        (lambda net, x: net.gru(x)[0], ["gru"]),
        (
            lambda net, x: F.relu6(net.conv(net.gru(x)[0].transpose(-1, -2))).flip(2)[..., -1],
            ["gru", "conv1d", "relu6", "reverse", "last"],
        ),
    ],
)
def test_steps_of_a_signal_are_taken_in_several_words(body: Any, due: list[str]) -> None:
    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.conv = nn.GRU(3, 4, batch_first=True), nn.Conv1d(4, 4, 1)
            self.last = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.last(body(self, x))
            return y

    teacher, x = Steps().eval(), torch.rand(40, 7, 3)
    net = sc.torch.from_torch(teacher, x, r=2)
    with torch.no_grad():
        assert (net(x) - teacher(x)).abs().max() < 1e-5
    layers, _ = sc.torch.describe(net, x)
    words = [layer if isinstance(layer, str) else next(iter(layer)) for layer in layers]
    assert words[:-1] == due and words[-1] in ("dense", "conv1d")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (lambda net, x: net.last(net.gru(net.conv(x.transpose(1, 2)))[0]), "not read a signal"),
        (lambda net, x: net.conv(net.gru(x)[0]), "turn it"),
        (lambda net, x: net.last(net.gru(x)[1][0]), r"take y\[:, -1\]"),
        (lambda net, x: net.last(net.gru(x)[0][:, 2]), "is not understood"),
        (lambda net, x: net.last(net.steps(net.gru(x)[0])[0]), "batch_first"),
        (lambda net, x: net.last(net.gru(x)[0] + x.transpose(1, 2)), "two layouts"),
        (lambda net, x: net.last(net.gru(x, net.gru(x)[1])[0]), "several values"),
        (lambda net, x: net.last(net.gru(x, net.start)[0]), "is given a state"),
        (lambda net, x: net.last(net.gru(x)[0].mean(2)), "is not understood"),
        (lambda net, x: net.grows(x.transpose(1, 2)), "choose padding=1, output_padding=0"),
    ],
)
def test_signals_that_no_description_has_are_refused(body: Any, cause: str) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.steps = nn.GRU(4, 4, batch_first=True), nn.LSTM(4, 4)
            self.conv, self.last = nn.Conv1d(4, 4, 1), nn.Linear(4, 2)
            self.grows = nn.ConvTranspose1d(4, 4, 4, 2)
            self.start = nn.Parameter(torch.ones(1, 4, 4))

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = body(self, x)
            return y

    with pytest.raises(sc.Error, match=cause):
        sc.torch.from_torch(Odd(), torch.rand(4, 4, 4))
    with pytest.raises(ValueError, match="choose padding=1, output_padding=0"):
        SPNConvTranspose1d(4, 4, 4, 2)


def test_values_that_change_in_place_are_seen() -> None:
    def body(net: Any, x: Tensor) -> Tensor:
        y = F.relu(net.one(x))
        z = y
        y += x
        return net.two(z)  # type: ignore[no-any-return]

    with pytest.raises(sc.Error, match="yields something else than what it calls"):
        sc.torch.from_torch(Block(body), torch.rand(3, 4))
