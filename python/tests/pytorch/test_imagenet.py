"""The example for ImageNet, on two processes and generated images."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: python/tests/torch.sh")

import strassenc as sc  # noqa: E402
import strassenc.torch  # noqa: E402

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "examples/imagenet/train.py"


def started(out: Path, *more: str) -> "subprocess.Popen[str]":
    """Two processes, each of which may be killed once."""
    launch = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    sizes = ["--images", "256", "--batch", "32", "--epochs", "3", "2", "1", "--workers", "0"]
    recipe = ["--rates", "0.4", "0.2", "0.02", "--save-every", "3", *more]
    words = [*launch, SCRIPT, "--dry-run", "-o", out, *sizes, *recipe]
    command = [sys.executable, "-m", "torch.distributed.run", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process: "subprocess.Popen[str]") -> str:
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said


def worker(parent: int, rank: int) -> int:
    """The process of a rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, environment = (folder / "stat").read_text(), (folder / "environ").read_bytes()
        except OSError:
            continue
        own = int(stat.rpartition(")")[2].split()[1]) == parent
        if own and f"RANK={rank}".encode() in environment.split(b"\0"):
            return int(folder.name)
    raise AssertionError("there is no such process")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_two_processes_train_one_network_and_one_may_be_killed(tmp_path: Path) -> None:
    said = ended(started(tmp_path / "whole", "--export", "48"))
    assert "goes on" not in said
    process = started(tmp_path / "killed", "--export", "0")
    while not (tmp_path / "killed/checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.kill(worker(process.pid, 1), signal.SIGKILL)
    assert "goes on" in ended(process)

    whole, killed = (
        json.loads((tmp_path / name / "history.json").read_text()) for name in ("whole", "killed")
    )
    assert whole == killed
    assert [record["phase"] for record in whole] == ["full"] * 3 + ["ternary"] * 2 + ["frozen"]
    losses = [record["loss"] for record in whole]
    assert losses[0] > losses[1] > losses[2] and losses[3] > losses[4]
    for record in whole:
        assert len(record["weights"]) == 2 and len(set(record["weights"])) == 1
    states = [torch.load(tmp_path / name / "checkpoint.pt")["net"] for name in ("whole", "killed")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])

    model = sc.resume(tmp_path / "whole/run")
    assert model.infer(np.load(tmp_path / "whole/data/x_test.npy")[:2]).shape == (2, 10)


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("imagenet", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["imagenet"] = module
    spec.loader.exec_module(module)
    return module


def comparable(layers: list[Any], width: int = 1) -> list[Any]:
    """Layers with sizes as pairs, what is default in its place, channels times `width`, and without
    the rest."""
    found: list[Any] = []
    for layer in layers:
        if isinstance(layer, str):
            found.append(layer)
            continue
        ((kind, keys),) = layer.items()
        if kind == "residual":
            inside = {name: comparable(branch, width) for name, branch in keys.items() if branch}
            found.append({kind: inside})
            continue
        sizes = {name: keys.get(name, default) for name, default in (("stride", 1), ("pad", 0))}
        sizes |= {name: keys[name] for name in ("kernel", "size") if name in keys}
        pairs = {k: 2 * [v] if isinstance(v, int) else list(v) for k, v in sizes.items()}
        outputs = keys.get("units", width * keys.get("channels", 0))
        found.append({kind: {**pairs, "outputs": outputs}})
    return found


def test_the_network_is_st_resnet18() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
    assert loaded().ResNet18().conv1.out_channels == 64
    # An eighth as wide, on small images, it is made sooner.
    net, x = loaded().ResNet18(1000, 8), torch.rand(4, 3, 32, 32)
    layers, _ = sc.torch.describe(sc.torch.from_torch(net, x), x)
    due = tomllib.loads((ROOT / "runtime/networks/st-resnet18.toml").read_text())["layers"]
    assert comparable(layers, 8) == comparable(due)
