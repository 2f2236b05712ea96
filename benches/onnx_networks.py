#!/usr/bin/env python3
"""What `strassenc import` makes of ten well-known networks with random weights.

    python3 -m venv .venv && .venv/bin/pip install torch torchvision onnx onnxscript onnxruntime
    cargo build --release
    .venv/bin/python benches/onnx_networks.py                     the table of docs/import.md
    .venv/bin/python benches/onnx_networks.py --only resnet18

Each is exported by PyTorch itself. Where it is imported, the ordinary network classifies images of
noise beside ONNX Runtime, whose classes are the labels: the accuracy is the share of images for
which the two agree.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# This file's folder has a script of the name of a package that is looked for.
sys.path.pop(0)
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models  # noqa: E402

ROOT = Path(__file__).parents[1]
IMAGES = 24
IMAGE = (3, 64, 64)


def signal() -> nn.Module:
    """A network over signals of two channels."""
    return nn.Sequential(
        *(nn.Conv1d(2, 16, 7, padding=3), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.Conv1d(16, 32, 5, padding=2), nn.BatchNorm1d(32), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.Conv1d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()),
        nn.Linear(32, 10),
    )


def mlp() -> nn.Module:
    """Dense layers with norms."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 10)),
    )


def of(make: Callable[..., nn.Module], shape: tuple[int, ...] = IMAGE) -> tuple[nn.Module, tuple]:
    """A network of torchvision with ten classes."""
    return make(weights=None, num_classes=10), shape


NETWORKS: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    "MLP with BatchNorm1d": lambda: (mlp(), (1, 28, 28)),
    "1-D CNN": lambda: (signal(), (2, 128)),
    "ResNet-18": lambda: of(models.resnet18),
    "ResNet-50": lambda: of(models.resnet50),
    "MobileNetV2": lambda: of(models.mobilenet_v2),
    "SqueezeNet 1.1": lambda: of(models.squeezenet1_1),
    "VGG-11": lambda: of(models.vgg11, (3, 224, 224)),
    "ShuffleNetV2": lambda: of(models.shufflenet_v2_x0_5),
    "DenseNet-121": lambda: of(models.densenet121),
    "MobileNetV3 small": lambda: of(models.mobilenet_v3_small),
    "EfficientNet-B0": lambda: of(models.efficientnet_b0),
    "ViT-B/16": lambda: of(models.vit_b_16, (3, 224, 224)),
}


def settle(net: nn.Module, shape: tuple[int, ...]) -> None:
    """Norms with the statistics of images, so that they do something."""
    torch.manual_seed(1)
    net.train()
    with torch.no_grad():
        net(torch.rand(16, *shape))
    net.eval()


def line(name: str, strassenc: str) -> str:
    """The row of the table."""
    torch.manual_seed(0)
    net, shape = NETWORKS[name]()
    settle(net, shape)
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        path, run, full = at / "net.onnx", at / "run", at / "full"
        samples = ({0: torch.export.Dim("samples")},)
        torch.onnx.export(
            net, (torch.rand(2, *shape),), path, opset_version=18, dynamic_shapes=samples
        )
        command = [strassenc, "import", path, "-o", run, "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            told = [told.strip() for told in done.stderr.splitlines()]
            # The first node by its name, and which operators there are besides.
            rest = dict.fromkeys(text.split(":")[0] for text in told[1:] if ": node" in text)
            cause = told[1] if rest else told[0].split("net.onnx: ")[-1]
            more = f"; {', '.join(rest)}" if rest else ""
            return f"| {name} | refused: {cause}{more} | | |"
        report = json.loads(done.stdout)
        words = {node["became"] for node in report["nodes"]}
        notes = "; ".join(sorted({word.partition(":")[2].strip() for word in words if ":" in word}))
        agreeing = agreement(strassenc, path, run, full, shape)
        cost = f"{report['multiplications']:,} / {report['dense_multiplications']:,}"
        return f"| {name} | imported{': ' + notes if notes else ''} | {cost} | {agreeing} |"


def agreement(strassenc: str, path: Path, run: Path, full: Path, shape: tuple[int, ...]) -> str:
    """How many images the ordinary network classifies as ONNX Runtime does."""
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, *shape)).astype(np.float32) / 256
    session = onnxruntime.InferenceSession(path)
    outputs = session.run(None, {session.get_inputs()[0].name: images})[0]
    labels = outputs.reshape(IMAGES, -1).argmax(1)
    data = path.parent / "data"
    data.mkdir()
    images = np.moveaxis(images, 1, -1)
    # All classes have to be among the samples that are trained on: here none is.
    for part, values in (("train", np.arange(IMAGES) % 10), ("test", labels)):
        np.save(data / f"x_{part}.npy", images.reshape(IMAGES, -1))
        np.save(data / f"y_{part}.npy", values.astype(np.int64))
    words = ["--full-precision", "--from", run / "teacher.safetensors", "--epochs", "0", "--json"]
    words += ["--data", f"npy:{data}", "-o", full]
    command = [strassenc, "train", run / "network.toml", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    accuracy = json.loads(done.stdout)["test_accuracy_float"]
    return f"{round(accuracy * IMAGES)} of {IMAGES}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="networks whose name has this in it")
    parser.add_argument("--strassenc", default=str(ROOT / "target/release/strassenc"))
    args = parser.parse_args()
    print("| network | what becomes of it | multiplications / dense | as ONNX Runtime |")
    print("|---|---|---|---|")
    for name in NETWORKS:
        if not args.only or args.only.lower() in name.lower():
            print(line(name, args.strassenc), flush=True)


main()
