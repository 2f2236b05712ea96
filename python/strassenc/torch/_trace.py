"""What a network computes, operation by operation, with the shapes of samples.

`torch.fx` writes down what `forward` calls, modules and functions alike; each operation becomes the
module that does the same, so that `F.relu` and `nn.ReLU` are one thing to all who read this.
"""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Size, Tensor, fx, nn

from .._error import Error
from ._layers import (
    SPN,
    SPNConv1d,
    SPNConv2d,
    SPNConvTranspose1d,
    SPNConvTranspose2d,
    SPNLinear,
    grows_otherwise,
    pair,
)
from ._recurrent import SPNGRU, SPNLSTM, Recurrent

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
"""What SPNs take the place of; and of the gates of these."""
RECURRENT = (nn.LSTM, nn.GRU)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
OURS = (SPNLinear, SPNConv1d, SPNConv2d, SPNConvTranspose1d, SPNConvTranspose2d)
OURS_RECURRENT = (SPNLSTM, SPNGRU)
ACTIVATIONS = (nn.ReLU, nn.Hardtanh, nn.LeakyReLU, nn.Sigmoid, nn.Tanh)
"""A ReLU6 is one of them, a Hardtanh."""
_NOTHING = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)
_ALONG = {
    nn.MaxPool1d: nn.MaxPool2d,
    nn.AvgPool1d: nn.AvgPool2d,
    nn.AdaptiveAvgPool1d: nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool1d: nn.AdaptiveMaxPool2d,
}
"""Poolings along signals, and those of images that do the same on one row."""
_POOLS = (*_ALONG, *_ALONG.values())


class Turn(nn.Module):
    """Lays a signal `[n, channels, T]` as `[n, T, channels]`, or the other way round."""


class Last(nn.Module):
    """The last step of a signal."""


class Reverse(nn.Module):
    """A signal from its end."""


_FREE = (*_NOTHING, nn.Flatten, Turn)
PICKS = (nn.MaxPool2d, nn.Upsample, Last, Reverse)
"""What yields some of the values that enter, with which a function of each that grows commutes."""
_BY_STEPS = (nn.Linear, SPNLinear, *RECURRENT, *OURS_RECURRENT)
"""What reads `[n, T, channels]`."""
_IN_TEXTS = (nn.Embedding, *_BY_STEPS, nn.ReLU, nn.Flatten, *_NOTHING)
_BY_CHANNELS: tuple[Any, ...] = (
    *(nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, SPNConv1d, SPNConvTranspose1d),
    *(*_ALONG, nn.Upsample),
)
"""What reads `[n, channels, T]`."""
_KNOWN: tuple[type[nn.Module], ...] = (
    *(*LINEAR, *RECURRENT, *NORMS, *OURS, *OURS_RECURRENT, nn.Embedding, *ACTIVATIONS),
    *(*_POOLS, nn.Upsample, nn.Flatten, *_NOTHING),
)
UNDERSTOOD = (
    "understood are Linear, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, LSTM, GRU, their "
    "SPNs, Embedding, batch norms, ReLU, ReLU6, Hardtanh from 0, LeakyReLU, Sigmoid, Tanh, "
    "poolings, upsampling, the last step and the reverse of a signal, flattening, dropout, sums "
    "and concatenations of branches, as modules or as functions"
)


@dataclass(eq=False)
class Step:
    """An operation: the module that does it, what it reads, the shapes of what enters and leaves.

    `name` is that of the module in the network; a function has none. `join` says how several
    values become one. `image` is the shape of an image, or of that which a vector is flattened
    from; a signal is one of a single row. `turned` where its channels come last.
    """

    place: str
    module: nn.Module
    name: str | None
    reads: list[Step]
    x: Size
    y: Size
    join: Literal["residual", "concat"] | None = None
    image: tuple[int, int, int] | None = None
    turned: bool = False

    def __post_init__(self) -> None:
        # The nearest step that all ways from the input lead through, and how many such there are.
        self.fork = self.reads[0] if self.reads else self
        for other in self.reads[1:]:
            while self.fork is not other:
                if self.fork.depth >= other.depth:
                    self.fork = self.fork.fork
                else:
                    other = other.fork
        self.depth: int = self.fork.depth + 1 if self.reads else 0


