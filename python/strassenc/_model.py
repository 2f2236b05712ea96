"""Models and cores."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import fspath
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _strassenc
from ._arrays import Ternary, described
from ._error import Error
from ._words import Path, as_words


def resume(folder: Path) -> Model:
    """Goes on with a run to its end, as `strassenc train --resume` does, and yields its model."""
    native = _strassenc.go_on(fspath(folder))
    if native is None:
        cause = "is a run in full precision, which has no integers"
        raise Error("input", fspath(folder), cause)
    return Model._of(native)


class Model:
    """An integer network: what training ends in, golden computes and cores equal bit for bit."""

    _native: _strassenc.Model

    def __init__(self) -> None:
        raise TypeError("a model is made by Model.load or Model.from_arrays")

    @classmethod
    def _of(cls, native: _strassenc.Model) -> Model:
        model = cls.__new__(cls)
        model._native = native
        return model

    @classmethod
    def load(cls, path: Path) -> Model:
        """The model in a run folder of `strassenc train`, or in a `.safetensors` file."""
        return cls._of(_strassenc.Model.load(fspath(path)))

    @classmethod
    def from_arrays(
        cls, description: Mapping[str, Any], weights: Mapping[str, Ternary], x: ArrayLike
    ) -> Model:
        """The integer network of ternary layers that were trained elsewhere, without training.

        `description` has the keys of a `net.toml`, its linear layers without `r` and `p`; `weights`
        has the arrays of each, by name (`dense_0`, `conv_0`, …, counted by kind); samples `x`,
        `[n, *shape]` of real values, decide the formats of the values between the layers.

            model = sc.Model.from_arrays(
                {
                    "name": "mlp",
                    "input": {"shape": [64], "bits": 8, "frac": 8},
                    "layers": [{"dense": {"units": 32}}, "relu", {"dense": {"units": 10}}],
                },
                {"dense_0": sc.Ternary(w0, scale0, bias0), "dense_1": sc.Ternary(w1, scale1)},
                x,
            )
        """
        whole, layers = described(description, weights)
        samples = np.asarray(x, np.float64)
        elements = _elements(whole)
        if samples.size == 0 or samples.size % elements:
            cause = f"has the shape {list(samples.shape)}"
            help = f"give one sample at least, each of {elements} elements"
            raise Error("input", "from_arrays, x", cause, help)
        flat = samples.reshape(-1, elements)
        return cls._of(_strassenc.Model.from_arrays(json.dumps(whole), layers, flat))

    def save(self, path: Path) -> None:
        """Writes the model file, in the place of one that is there; every command takes it."""
        self._native.save(fspath(path))

    def export(self, path: Path) -> None:
        """Writes the integer network as ONNX, as `strassenc export` does, in the place of a file
        that is there: `x`, int64 `[samples, elements]`, integers of the input's format, and `y`,
        int64 `[samples, outputs]`, which are golden's in every runtime."""
        self._native.export(fspath(path))

    @property
    def name(self) -> str:
        """The name of the network, which its Verilog module has too."""
        return self._native.name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of a sample, of an image (height, width) or (height, width, channels); of a
        network of several inputs that of what enters its first layer."""
        return tuple(self._native.input_shape)

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of each input by name: `x`, then `x_NAME` of each further one."""
        return {name: tuple(shape) for name, shape in self._native.inputs}

    @property
    def outputs(self) -> int:
        """The number of outputs: those of the last layer, then those of each head."""
        return self._native.outputs

    @property
    def sha256(self) -> str:
        """The hash that stands in the model file and in all that is made of it."""
        return self._native.sha256

    def __repr__(self) -> str:
        signed, bits, frac = self._native.input_format
        format = f"{'s' if signed else 'u'}{bits} · 2^{-frac}"
        return f"<Model {self.name}: {self.input_shape} of {format} → {self.outputs}>"

    def infer(self, x: ArrayLike | Mapping[str, ArrayLike]) -> NDArray[Any]:
        """Golden's outputs: `[n, outputs]` for samples `[n, *input_shape]`, `[outputs]` for one.

        Integers are those of the input's format, and so are the outputs (int64); floats are real
        values, which are rounded to that format, and the outputs are real values (float64). Samples
        may be flat, `[n, elements]`; channels of images come last. The samples of a network of
        sequences are one sequence; of several, `[sequences, n, *input_shape]`, the outputs are
        `[sequences, n, outputs]`. Of a network of several inputs `x` has the array of each by the
        names of `inputs`, or flat samples with the elements of each in turn.
        """
        samples = _Samples(self._native, x, "infer")
        return samples.outputs(self._native.infer(samples.integers, samples.length))

    def steps(self) -> Model:
        """The model of one step of a model of signals, as `strassenc verilog --steps` compiles it.

        It takes the channels of a step, and yields at each what this one yields of the steps until
        then: `model.steps().infer(x)[:, -1]` for signals x, `[signals, time, channels]`, is what
        this one makes of them. Its core keeps the state, and `tuser` begins a signal.
        """
        return Model._of(self._native.steps())

    def compile(
        self,
        *,
        device: str | None = None,
        clock: float | None = None,
        target_fps: float | None = None,
        lut_budget: int | None = None,
        bram_budget: int | None = None,
        dsp_budget: int | None = None,
        multipliers: Literal["dsp", "shift-add", "auto"] | None = None,
        multiplier_latency: int | None = None,
        engine: Literal["auto", "unrolled", "folded"] | None = None,
        engines: Path | None = None,
        adders_per_stage: int | None = None,
        effort: int | None = None,
        time_limit: float | None = None,
        seed: int | None = None,
        max_depth: int | None = None,
        extra_depth: int | None = None,
        adder_operands: int | None = None,
        cost: Literal["adders", "lut-bits"] | None = None,
        beat_elements: int | None = None,
        input_bits: int | None = None,
        output_bits: int | None = None,
        frames: Literal["tlast", "count"] | None = None,
        aclken: bool = False,
        decide: str | Sequence[str] | None = None,
        anyway: bool = False,
    ) -> Core:
        """Lowers, proves, schedules and emits the model.

        The parameters are the options of `strassenc verilog`, whose `--help` says what each is
        for; `None` is its default. `clock` is in MHz, `target_fps` frames a second. A compile of
        more than minutes warns first, one of hours needs `anyway`.
        """
        words = as_words(locals(), "self", "anyway")
        return Core._of(self._native.compile(words, anyway), self._native)


