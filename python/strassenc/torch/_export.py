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
from ._layers import SPN, Residual, SPNConv2d, pair
from ._trace import steps

Weights = dict[str, NDArray[np.float32]]


def describe(net: nn.Module, x: Tensor) -> tuple[list[Any], Weights]:
    """The layers of a network as a description has them, and its numbers by their names in a
    checkpoint. `x` are samples, `[n, features]` or `[n, channels, height, width]`."""
    weights: Weights = {}
    found: list[SPN] = []

    def chain(net: nn.Module, x: Tensor) -> list[Any]:
        """The layers of a chain."""
        layers: list[Any] = []
        # The shape of the image whose elements the values are.
        image = x.shape[1:] if x.ndim == 4 else None
        for step in steps(net, x):
            module = step.module
            match module:
                case Residual():
                    branches = {"body": module.body, "shortcut": module.shortcut}
                    layers.append(
                        {
                            "residual": {
                                name: chain(branch, step.x)
                                for name, branch in branches.items()
                                if branch is not None
                            }
                        }
                    )
                case SPN():
                    for name, value in _numbers(module, image).items():
                        array = value.detach().to("cpu", torch.float32).contiguous().numpy()
                        weights[f"float.{len(found)}.{name}"] = array
                    found.append(module)
                    layers.append(_described(module))
                case nn.ReLU():
                    layers.append("relu")
                case nn.MaxPool2d() | nn.AvgPool2d():
                    kind = "max_pool" if isinstance(module, nn.MaxPool2d) else "average_pool"
                    sizes = (module.kernel_size, module.stride, module.padding)
                    names = ("size", "stride", "pad")
                    layers.append({kind: dict(zip(names, map(pair, sizes), strict=True))})
                case nn.AdaptiveAvgPool2d() if module.output_size in (1, (1, 1)):
                    layers.append("global_average_pool")
                case nn.Flatten() | nn.Dropout() | nn.Dropout2d() | nn.Identity():
                    pass
                case _:
                    cause = f"is a {type(module).__name__}, which has no integers"
                    help = "strassenc.torch.from_torch makes SPNs of linear layers and their norms"
                    raise Error("input", f"module `{step.name}`", cause, help)
            if step.y.ndim == 4:
                image = step.y.shape[1:]
            elif isinstance(module, SPN):
                image = None
        return layers

    layers = chain(net, x)
    if not found or found[-1].norm is not None:
        cause = "does not end with an SPN layer without a norm"
        raise Error("input", "network", cause, "the last layer has norm=False")
    for spn in found[:-1]:
        if spn.norm is None:
            cause = f"has a layer without a norm before its last: {spn}"
            raise Error("input", "network", cause, "all layers but the last have norm=True")
    return layers, weights


def _described(spn: SPN) -> dict[str, Any]:
    keys: dict[str, Any] = {"r": spn.r, "threshold": spn.threshold, "plain": spn.w_c is None}
    if not isinstance(spn, SPNConv2d):
        return {"dense": {"units": spn.outputs, **keys}}
    sizes = {"kernel": spn.kernel_size, "stride": spn.stride, "pad": spn.padding, "p": spn.p}
    return {"conv2d": {"channels": spn.outputs, "groups": spn.groups, **sizes, **keys}}


def _numbers(spn: SPN, image: torch.Size | None) -> dict[str, Tensor]:
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
    else:
        assert spn.bias is not None
        numbers["bias"] = spn.bias[None]
    return numbers


def export(
    net: nn.Module,
    folder: Path,
    x: Tensor,
    *,
    data: str,
    name: str = "net",
    bits: int = 8,
    frac: int = 8,
    signed: bool = False,
    train: Mapping[str, Any] | None = None,
    integers: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a run that `strassenc train FOLDER/network.toml --resume -o FOLDER` and
    `strassenc.resume` go on with: in the phase behind the network's.

    `x` are samples that show the shapes; `data` is what `--data` takes, as `save_data` gives it,
    images with channels last. `bits`, `frac` and `signed` are the format of the input: real value =
    integer · 2^-frac. `train` and `integers` are the keys `[train]` and `bits` of a description.
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
    description: dict[str, Any] = {
        "name": name,
        "input": {
            "shape": [*shape[1:], shape[0]] if len(shape) == 3 else shape,
            "bits": bits,
            "frac": frac,
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
    """Writes samples and classes as `--data` takes them, and yields the text for it. Images
    `[n, channels, height, width]` get their channels last."""
    at = Folder(fspath(folder))
    at.mkdir(parents=True, exist_ok=True)
    for name, values in (("x_train", x_train), ("x_test", x_test)):
        array = np.asarray(values, np.float32)
        np.save(at / f"{name}.npy", np.moveaxis(array, 1, -1) if array.ndim == 4 else array)
    for name, labels in (("y_train", y_train), ("y_test", y_test)):
        np.save(at / f"{name}.npy", np.asarray(labels, np.int64))
    path = str(at.absolute()).replace(",", r"\,")
    return f"npy:{path}"
