"""Networks of other programs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import strassenc as sc
from strassenc import _strassenc

NETWORKS = Path(__file__).parents[2] / "tests" / "onnx"


def test_an_onnx_network_becomes_a_run(tmp_path: Path) -> None:
    nodes = sc.import_onnx(NETWORKS / "cnn.onnx", tmp_path / "run", ratio=2, name="small")
    assert [node["became"] for node in nodes if node["operator"] == "Gemm"] == [
        "dense_0",
        "dense_1",
    ]
    outputs = _strassenc.float_outputs(tmp_path / "run", np.zeros((3, 144), np.float32))
    assert outputs.shape == (3, 4)
    with pytest.raises(sc.Error, match="overwrite"):
        sc.import_onnx(NETWORKS / "cnn.onnx", tmp_path / "run")
    sc.import_onnx(NETWORKS / "cnn.onnx", tmp_path / "run", overwrite=True)


def test_a_model_is_exported_as_by_the_program(digits: sc.Model, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.onnx", tmp_path / "theirs.onnx"
    digits.save(tmp_path / "m.safetensors")
    digits.export(ours)
    digits.export(ours)
    command = [sys.executable, "-m", "strassenc", "export", str(tmp_path / "m.safetensors")]
    subprocess.run([*command, "-o", str(theirs)], check=True)
    assert ours.read_bytes() == theirs.read_bytes()
    with pytest.raises(sc.Error, match="folder|directory"):
        digits.export(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m.safetensors",
        "ours.onnx",
        "theirs.onnx",
    ]


def test_what_is_not_understood_is_named(tmp_path: Path) -> None:
    with pytest.raises(sc.Error, match="HardSwish: node `n_c`"):
        sc.import_onnx(NETWORKS / "refused" / "operators.onnx", tmp_path / "run")
    assert not (tmp_path / "run").exists()
