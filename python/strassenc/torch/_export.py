"""From a network of SPNs to a run of `strassenc train`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import fspath
from pathlib import Path as Folder
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from .. import _strassenc
from .._error import Error
from .._words import Path
from ._layers import (
    SPN,
    SPNConv1d,
    SPNConv2d,
    SPNConvTranspose1d,
    SPNConvTranspose2d,
    pair,
)
from ._recurrent import Direction, SPNGRU, SPNLSTM
from ._trace import (
    OURS,
    Chain,
    Join,
    Last,
    Reverse,
    Step,
    Traced,
    ends_linearly,
    leaky,
    trace,
)

Weights = dict[str, NDArray[np.float32]]


def describe(net: nn.Module, x: Tensor) -> tuple[list[Any], Weights]:
    """The layers of a network as a description has them, and its numbers by their names in a
    checkpoint. `x` are samples, `[n, features]`, `[n, channels, height, width]` or `[n, channels,
    T]` or `[n, T, channels]`, as the network takes them, or sequences of indices, `[n, steps]`."""
    return _describe(trace(net, x, begins=False))


def _describe(traced: Traced) -> tuple[list[Any], Weights]:
    weights: Weights = {}
    sequences = isinstance(traced.steps[0].module, nn.Embedding)
    # Linear layers are numbered; of a network of sequences all that have numbers.
    count = 0

    def note(numbers: dict[str, Tensor]) -> None:
        nonlocal count
        for name, value in numbers.items():
            array = value.detach().to("cpu", torch.float32).contiguous().numpy()
            weights[f"float.{count}.{name}"] = array
        count += 1

    def described(chain: Chain) -> list[Any]:
        layers: list[Any] = []
        for item in chain:
            if isinstance(item, Join):
                layers.append(joined(item.step.join or "", item.branches))
                continue
            module = item.module
            match module:
                case nn.Embedding():
                    rows, units = module.weight.shape
                    note({"table": module.weight})
                    layers.append({"embedding": {"rows": rows, "units": units}})
                case SPNLSTM() | SPNGRU():
                    for direction in module.directions:
                        note(_of_direction(direction))
                    keys: dict[str, Any] = {"units": module.hidden_size, "r": module.r}
                    keys["threshold"] = module.threshold
                    if module.bidirectional:
                        keys["bidirectional"] = True
                    layers.append({"lstm" if isinstance(module, SPNLSTM) else "gru": keys})
                case SPN():
                    _check_norms(item, last=item is last, sequences=sequences)
                    # Those of a signal [n, T, channels] are in our order.
                    read = item.reads[0]
                    note(_numbers(module, None if read.turned else read.image))
                    layers.append(_described(module, len(item.x) == 3 and not sequences))
                case nn.ReLU():
                    _activate(layers, "relu")
                case nn.Hardtanh():
                    most = float(module.max_val)
                    _activate(layers, "relu6" if most == 6 else {"clipped_relu": most})
                case nn.LeakyReLU():
                    _activate(layers, {"leaky_relu": leaky(module)})
                case nn.Sigmoid() | nn.Tanh():
                    _activate(layers, type(module).__name__.lower())
                case Last() | Reverse():
                    layers.append(type(module).__name__.lower())
                case nn.MaxPool2d() | nn.AvgPool2d():
                    kind = "max_pool" if isinstance(module, nn.MaxPool2d) else "average_pool"
                    sizes = (module.kernel_size, module.stride, module.padding)
                    names = ("size", "stride", "pad")
                    layers.append({kind: dict(zip(names, map(pair, sizes), strict=True))})
                case nn.AdaptiveAvgPool2d():
                    layers.append("global_average_pool")
                case nn.Upsample():
                    # An invariant: only images are upsampled.
                    after, before = item.image, item.reads[0].image
                    assert after is not None and before is not None
                    times = (after[1] // before[1], after[2] // before[2])
                    if times != (1, 1):
                        layers.append({"upsample": times})
        return layers

    def joined(kind: str, branches: list[Chain]) -> Any:
        if kind == "residual":
            # What ends with a linear layer is the body, of a sum no matter which.
            branches = sorted(branches, key=lambda branch: not ends_linearly(branch))
        body, *others = branches
        layers = described(body)
        for shortcut in others:
            layers = [{kind: {"body": layers, "shortcut": described(shortcut)}}]
        return layers[0]

    last = [step for step in traced.steps if isinstance(step.module, OURS)][-1]
    return described(traced.chain), weights


def _activate(layers: list[Any], activation: Any) -> None:
    """Appends a function of each element that grows: before what picks values, which commutes with
    it, and max(0, x) once."""
    at = len(layers)
    while at > 0 and any(pick in layers[at - 1] for pick in _PICKS):
        at -= 1
    if at == 0 or activation != "relu" or layers[at - 1] != "relu":
        layers.insert(at, activation)


_PICKS = ("max_pool", "upsample", "last", "reverse")
"""Layers that yield some of the values that enter."""


def _check_norms(step: Step, *, last: bool, sequences: bool) -> None:
    """Raises where a layer has norms where ours have none, or none where ours have them."""
    spn = step.module
    assert isinstance(spn, SPN)
    due = (not sequences, not sequences and not last)
    if (spn.hidden is not None, spn.norm is not None) != due:
        hidden_norm, norm = due
        cause = "has other norms than the layers of `strassenc train`"
        raise Error("input", step.place, cause, f"make it with {norm=} and {hidden_norm=}")


def _of_direction(direction: nn.Module) -> dict[str, Tensor]:
    """The numbers of one direction of a recurrent layer as a checkpoint has them."""
    assert isinstance(direction, Direction)
    own: dict[str, dict[str, Tensor]] = {}
    for name, gates in (("x", direction.of_x), ("h", direction.of_h)):
        own[name] = _numbers(gates, None)
    bias = direction.bias[None]
    if direction.of_x.gates == 3:
        # r, z, n to n, r, z, of which those that read the state go without the first.
        units, r = direction.of_x.outputs // 3, direction.of_x.r // 3
        x = own["x"]
        own["x"] = {
            "w_b": x["w_b"].roll(r, 0),
            "a": x["a"].roll(r, 1),
            "w_c": x["w_c"].roll(units, 0),
        }
        bias = torch.cat([bias[:, : 3 * units].roll(units, 1), bias[:, 3 * units :]], 1)
    numbers = {f"{part}.{name}": value for part in own for name, value in own[part].items()}
    return {**numbers, "bias": bias}


def _described(spn: SPN, by_steps: bool) -> dict[str, Any]:
    """The layer of a description; a dense one at each step of a signal is a convolution."""
    keys: dict[str, Any] = {"r": spn.r, "threshold": spn.threshold}
    if isinstance(spn, SPNConvTranspose2d):
        grown = {"kernel": spn.kernel_size, "stride": spn.stride, "pad": spn.padding}
        grown["output_pad"] = spn.output_padding
        keys |= {"channels": spn.outputs, "groups": spn.groups}
        if isinstance(spn, SPNConvTranspose1d):
            return {"conv_transpose1d": {**keys, **{k: along for k, (_, along) in grown.items()}}}
        return {"conv_transpose2d": {**keys, **grown}}
    keys["plain"] = spn.w_c is None
    if not isinstance(spn, SPNConv2d) and by_steps:
        return {"conv1d": {**keys, "channels": spn.outputs, "kernel": 1, "p": 1, "groups": 1}}
    if not isinstance(spn, SPNConv2d):
        return {"dense": {"units": spn.outputs, **keys}}
    sizes = {"kernel": spn.kernel_size, "stride": spn.stride, "pad": spn.padding, "p": spn.p}
    keys |= {"channels": spn.outputs, "groups": spn.groups}
    if spn.dilation != (1, 1):
        sizes["dilation"] = spn.dilation
    if isinstance(spn, SPNConv1d):
        return {"conv1d": {**keys, **{name: along for name, (_, along) in sizes.items()}}}
    return {"conv2d": {**keys, **sizes}}


def _numbers(spn: SPN, image: tuple[int, int, int] | None) -> dict[str, Tensor]:
    """A layer's numbers as a checkpoint has them, channels last; dense ones may read images."""
    w_b: Tensor = spn.w_b
    if w_b.ndim == 2 and image is not None:
        w_b = w_b.unflatten(1, image)
    if w_b.ndim == 4:
        w_b = w_b.permute(0, 2, 3, 1)
    numbers = {"w_b": w_b.flatten(1), "a": spn.a[None]}
    if spn.w_c is not None:
        numbers["w_c"] = spn.rows_of_c(spn.w_c)
    for name, norm in (("hidden", spn.hidden), ("output", spn.norm)):
        if norm is not None:
            numbers[f"{name}.mean"] = norm.get_buffer("running_mean")
            numbers[f"{name}.variance"] = norm.get_buffer("running_var")
    if spn.norm is not None:
        numbers["scale"], numbers["bias"] = spn.norm.weight[None], spn.norm.bias[None]
    elif spn.bias is not None:
        numbers["bias"] = spn.bias[None]
    return numbers


