"""What a network computes, operation by operation, with the shapes of samples.

`torch.fx` writes down what `forward` calls, modules and functions alike; each operation becomes the
module that does the same, so that `F.relu` and `nn.ReLU` are one thing to all who read this.
"""

from __future__ import annotations

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
from ._layers import SPN, SPNConv1d, SPNConv2d, SPNLinear, pair
from ._recurrent import SPNLSTM

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.LSTM)
"""What SPNs take the place of."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
OURS = (SPNLinear, SPNConv1d, SPNConv2d, SPNLSTM)
_NOTHING = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)
_ALONG = {
    nn.MaxPool1d: nn.MaxPool2d,
    nn.AvgPool1d: nn.AvgPool2d,
    nn.AdaptiveAvgPool1d: nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool1d: nn.AdaptiveMaxPool2d,
}
"""Poolings along signals, and those of images that do the same on one row."""
_POOLS = (*_ALONG, *_ALONG.values())
_FREE = (*_NOTHING, nn.Flatten)
_OF_SEQUENCES = (nn.Embedding, nn.LSTM, SPNLSTM)
_AT_EACH_STEP = (nn.Linear, SPNLinear, nn.ReLU, *_FREE)
_KNOWN: tuple[type[nn.Module], ...] = (
    *(*LINEAR, *NORMS, *OURS, nn.Embedding, nn.ReLU),
    *(*_POOLS, nn.Upsample, nn.Flatten, *_NOTHING),
)
UNDERSTOOD = (
    "understood are Linear, Conv1d, Conv2d, LSTM, their SPNs, Embedding, batch norms, ReLU, "
    "poolings, upsampling, flattening, dropout, sums and concatenations of branches, as modules or "
    "as functions"
)


@dataclass(eq=False)
class Step:
    """An operation: the module that does it, what it reads, the shapes of what enters and leaves.

    `name` is that of the module in the network; a function has none. `join` says how several
    values become one. `image` is the shape of an image, or of that which a vector is flattened
    from; a signal is one of a single row.
    """

    place: str
    module: nn.Module
    name: str | None
    reads: list[Step]
    x: Size
    y: Size
    join: Literal["residual", "concat"] | None = None
    image: tuple[int, int, int] | None = None

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
    return Traced(graph, steps[1:], chain)


def _pool(*names: str) -> tuple[str, ...]:
    return ("kernel_size", "stride", "padding", *names)


_SAME_SHAPE: Callable[..., nn.Module] = lambda **_: nn.Identity()  # noqa: E731
_FUNCTIONS: list[tuple[tuple[Any, ...], Callable[..., nn.Module], tuple[str, ...]]] = [
    ((F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"), nn.ReLU, ("inplace",)),
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
                image = self.image(shape)
                known[node] = Step("the input", nn.Identity(), None, [], shape, shape, None, image)
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

    def image(self, shape: Size) -> tuple[int, int, int] | None:
        """The shape of one image, where these are images or signals."""
        if len(shape) == 4:
            return (shape[1], shape[2], shape[3])
        return (shape[1], 1, shape[2]) if len(shape) == 3 and self.signals else None

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
        elif node.target is operator.getitem and isinstance(reads[0].module, (nn.LSTM, SPNLSTM)):
            if node.args[1] != 0:
                self.problem(place, "reads the state of an LSTM, which goes on by itself")
        elif (module := self.module(node, step)) is not None:
            step.module = module
        else:
            self.problem(place, "is not understood")
        if len(reads) > 1 and step.join is None:
            self.problem(place, "reads several values that the network computes")
        if isinstance(step.module, _POOLS):
            step.module = self.pool(step)
        function = "" if step.name else getattr(node.target, "__name__", str(node.target))
        if getattr(step.module, "inplace", False) or function in ("relu_", "add_"):
            read = node.all_input_nodes[0]
            if any(self.order[user] > self.order[node] for user in read.users):
                self.problem(place, "changes in place what is read again later")
        if (image := self.image(y)) is not None:
            step.image = image
        elif isinstance(step.module, _POOLS):
            step.image = (y[1], 1, 1)
        elif step.join != "concat" and not isinstance(step.module, (*LINEAR, *OURS)):
            step.image = reads[0].image
        return step

    def join(self, node: fx.Node, step: Step) -> None:
        """A sum or a concatenation."""
        step.join = "residual" if node.target in _SUMS else "concat"
        values = node.args[:2] if step.join == "residual" else node.args[0]
        assert isinstance(values, (tuple, list))
        if len(step.reads) != len(values) or len(values) < 2:
            self.problem(step.place, "is not of values that the network computes, each another")
        shapes, images = [read.y for read in step.reads], {read.image for read in step.reads}
        flat = len(step.y) == 2 and any(i is not None and i[1] * i[2] > 1 for i in images)
        if step.join == "residual":
            if node.kwargs or any(shape != step.y for shape in shapes):
                self.problem(step.place, "is not of values of one shape, each as it is")
            if flat and len(images) > 1:
                self.problem(step.place, "is of vectors and of an image that is flattened")
            return
        axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        if axis not in (1, 1 - len(step.y)) or len(step.y) == 3 and not self.signals:
            self.problem(step.place, "is not along the channels, axis 1")
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
        if node.target in _MEANS and images and y in (x[:2], (*x[:2], *[1] * (len(x) - 2))):
            return nn.AdaptiveAvgPool1d(1) if len(x) == 3 else nn.AdaptiveAvgPool2d(1)
        for functions, make, names in _FUNCTIONS:
            if node.target in functions:
                kwargs = {**dict(zip(names, further, strict=False)), **node.kwargs}
                return make(**{name: v for name, v in kwargs.items() if name in names})
        return None

    def pool(self, step: Step) -> nn.Module:
        """A pooling by what our descriptions say of one."""
        module = step.module
        along = isinstance(module, tuple(_ALONG))
        if len(step.x) != (3 if along else 4) or along and not self.signals:
            self.problem(step.place, "does not pool what it is for, [n, channels, sizes…]")
            return module
        size, out = tuple(step.x[2:]), tuple(step.y[2:])
        if along:
            module, size, out = _over_a_row(module), (1, *size), (1, *out)
        if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
            # A mean over all may have lost its axes.
            out = (1, 1) if len(step.y) == 2 else out
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
            if not begins and isinstance(step.module, (*LINEAR, *NORMS)):
                help = "has no integers: strassenc.torch.from_torch makes SPNs"
                self.problem(step.place, f"is a {type(step.module).__name__}, which {help}")
            elif step.join is None and (cause := _cause(step, steps)) is not None:
                self.problem(step.place, cause)
            elif isinstance(step.module, _OF_SEQUENCES) and not sequences:
                self.problem(step.place, "is not behind an Embedding, with which sequences begin")
            elif sequences and not isinstance(step.module, (*_OF_SEQUENCES, *_AT_EACH_STEP)):
                self.problem(step.place, "is in a network of sequences, which has none of its kind")
            elif isinstance(step.module, (nn.Linear, SPNLinear)) and self.image(step.x):
                self.problem(step.place, f"reads {len(step.x)} axes: flatten what is before it")
        for item in _joins(chain):
            if item.step.join == "residual" and not any(map(ends_linearly, item.branches)):
                cause = "adds nothing that comes right from a linear layer"
                self.problem(item.step.place, cause)
            elif item.step.join == "concat" and not item.branches[0]:
                cause = "begins with what enters its branches: put that behind the others"
                self.problem(item.step.place, cause)
        if not ends_linearly(chain) or isinstance(_last(chain).module, NORMS):
            self.problem("the network", "does not end with a linear layer without a norm")


def _last(chain: Chain) -> Step:
    """The last step that computes something."""
    steps = [item for item in chain if isinstance(item, Join) or not isinstance(item.module, _FREE)]
    last = (steps or chain)[-1]
    return last.step if isinstance(last, Join) else last


def ends_linearly(chain: Chain) -> bool:
    """Whether the last thing that it computes is a linear layer, with or without a norm."""
    return bool(chain) and isinstance(_last(chain).module, (*LINEAR, *NORMS, *OURS))


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
        case nn.LSTM() if module.num_layers > 1 or module.bidirectional or module.proj_size:
            return "has layers, directions or a projection: one LSTM behind another is ours"
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            before = step.reads[0]
            alone = sum(before in other.reads for other in steps) == 1
            if not isinstance(before.module, (nn.Linear, nn.Conv1d, nn.Conv2d)) or not alone:
                return "normalises no linear layer: put it directly behind one"
            if module.running_mean is None:
                return "has no running statistics"
        case nn.Upsample():
            whole = all(n % m == 0 for n, m in zip(step.y[2:], step.x[2:], strict=True))
            if not module.mode.startswith("nearest") or not whole:
                return f"is {module}: the nearest pixel, each equally often, is ours"
        case nn.Flatten() if len(step.y) != 2:
            return "leaves more than samples and their elements"
        case _ if not isinstance(module, _KNOWN):
            return f"is a {type(module).__name__}"
    return None


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