@dataclass(frozen=True)
class Simulation:
    """What came of a simulation, every output of which was golden's."""

    outputs: NDArray[Any]
    """As `Model.infer` gives them; of a core that was compiled with `decide`, integers: what it
    tells of them."""
    latency: int
    """Clocks from a sample's last input beat to its first output beat, as promised."""
    ii: float | None
    """Clocks between samples at full rate; none of a single sample, or where pauses were asked
    for."""
    clocks: int
    """Clocks of all cores that ran side by side."""
    seconds: float
    """Seconds that the simulation took, without building the simulator."""


class Core:
    """A compiled core: proved Verilog, and what it costs. `print(core)` shows the report, and so
    does a notebook."""

    _native: _strassenc.Core
    _model: _strassenc.Model

    def __init__(self) -> None:
        raise TypeError("a core is made by Model.compile")

    @classmethod
    def _of(cls, native: _strassenc.Core, model: _strassenc.Model) -> Core:
        core = cls.__new__(cls)
        core._native, core._model = native, model
        return core

    def report(self) -> dict[str, Any]:
        """Every figure of the core, as `strassenc report BUILD --json` prints them."""
        figures: dict[str, Any] = json.loads(self._native.report())
        return figures

    def signature(self) -> dict[str, Any]:
        """The core's promises, as in `signature.json`: ports, formats, beats, latency, II."""
        promises: dict[str, Any] = json.loads(self._native.signature())
        return promises

    def report_html(self, path: Path) -> None:
        """Writes the report as one page without scripts, in the place of one that is there."""
        self._native.write_html(fspath(path))

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Writes the build folder, which `strassenc simulate`, `report` and `check` take.

        A build that is there is replaced, with `overwrite` also where its files were changed; a
        folder that holds anything else is left alone.
        """
        self._native.save(fspath(folder), overwrite)

    def simulate(
        self,
        x: ArrayLike | Mapping[str, ArrayLike],
        *,
        gaps: bool = False,
        backpressure: bool = False,
        pauses: bool = False,
        seed: int = 1,
        threads: int = 0,
    ) -> Simulation:
        """Streams samples, as `Model.infer` takes them, through the Verilog in Verilator, and
        compares every output with golden's.

        `gaps` and `backpressure` withhold `s_axis_tvalid` and `m_axis_tready` at random, `pauses`
        the clock enable of a core with `aclken`. `threads` cores run side by side, 0: one a
        processor. An output or a timing that is wrong is an `Error` of the kind `mismatch`, which
        names the first wrong signal.
        """
        if pauses and not any(port["name"] == "aclken" for port in self.signature()["ports"]):
            raise Error("input", "pauses", "needs a core with aclken", "compile(aclken=True)")
        for name, value, most in (("seed", seed, 2**64 - 1), ("threads", threads, 1024)):
            if not 0 <= value <= most:
                raise Error("input", name, f"is {value}, not within 0 to {most}")
        samples = _Samples(self._model, x, "simulate")
        if len(samples.integers) == 0:
            raise Error("input", "simulate, x", "holds no sample", "give one at least")
        ways = (gaps, backpressure, pauses)
        rows, latency, ii, clocks, seconds = self._native.simulate(
            samples.integers, samples.length, ways, seed, threads
        )
        promises = self.signature()
        ends = [promises, *promises.get("heads", [])]
        decides = any("decision" in end for end in ends)
        outputs = samples.rows(rows) if decides else samples.outputs(rows)
        return Simulation(outputs, latency, ii, clocks, seconds)

    def __repr__(self) -> str:
        return f"<Core {self.signature()['top']}>"

    def __str__(self) -> str:
        return self._native.text(100)

    def _repr_html_(self) -> str:
        page = html.escape(self._native.html())
        return f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0"></iframe>'


class _Samples:
    """Samples that a user gave, as the integers `[n, elements]` that a network takes."""

    def __init__(
        self,
        model: _strassenc.Model,
        given: ArrayLike | Mapping[str, ArrayLike],
        place: str,
    ) -> None:
        shapes = {name: tuple(shape) for name, shape in model.inputs}
        if isinstance(given, Mapping):
            given = _side_by_side(given, shapes, place)
        elements = sum(int(np.prod(shape)) for shape in shapes.values())
        # Of several inputs a sample is flat.
        x, shape = np.asarray(given), shapes["x"] if len(shapes) == 1 else (elements,)
        one = x.shape == shape or x.shape == (elements,)
        many = x.shape[1:] == shape or x.shape[1:] == (elements,)
        sequences = model.recurrent and not one and not many and x.shape[2:] == shape
        if not one and not many and not sequences:
            wanted = f"[n, {', '.join(map(str, shape))}]"
            help = f"give samples of that shape, flat ones, [n, {elements}], or one of them"
            if len(shape) == 3 and x.shape[-3:] == (shape[2], *shape[:2]):
                help = "channels come last: np.moveaxis(x, -3, -1)"
            cause = f"has the shape {list(x.shape)}, the network takes {wanted}"
            raise Error("input", f"{place}, x", cause, help)
        if x.dtype.kind not in "biuf":
            help = "give integers of the input's format, or floats, which are real values"
            raise Error("input", f"{place}, x", f"holds {x.dtype}, not numbers", help)
        self._one, self._real, self._fracs = one, x.dtype.kind == "f", model.output_fracs
        self._axes = x.shape[:2] if sequences else None
        x = x.reshape(-1, elements)
        self.length = self._axes[1] if self._axes else len(x)
        """The samples of a sequence."""
        if self._real:
            self.integers = model.integers(x.astype(np.float64))
        else:
            if x.dtype == np.uint64:
                # What is beyond 63 bits is beyond every format, too.
                x = np.minimum(x, np.uint64(np.iinfo(np.int64).max))
            self.integers = x.astype(np.int64)

    def outputs(self, integers: NDArray[np.int64]) -> NDArray[Any]:
        """The outputs, `[n, outputs]`, as the samples ask for them."""
        rows = self.rows(integers)
        return np.ldexp(rows, np.negative(self._fracs)) if self._real else rows

    def rows(self, integers: NDArray[np.int64]) -> NDArray[Any]:
        """A row for each sample, sequence by sequence where several were given; the row itself of
        one that was given alone."""
        if self._axes:
            return integers.reshape(*self._axes, integers.shape[1])
        row: NDArray[Any] = integers[0] if self._one else integers
        return row


def _elements(description: Mapping[str, Any]) -> int:
    """Elements of a sample, all inputs included."""

    def of(layers: Sequence[Any]) -> int:
        count = 0
        items = (item for layer in layers if isinstance(layer, dict) for item in layer.items())
        for kind, inner in items:
            if kind == "input":
                count += int(np.prod(inner["shape"]))
            elif isinstance(inner, dict):
                count += sum(of(inner.get(key, [])) for key in ("body", "shortcut", "layers"))
        return count

    return int(np.prod(description["input"]["shape"])) + of(description["layers"])


def _side_by_side(
    given: Mapping[str, ArrayLike], shapes: Mapping[str, tuple[int, ...]], place: str
) -> NDArray[Any]:
    """Samples with the elements of each input in turn, `[n, elements]`, or one, `[elements]`."""
    if given.keys() != shapes.keys():
        cause = f"has {', '.join(given) or 'nothing'}, the network takes {', '.join(shapes)}"
        raise Error("input", f"{place}, x", cause)
    arrays = {name: np.asarray(given[name]) for name in shapes}
    counts = set()
    for name, shape in shapes.items():
        own = arrays[name].shape
        if own[len(own) - len(shape) :] != shape or len(own) > len(shape) + 1:
            wanted = f"[n, {', '.join(map(str, shape))}]"
            cause = f"has the shape {list(own)}, the network takes {wanted}"
            raise Error("input", f"{place}, {name}", cause)
        counts.add(own[: len(own) - len(shape)])
    if len(counts) > 1:
        raise Error("input", f"{place}, x", "has other numbers of samples for some inputs")
    if len({array.dtype.kind == "f" for array in arrays.values()}) > 1:
        help = "give integers of each input's format, or real values of all"
        raise Error("input", f"{place}, x", "holds integers and floats", help)
    (count,) = counts
    return np.concatenate([array.reshape(*count, -1) for array in arrays.values()], axis=-1)