def export(
    net: nn.Module,
    folder: Path,
    x: Tensor,
    *,
    data: str,
    name: str = "net",
    bits: int | None = None,
    frac: int | None = None,
    signed: bool = False,
    train: Mapping[str, Any] | None = None,
    integers: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a run that `strassenc train FOLDER/network.toml --resume -o FOLDER` and
    `strassenc.resume` go on with: in the phase behind the network's.

    `x` are samples that show the shapes; `data` is what `--data` takes, as `save_data` gives it,
    images and signals with channels last, of sequences a text. `bits`, `frac` and `signed` are the
    format of the input: real value = integer · 2^-frac, by default of 8 bits, all fractional, or
    wide enough for the indices. `train` and `integers` are the keys `[train]` and `bits` of a
    description.
    """
    traced = trace(net, x, begins=False)
    layers, weights = _describe(traced)
    phase = next(m.phase for m in net.modules() if isinstance(m, SPN))
    quantisers = {m.quantiser for m in net.modules() if isinstance(m, SPN)}
    if len(quantisers) > 1:
        raise Error("input", "network", f"has layers of several quantisers: {quantisers}")
    # Phases that are over have no epochs left.
    over = {"full": 0} if phase == "full" else {"full": 0, "ternary": 0}
    recipe: dict[str, Any] = {"data": data, "quantiser": quantisers.pop(), **(train or {})}
    for name_, epochs in over.items():
        recipe[name_] = {**recipe.get(name_, {}), "epochs": epochs}
    shape = list(x.shape[1:])
    own = (8, 8)
    if "embedding" in layers[0]:
        shape, own = [1], (max((layers[0]["embedding"]["rows"] - 1).bit_length(), 1), 0)
    if len(shape) > 1 and not traced.turned:
        shape = [*shape[1:], shape[0]]
    description: dict[str, Any] = {
        "name": name,
        "input": {
            # A signal is an image of one row, with or without a convolution.
            "shape": [1, *shape] if len(shape) == 2 else shape,
            "bits": own[0] if bits is None else bits,
            "frac": own[1] if frac is None else frac,
            "signed": signed,
        },
        "layers": layers,
        "bits": dict(integers or {}),
        "train": recipe,
    }
    _strassenc.begin(json.dumps(description), weights, fspath(folder), overwrite)


def save_data(
    folder: Path,
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike,
    y_test: ArrayLike,
    *,
    channels_last: bool = False,
) -> str:
    """Writes samples, with the classes of the samples or with numbers or labels, `[n, outputs]` of
    floats, as `--data` takes them, and yields the text for it. Images
    `[n, channels, height, width]` and signals `[n, channels, T]` get their channels last, unless
    they have them there, as the `[n, T, channels]` that a recurrent layer reads."""
    at = Folder(fspath(folder))
    at.mkdir(parents=True, exist_ok=True)
    for name, values in (("x_train", x_train), ("x_test", x_test)):
        array = np.asarray(values, np.float32)
        moves = array.ndim > 2 and not channels_last
        np.save(at / f"{name}.npy", np.moveaxis(array, 1, -1) if moves else array)
    for name, labels in (("y_train", y_train), ("y_test", y_test)):
        due = np.asarray(labels)
        floats = np.issubdtype(due.dtype, np.floating)
        np.save(at / f"{name}.npy", due.astype(np.float32 if floats else np.int64))
    path = str(at.absolute()).replace(",", r"\,")
    return f"npy:{path}"
