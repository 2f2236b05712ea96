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
from ._layers import SPN, SPNConv1d, SPNConv2d, pair
from ._recurrent import SPNLSTM
from ._trace import OURS, Chain, Join, Step, ends_linearly, trace

Weights = dict[str, NDArray[np.float32]]


def describe(net: nn.Module, x: Tensor) -> tuple[list[Any], Weights]:
    """The layers of a network as a description has them, and its numbers by their names in a
    checkpoint. `x` are samples, `[n, features]`, `[n, channels, height, width]` or `[n, channels,
    T]`, or sequences of indices, `[n, steps]`."""
    traced = trace(net, x, begins=False)
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
                case SPNLSTM():
                    note(_of_lstm(module))
                    keys = {"units": module.hidden_size, "r": module.r}
                    layers.append({"lstm": {**keys, "threshold": module.of_x.threshold}})
                case SPN():
                    _check_norms(item, last=item is last, sequences=sequences)
                    note(_numbers(module, item.reads[0].image))
                    layers.append(_described(module))
                case nn.ReLU():
                    _rectify(layers)
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


def _rectify(layers: list[Any]) -> None:
    """Appends max(0, x): once, and before what picks values, which commutes with it."""
    at = len(layers)
    while at > 0 and ("max_pool" in layers[at - 1] or "upsample" in layers[at - 1]):
        at -= 1
    if at == 0 or layers[at - 1] != "relu":
        layers.insert(at, "relu")


def _check_norms(step: Step, *, last: bool, sequences: bool) -> None:
    """Raises where a layer has norms where ours have none, or none where ours have them."""
    spn = step.module
    assert isinstance(spn, SPN)
    due = (not sequences, not sequences and not last)
    if (spn.hidden is not None, spn.norm is not None) != due:
        hidden_norm, norm = due
        cause = "has other norms than the layers of `strassenc train`"
        raise Error("input", step.place, cause, f"make it with {norm=} and {hidden_norm=}")


def _of_lstm(lstm: SPNLSTM) -> dict[str, Tensor]:
    """The numbers of an LSTM as a checkpoint has them."""
    numbers = {"bias": lstm.bias[None]}
    for name, gates in (("x", lstm.of_x), ("h", lstm.of_h)):
        numbers |= {f"{name}.{own}": value for own, value in _numbers(gates, None).items()}
    return numbers


def _described(spn: SPN) -> dict[str, Any]:
    keys: dict[str, Any] = {"r": spn.r, "threshold": spn.threshold, "plain": spn.w_c is None}
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
    layers, weights = describe(net, x)
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
    if len(shape) > 1:
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
    folder: Path, x_train: ArrayLike, y_train: ArrayLike, x_test: ArrayLike, y_test: ArrayLike
) -> str:
    """Writes samples, with the classes of the samples or with numbers or labels, `[n, outputs]` of
    floats, as `--data` takes them, and yields the text for it. Images
    `[n, channels, height, width]` and signals `[n, channels, T]` get their channels last."""
    at = Folder(fspath(folder))
    at.mkdir(parents=True, exist_ok=True)
    for name, values in (("x_train", x_train), ("x_test", x_test)):
        array = np.asarray(values, np.float32)
        np.save(at / f"{name}.npy", np.moveaxis(array, 1, -1) if array.ndim > 2 else array)
    for name, labels in (("y_train", y_train), ("y_test", y_test)):
        due = np.asarray(labels)
        floats = np.issubdtype(due.dtype, np.floating)
        np.save(at / f"{name}.npy", due.astype(np.float32 if floats else np.int64))
    path = str(at.absolute()).replace(",", r"\,")
    return f"npy:{path}"