@dataclass
class Join:
    """Branches over one value, and the step in which they end."""

    step: Step
    branches: list[Chain]


Chain = list[Step | Join]
"""Steps, each of which reads what the one before yields."""


@dataclass
class Traced:
    """A network's operations, as they come, and as a chain."""

    graph: fx.GraphModule
    steps: list[Step]
    chain: Chain
    turned: bool
    """Whether what enters are signals `[n, T, channels]`."""

    def norms(self) -> dict[str, str]:
        """The names of linear layers with a norm directly behind them, and its name."""
        return {
            step.reads[0].name: step.name
            for step in self.steps
            if isinstance(step.module, NORMS) and step.name and step.reads[0].name
        }


class _Tracer(fx.Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.record_stack_traces = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # A module of the user's own may be one of those that are known, with more in it.
        known = next((kind for kind in _KNOWN if isinstance(m, kind)), None)
        if known is not None and type(m).forward is known.forward:
            return True
        return super().is_leaf_module(m, module_qualified_name)


class _Shapes(fx.Interpreter):
    """Runs a graph, and keeps the shapes of what its nodes yield."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.shapes: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        # An LSTM yields its state, too.
        shown = value[0] if isinstance(value, tuple) and value else value
        self.shapes[n] = shown.shape if isinstance(shown, Tensor) else None
        return value


def _graph(net: nn.Module) -> fx.GraphModule:
    """What the network calls in evaluation mode, for its first argument."""
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    others = [p for p in signature(net.forward).parameters.values() if p.kind not in several][1:]
    given = {p.name: p.default for p in others if p.default is not Parameter.empty}
    if len(given) < len(others):
        raise Error("input", "network", "takes more than one argument", "give the others defaults")
    try:
        graph = _Tracer().trace(net, given)
    except Exception as e:  # What forward does with a value that stands for all values may fail.
        cause = f"cannot be followed: {e}"
        help = "in forward, decide nothing by what is in a tensor, nor by its shape"
        raise Error("input", "network", cause, help) from e
    module = fx.GraphModule(net, graph)
    # Of several results, such as a state, the first; and what leads there.
    output = next(node for node in graph.nodes if node.op == "output")
    output.args = (_first(output.args[0]),)
    graph.eliminate_dead_code()
    return module


def _first(y: Any) -> Any:
    return y[0] if isinstance(y, (tuple, list)) else y


def trace(net: nn.Module, x: Tensor, begins: bool) -> Traced:
    """The operations that lead from `x` to the first thing that the network yields.

    All that is not understood is named at once; `begins` where SPNs shall take the place of its
    linear layers.
    """
    training = net.training
    net.eval()
    try:
        graph = _graph(net)
        shapes = _Shapes(graph)
        with torch.no_grad():
            due, followed = _first(net(x)), shapes.run(x)
    finally:
        net.train(training)
    reader = _Reader(graph, shapes.shapes)
    steps, last = reader.steps()
    chain = reader.chain(steps[0], last)
    reader.check(steps, chain, begins)
    reader.raise_problems()
    if not torch.allclose(due, followed, rtol=1e-2, atol=1e-3 * float(due.abs().max())):
        cause = "yields something else than what it calls: it changes values in place, or by chance"
        raise Error("input", "network", cause, "write `y = y + x`, not `y += x`")
    return Traced(graph, steps[1:], chain, steps[0].turned)


def _pool(*names: str) -> tuple[str, ...]:
    return ("kernel_size", "stride", "padding", *names)


def _clamp(min: Any = None, max: Any = None) -> nn.Module:
    """What limits values to a range that begins with 0."""
    if max is None and min == 0:
        return nn.ReLU()
    return nn.Hardtanh(-math.inf if min is None else min, math.inf if max is None else max)


_SAME_SHAPE: Callable[..., nn.Module] = lambda **_: nn.Identity()  # noqa: E731
_FUNCTIONS: list[tuple[tuple[Any, ...], Callable[..., nn.Module], tuple[str, ...]]] = [
    ((F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"), nn.ReLU, ("inplace",)),
    ((F.relu6,), nn.ReLU6, ("inplace",)),
    ((F.hardtanh, F.hardtanh_), nn.Hardtanh, ("min_val", "max_val", "inplace")),
    ((torch.clamp, torch.clip, "clamp", "clip"), _clamp, ("min", "max")),
    ((F.leaky_relu, F.leaky_relu_), nn.LeakyReLU, ("negative_slope", "inplace")),
    ((F.sigmoid, torch.sigmoid, "sigmoid"), nn.Sigmoid, ()),
    ((F.tanh, torch.tanh, "tanh"), nn.Tanh, ()),
    (
        (F.max_pool2d, torch.max_pool2d),
        nn.MaxPool2d,
        _pool("dilation", "ceil_mode", "return_indices"),
    ),
    (
        (F.max_pool1d, torch.max_pool1d),
        nn.MaxPool1d,
        _pool("dilation", "ceil_mode", "return_indices"),
    ),
    (
        (F.avg_pool2d,),
        nn.AvgPool2d,
        _pool("ceil_mode", "count_include_pad", "divisor_override"),
    ),
    ((F.avg_pool1d,), nn.AvgPool1d, _pool("ceil_mode", "count_include_pad")),
    ((F.adaptive_avg_pool2d,), nn.AdaptiveAvgPool2d, ("output_size",)),
    ((F.adaptive_avg_pool1d,), nn.AdaptiveAvgPool1d, ("output_size",)),
    ((F.adaptive_max_pool2d,), nn.AdaptiveMaxPool2d, ("output_size", "return_indices")),
    ((F.adaptive_max_pool1d,), nn.AdaptiveMaxPool1d, ("output_size", "return_indices")),
    ((F.interpolate,), nn.Upsample, ("size", "scale_factor", "mode", "align_corners")),
    ((F.dropout, F.dropout1d, F.dropout2d, "contiguous", "clone"), _SAME_SHAPE, ("p",)),
]
"""Functions and methods, the modules that do the same, and the names of further arguments."""
_SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
_CONCATENATIONS = (torch.cat, torch.concat, torch.concatenate)
_RESHAPES = (torch.flatten, torch.reshape, "flatten", "view", "reshape", torch.squeeze, "squeeze")
_MEANS = (torch.mean, "mean")
_TURNS = (torch.transpose, torch.swapaxes, "transpose", "swapaxes")
_ORDERS = (torch.permute, "permute")
_REVERSES = (torch.flip, "flip")


class _Reader:
    """Makes steps of the nodes of a graph, and notes what is not understood."""

    def __init__(self, graph: fx.GraphModule, shapes: dict[fx.Node, Any]) -> None:
        self.graph, self.shapes = graph, shapes
        self.modules = dict(graph.named_modules())
        self.order = {node: number for number, node in enumerate(graph.graph.nodes)}
        self.problems: dict[str, str] = {}
        # Whether values of three axes are signals, and not sequences.
        self.signals = False
        self.walked: set[Step] = set()

    def problem(self, place: str, cause: str) -> None:
        """Notes the first thing that is wrong at a place."""
        self.problems.setdefault(place, cause)

    def raise_problems(self) -> None:
        """Raises one error for all that was noted."""
        if not self.problems:
            return
        places = [f"{place} {cause}" for place, cause in self.problems.items()]
        if len(places) == 1:
            ((place, cause),) = self.problems.items()
        else:
            cause = f"{len(places)} places are not ours:\n  " + "\n  ".join(places)
            place = "network"
        raise Error("input", place, cause, UNDERSTOOD)

    def place(self, node: fx.Node) -> str:
        """What a message calls a node."""
        if node.op == "call_module":
            return f"module `{node.target}`"
        frames = re.findall(r'File "(.+)", line (\d+), in', node.stack_trace or "")
        torch_ = f"{Path(torch.__file__).parent}{os.sep}"
        own = [(file, line) for file, line in frames if not file.startswith(torch_)]
        at = f" ({own[-1][0]}, line {own[-1][1]})" if own else ""
        name = node.target if isinstance(node.target, str) else node.name.rstrip("_0123456789")
        return f"`{name}`{at}"

    def steps(self) -> tuple[list[Step], Step]:
        """The input and the steps from it on, and the one that the network yields."""
        known: dict[fx.Node, Step] = {}
        last = None
        for node in self.graph.graph.nodes:
            if node.op == "placeholder" and not known:
                shape = self.shapes[node]
                self.signals = len(shape) == 3
                turned = self.signals and self.is_by_steps(node)
                own = (shape, shape, None, self.image(shape, turned), turned)
                known[node] = Step("the input", nn.Identity(), None, [], *own)
            elif node.op == "output":
                last = known.get(node.args[0])
            else:
                reads = [known[read] for read in node.all_input_nodes if read in known]
                # What has no shape is a number, such as a size.
                if reads and self.shapes[node] is not None:
                    known[node] = self.step(node, reads)
        if last is None or last.depth == 0:
            raise Error("input", "network", "yields nothing that it computes from its input")
        return list(known.values()), last

    def is_by_steps(self, signal: fx.Node) -> bool:
        """Whether a signal is `[n, T, channels]`: as what reads it first takes it."""
        ahead = [(user, True) for user in signal.users]
        seen = set(signal.users)
        for node, as_it_is in ahead:  # Grows meanwhile.
            module = self.modules.get(str(node.target)) if node.op == "call_module" else None
            makes = [make for functions, make, _ in _FUNCTIONS if node.target in functions]
            if isinstance(module, _BY_STEPS):
                return as_it_is
            if isinstance(module, _BY_CHANNELS) or any(make in _BY_CHANNELS for make in makes):
                return not as_it_is
            as_it_is = as_it_is != _turns(node)
            ahead += [(user, as_it_is) for user in node.users if user not in seen]
            seen.update(node.users)
        return False

    def image(self, shape: Size, turned: bool) -> tuple[int, int, int] | None:
        """The shape of one image, where these are images or signals."""
        if len(shape) == 4:
            return (shape[1], shape[2], shape[3])
        if len(shape) == 3 and self.signals:
            return (shape[2], 1, shape[1]) if turned else (shape[1], 1, shape[2])
        return None

    def step(self, node: fx.Node, reads: list[Step]) -> Step:
        """The step of a node."""
        y: Size = self.shapes[node]
        place = self.place(node)
        step = Step(place, nn.Identity(), None, reads, reads[0].y, y)
        if node.op == "call_module":
            step.name = str(node.target)
            step.module = self.modules[step.name]
        elif node.target in _SUMS or node.target in _CONCATENATIONS:
            self.join(node, step)
        elif node.target is operator.getitem and isinstance(
            reads[0].module, (*RECURRENT, *OURS_RECURRENT)
        ):
            if node.args[1] != 0:
                last = "of a signal take y[:, -1] of what the layer yields"
                self.problem(place, f"reads a state, which goes on by itself: {last}")
        elif (module := self.module(node, step)) is not None:
            step.module = module
        else:
            self.problem(place, "is not understood")
        if len(reads) > 1 and step.join is None:
            self.problem(place, "reads several values that the network computes")
        if isinstance(step.module, (*RECURRENT, *OURS_RECURRENT)) and not self.begins(node):
            self.problem(place, "is given a state: it begins with zeros, which take none")
        if isinstance(step.module, _POOLS) and node.target not in _MEANS:
            step.module = self.pool(step)
        step.turned = reads[0].turned != isinstance(step.module, Turn)
        function = "" if step.name else getattr(node.target, "__name__", str(node.target))
        if getattr(step.module, "inplace", False) or function.endswith("_"):
            read = node.all_input_nodes[0]
            if any(self.order[user] > self.order[node] for user in read.users):
                self.problem(place, "changes in place what is read again later")
        if (image := self.image(y, step.turned)) is not None:
            step.image = image
        elif isinstance(step.module, (*_POOLS, Last)):
            step.image = (y[1], 1, 1)
        elif step.join != "concat" and not isinstance(step.module, (*LINEAR, *OURS)):
            step.image = reads[0].image
        return step

    @staticmethod
    def begins(node: fx.Node) -> bool:
        """Whether a recurrent layer is given no state."""
        given = [*node.args[1:], *node.kwargs.values()]
        return all(state is None for state in given)

    def join(self, node: fx.Node, step: Step) -> None:
        """A sum or a concatenation."""
        step.join = "residual" if node.target in _SUMS else "concat"
        values = node.args[:2] if step.join == "residual" else node.args[0]
        assert isinstance(values, (tuple, list))
        if len(step.reads) != len(values) or len(values) < 2:
            self.problem(step.place, "is not of values that the network computes, each another")
        shapes, turned = [read.y for read in step.reads], step.reads[0].turned
        images = {(read.image, read.turned) for read in step.reads}
        flat = len(step.y) == 2 and any(i is not None and i[1] * i[2] > 1 for i, _ in images)
        if len(step.y) == 3 and any(read.turned != turned for read in step.reads):
            self.problem(step.place, f"is of signals of two layouts, {_LAYOUTS}: turn one")
        if step.join == "residual":
            if node.kwargs or any(shape != step.y for shape in shapes):
                self.problem(step.place, "is not of values of one shape, each as it is")
            if flat and len(images) > 1:
                self.problem(step.place, "is of vectors and of an image that is flattened")
            return
        axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        due = 2 if turned and len(step.y) == 3 else 1
        if axis not in (due, due - len(step.y)) or len(step.y) == 3 and not self.signals:
            self.problem(step.place, f"is not along the channels, axis {due}")
        elif flat:
            self.problem(step.place, "is of flattened images: put it before the flattening")

    def module(self, node: fx.Node, step: Step) -> nn.Module | None:
        """The module that does what a function or a method does."""
        x, y = step.x, step.y
        images = len(x) == 4 or self.signals and len(x) == 3
        flattens = len(y) == 2 and y[0] == x[0] and (images or len(x) == 2)
        if node.target in _RESHAPES and (flattens or (len(x) == 3 and x[-1] == y[-1])):
            return nn.Flatten() if flattens else nn.Identity()
        further = list(node.args[1:])
        turned = step.reads[0].turned and len(x) == 3
        pixels = [1] if turned else list(range(2, len(x)))
        if node.target in _MEANS and images and _axes(node, "dim", len(x)) == pixels:
            return nn.AdaptiveAvgPool2d(1)
        if self.signals and len(x) == 3:
            if _turns(node):
                return Turn()
            if node.target in _REVERSES and _axes(node, "dims", 3) == pixels:
                return Reverse()
            if node.target is operator.getitem and _is_last(node.args[1], x, pixels[0]):
                # Of what has one step, such as a mean over all, there is nothing to take.
                return Last() if x[pixels[0]] > 1 else nn.Flatten()
        for functions, make, names in _FUNCTIONS:
            if node.target in functions:
                kwargs = {**dict(zip(names, further, strict=False)), **node.kwargs}
                return make(**{name: v for name, v in kwargs.items() if name in names})
        return None

    def pool(self, step: Step) -> nn.Module:
        """A pooling by what our descriptions say of one."""
        module = step.module
        along = isinstance(module, tuple(_ALONG))
        turned = step.reads[0].turned
        if len(step.x) != (3 if along else 4) or along and (turned or not self.signals):
            self.problem(step.place, "does not pool what it is for, [n, channels, sizes…]")
            return module
        size, out = tuple(step.x[2:]), tuple(step.y[2:])
        if along:
            module, size, out = _over_a_row(module), (1, *size), (1, *out)
        if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
            kernel = (size[0] // out[0], size[1] // out[1])
            if (kernel[0] * out[0], kernel[1] * out[1]) != size:
                self.problem(step.place, f"pools {size} pixels to {out}, no divisor")
            if isinstance(module, nn.AdaptiveMaxPool2d):
                return nn.MaxPool2d(kernel)
            return module if out == (1, 1) else nn.AvgPool2d(kernel)
        assert isinstance(module, (nn.MaxPool2d, nn.AvgPool2d))
        kernel, stride, pad = (pair(s) for s in (module.kernel_size, module.stride, module.padding))
        sizes = zip(size, kernel, stride, pad, strict=True)
        due = tuple((n + 2 * b - k) // s + 1 for n, k, s, b in sizes)
        if isinstance(module, nn.MaxPool2d):
            odd = module.return_indices or pair(module.dilation) != (1, 1)
        else:
            odd = bool(module.divisor_override) or not (module.count_include_pad or pad == (0, 0))
        if odd or out != due:
            self.problem(step.place, f"is {step.module}, of whose options only sizes have integers")
        return module

    def chain(self, first: Step, last: Step) -> Chain:
        """The steps from one to another, with branches where ways part and meet."""
        found: Chain = []
        while last is not first:
            if last in self.walked:
                self.problem(last.place, "is read in places that are no branches of one sum")
                break
            self.walked.add(last)
            if last.join is None:
                found.append(last)
                last = last.reads[0]
            else:
                found.append(Join(last, [self.chain(last.fork, read) for read in last.reads]))
                last = last.fork
        return found[::-1]

    def check(self, steps: list[Step], chain: Chain, begins: bool) -> None:
        """Notes what no description says."""
        flat = _flat(chain)
        names = [step.name for step in flat if list(step.module.parameters())]
        sequences = any(isinstance(step.module, nn.Embedding) for step in flat[:1])
        for step in flat:
            if step.name and names.count(step.name) > 1:
                self.problem(step.place, "is called in several places")
            if not begins and isinstance(step.module, (*LINEAR, *RECURRENT, *NORMS)):
                help = "has no integers: strassenc.torch.from_torch makes SPNs"
                self.problem(step.place, f"is a {type(step.module).__name__}, which {help}")
            elif step.join is None and (cause := _cause(step, steps)) is not None:
                self.problem(step.place, cause)
            elif sequences and not isinstance(step.module, _IN_TEXTS):
                self.problem(step.place, "is in a network of sequences, which has none of its kind")
            elif sequences and getattr(step.module, "bidirectional", False):
                self.problem(step.place, "goes along a text, whose end it does not know, both ways")
            elif not sequences and (cause := self.layout(step)) is not None:
                self.problem(step.place, cause)
        for item in _joins(chain):
            if item.step.join == "residual" and not any(map(ends_linearly, item.branches)):
                cause = "adds nothing that comes right from a linear layer"
                self.problem(item.step.place, cause)
            elif item.step.join == "concat" and not item.branches[0]:
                cause = "begins with what enters its branches: put that behind the others"
                self.problem(item.step.place, cause)
        if not ends_linearly(chain) or isinstance(_last(chain).module, NORMS):
            self.problem("the network", "does not end with a linear layer without a norm")

    def layout(self, step: Step) -> str | None:
        """What is wrong with the axes that a step outside of texts reads."""
        if not step.reads or step.join is not None:
            return None
        module, axes, turned = step.module, len(step.x), step.reads[0].turned
        if isinstance(module, nn.Embedding):
            return "is not the first layer of a network of sequences"
        if isinstance(module, (*RECURRENT, *OURS_RECURRENT)):
            if axes != 3 or not self.signals or not turned:
                return "does not read a signal [n, T, channels], as transpose(1, 2) makes one"
            if not module.batch_first:
                return "is not of batch_first=True, as signals [n, T, channels] are"
        elif isinstance(module, (nn.Linear, SPNLinear)) and axes > 2 and not turned:
            return f"reads {axes} axes: flatten what is before it, or turn a signal ({_LAYOUTS})"
        elif isinstance(module, _BY_CHANNELS) and axes == 3 and turned:
            return f"reads a signal [n, T, channels]: turn it ({_LAYOUTS})"
        return None


_LAYOUTS = "transpose(1, 2) makes [n, channels, T] of [n, T, channels], and back"


def _axes(node: fx.Node, name: str, count: int) -> list[int] | None:
    """The axes, of so many, that a function is given by their name or behind its operand."""
    given = node.kwargs.get(name, node.args[1:])
    given = given if isinstance(given, (tuple, list)) else (given,)
    if given and isinstance(given[0], (tuple, list)):
        given = given[0]
    # True may stand behind them: whether the axes stay.
    axes = [axis for axis in given if type(axis) is not bool]
    numbers = [axis % count for axis in axes if type(axis) is int]
    return sorted(numbers) if len(numbers) == len(axes) else None


def _turns(node: fx.Node) -> bool:
    """Whether a node swaps the last two of three axes."""
    if node.target in _TURNS:
        axes = [axis % 3 for axis in (*node.args[1:], *node.kwargs.values()) if type(axis) is int]
        return sorted(axes) == [1, 2]
    if node.target not in _ORDERS:
        return False
    given: Any = node.kwargs.get("dims", node.args[1:])
    given = given[0] if len(given) == 1 else given
    return [axis % 3 for axis in given if type(axis) is int] == [0, 2, 1]


def _is_last(index: Any, shape: Size, axis: int) -> bool:
    """Whether an index is that of the last element along this one axis."""
    given = list(index) if isinstance(index, tuple) else [index]
    whole = slice(None)
    if any(part is Ellipsis for part in given):
        at = next(i for i, part in enumerate(given) if part is Ellipsis)
        given[at : at + 1] = [whole] * (len(shape) - len(given) + 1)
    given += [whole] * (len(shape) - len(given))
    others = given[:axis] + given[axis + 1 :]
    return given[axis] in (-1, shape[axis] - 1) and all(part == whole for part in others)


def _last(chain: Chain) -> Step:
    """The last step that computes something."""
    steps = [item for item in chain if isinstance(item, Join) or not isinstance(item.module, _FREE)]
    last = (steps or chain)[-1]
    return last.step if isinstance(last, Join) else last


def ends_linearly(chain: Chain) -> bool:
    """Whether the last thing that it computes is a linear layer, with or without a norm."""
    return bool(chain) and isinstance(_last(chain).module, (*LINEAR, *NORMS, *OURS))


def _sums(step: Step) -> bool:
    """Whether a function of each element is behind sums: of a linear layer, or of branches."""
    before = step.reads[0]
    while before.join is None and before.reads and isinstance(before.module, (*_FREE, *PICKS)):
        before = before.reads[0]
    twice = isinstance(step.module, nn.ReLU) and isinstance(before.module, nn.ReLU)
    linear = isinstance(before.module, (*LINEAR, *NORMS, *OURS))
    return linear or twice or before.join is not None


def _joins(chain: Chain) -> list[Join]:
    """All joins of a chain, those in branches included."""
    joins = [item for item in chain if isinstance(item, Join)]
    return joins + [own for join in joins for branch in join.branches for own in _joins(branch)]


def _cause(step: Step, steps: list[Step]) -> str | None:
    """What is wrong with a step by itself."""
    module, axes = step.module, len(step.x)
    match module:
        case nn.Conv1d() | nn.Conv2d():
            padding = isinstance(module.padding, str) or module.padding_mode != "zeros"
            due = 3 if isinstance(module, nn.Conv1d) else 4
            if axes != due or padding:
                return f"is {module}: zeros as padding, in numbers, are ours"
            if module.groups > 1 and module.groups != module.in_channels:
                return f"has {module.groups} groups: 1, or as many as input channels, are ours"
        case nn.ConvTranspose1d() | nn.ConvTranspose2d():
            due = 3 if isinstance(module, nn.ConvTranspose1d) else 4
            if axes != due or set(module.dilation) != {1}:
                return f"is {module}: no dilation is ours"
            if module.groups > 1 and module.groups != module.in_channels:
                return f"has {module.groups} groups: 1, or as many as input channels, are ours"
            assert not isinstance(module.padding, str)
            more = module.output_padding
            return grows_otherwise(module.kernel_size, module.stride, module.padding, more)
        case nn.LSTM() | nn.GRU() if module.num_layers > 1 or module.proj_size:
            return "has layers or a projection: one recurrent layer behind another is ours"
        case nn.Hardtanh() if module.min_val != 0 or not 1e-6 <= module.max_val <= 1e6:
            return f"is {module}: limits of 0 and a positive number are ours"
        case nn.LeakyReLU() if leaky(module) is None:
            slope = f"has a slope of {module.negative_slope} below 0"
            return f"{slope}: powers of two are ours, 0.5 to 2^-15, such as 0.125"
        case _ if isinstance(module, ACTIVATIONS) and not _sums(step):
            return "is behind no linear layer, sum or concatenation"
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            before = step.reads[0]
            alone = sum(before in other.reads for other in steps) == 1
            if not isinstance(before.module, LINEAR) or not alone:
                return "normalises no linear layer: put it directly behind one"
            if module.running_mean is None:
                return "has no running statistics"
        case nn.Upsample():
            whole = all(n % m == 0 for n, m in zip(step.y[2:], step.x[2:], strict=True))
            if not module.mode.startswith("nearest") or not whole:
                return f"is {module}: the nearest pixel, each equally often, is ours"
        case nn.Flatten() if len(step.y) != 2:
            return "leaves more than samples and their elements"
        case _ if not isinstance(module, (*_KNOWN, Turn, Last, Reverse)):
            return f"is a {type(module).__name__}"
    return None


def leaky(module: nn.LeakyReLU) -> int | None:
    """k of a slope of 2^-k, where it is one of ours."""
    shifts = (k for k in range(1, 16) if module.negative_slope == 2.0**-k)
    return next(shifts, None)


def _over_a_row(pool: nn.Module) -> nn.Module:
    """The pooling of images that does to one row what this one does along a signal."""
    make: Any = next(images for signals, images in _ALONG.items() if isinstance(pool, signals))

    def row(size: Any, across: int) -> tuple[int, int]:
        return (across, size if isinstance(size, int) else size[0])

    match pool:
        case nn.AdaptiveAvgPool1d() | nn.AdaptiveMaxPool1d():
            made: nn.Module = make(row(pool.output_size, 1))
            return made
        case nn.MaxPool1d() | nn.AvgPool1d():
            sizes = (row(pool.kernel_size, 1), row(pool.stride, 1), row(pool.padding, 0))
            if isinstance(pool, nn.AvgPool1d):
                return nn.AvgPool2d(*sizes, count_include_pad=pool.count_include_pad)
            dilation = row(pool.dilation, 1)
            return nn.MaxPool2d(*sizes, dilation, return_indices=pool.return_indices)
    return pool


def _flat(chain: Chain) -> list[Step]:
    """All steps of a chain, those of branches included."""
    found = []
    for item in chain:
        if isinstance(item, Join):
            found += [step for branch in item.branches for step in _flat(branch)]
            found.append(item.step)
        else:
            found.append(item)
    return found
