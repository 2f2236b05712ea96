"""Cores: compiled, reported, simulated, saved, as the command line does it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import strassenc as sc


def test_a_core_simulates_bit_for_bit_as_promised(
    digits: sc.Model, core: sc.Core, pixels: NDArray[np.int64]
) -> None:
    run = core.simulate(pixels)
    assert np.array_equal(run.outputs, digits.infer(pixels))
    promised = core.signature()
    assert (run.latency, run.ii) == (promised["latency"], promised["ii"])
    slow = core.simulate(pixels / 16.0, gaps=True, backpressure=True, seed=7)
    assert np.array_equal(slow.outputs, digits.infer(pixels / 16.0)) and slow.ii is None


def test_a_saved_core_is_the_one_that_the_program_writes(
    digits: sc.Model, core: sc.Core, tmp_path: Path
) -> None:
    core.save(tmp_path / "build")
    digits.save(tmp_path / "model.safetensors")
    program = [sys.executable, "-m", "strassenc", "verilog", "model.safetensors"]
    words = ["-o", "program", "--effort", "0"]
    subprocess.run([*program, *words], check=True, stdout=subprocess.DEVNULL, cwd=tmp_path)
    names = {path.name for path in (tmp_path / "build").iterdir()}
    assert names == {path.name for path in (tmp_path / "program").iterdir()}
    for name in names:
        ours = (tmp_path / "build" / name).read_bytes()
        assert ours == (tmp_path / "program" / name).read_bytes(), name


def test_the_report_is_one_in_json_text_and_html(core: sc.Core, tmp_path: Path) -> None:
    figures = core.report()
    assert figures["model"] == "digits" and figures["total"]["multiplications"] > 0
    assert str(figures["latency"]) in str(core)
    core.report_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<html" in page and 'data-figure="total.multiplications"' in page
    assert core._repr_html_().startswith("<iframe srcdoc=")


def test_options_reach_the_compiler(digits: sc.Model) -> None:
    core = digits.compile(
        device="xc7a35t", clock=150, target_fps=1_000_000, engine="folded", aclken=True
    )
    figures = core.report()
    assert figures["clock_mhz"] == 150 and figures["device"]["name"] == "xc7a35t"
    assert any(port["name"] == "aclken" for port in core.signature()["ports"])
    assert "--engine folded" in figures["options"]


def test_a_core_tells_the_best_classes_in_the_place_of_scores() -> None:
    described = {
        "name": "tiny",
        "input": {"shape": [4], "bits": 4, "frac": 2},
        "layers": [{"dense": {"units": 3}}],
    }
    x = np.random.default_rng(2).integers(0, 16, (40, 4))
    w = np.array([[1, -1, 0, 1], [0, 1, 1, -1], [-1, 0, 1, 0]], np.float64)
    model = sc.Model.from_arrays(described, {"dense_0": sc.Ternary(w)}, x / 4)
    core = model.compile(decide=["top=2"])
    assert core.signature()["decision"]["k"] == 2
    due = np.argsort(-model.infer(x), axis=1, kind="stable")[:, :2]
    assert np.array_equal(core.simulate(x).outputs, due)
    # Indices are integers, of real samples too.
    of_one = core.simulate(x[0] / 4, backpressure=True).outputs
    assert of_one.dtype == np.int64 and np.array_equal(of_one, due[0])


def test_an_impossible_option_is_named_as_the_parameter_that_it_is(digits: sc.Model) -> None:
    with pytest.raises(sc.Error) as told:
        digits.compile(max_depth=3, extra_depth=1)
    assert "max_depth=" in str(told.value) and "extra_depth=" in str(told.value)
    with pytest.raises(sc.Error, match="effort=.*9"):
        digits.compile(effort=9)
    with pytest.raises(sc.Error, match="clock=: -1 is not within"):
        digits.compile(clock=-1)


def test_what_cannot_be_simulated_is_told(core: sc.Core, pixels: NDArray[np.int64]) -> None:
    with pytest.raises(sc.Error, match="x: holds no sample"):
        core.simulate(pixels[:0])
    with pytest.raises(sc.Error, match="seed: is -1, not within 0 to"):
        core.simulate(pixels, seed=-1)
    with pytest.raises(sc.Error, match="threads: is 1025"):
        core.simulate(pixels, threads=1025)


def test_a_folder_of_somebody_else_is_left_alone(core: sc.Core, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(sc.Error, match="was not made by strassenc, so it is left alone"):
        core.save(tmp_path)
    core.save(tmp_path / "build")
    (tmp_path / "build" / "digits.v").write_text("edited")
    with pytest.raises(sc.Error) as told:
        core.save(tmp_path / "build")
    assert told.value.help and "overwrite=True" in told.value.help
    core.save(tmp_path / "build", overwrite=True)
    assert json.loads((tmp_path / "build" / "signature.json").read_text()) == core.signature()
