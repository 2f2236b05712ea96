#!/usr/bin/env python3
"""Makes the .onnx files beside it: networks as PyTorch exports them, and as others write them.

    python make.py        # torch 2.15, onnx 1.23, onnxscript 0.7

`tests/tests/import.rs` imports them; those in refused/ are refused there. `tests/tests/teachers.rs`
learns from all of them, and from that in teachers/.
"""

import gzip
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

HERE = Path(__file__).parent
NUMBERS = np.random.default_rng(1)


class Block(nn.Module):
    """A residual block, as of ResNet-20."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        self.short = nn.Identity() if same else short

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.short(x))


def by_torch() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Networks with the shapes of their inputs."""
    mlp = nn.Sequential(
        *(nn.Flatten(), nn.Linear(48, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(16, 8), nn.Linear(8, 4), nn.Softmax(1)),
    )
    cnn = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 4)),
    )
    groups = nn.Sequential(
        *(nn.Conv2d(3, 4, (3, 5), 2, (1, 2)), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1, groups=4)),
        *(nn.Conv2d(8, 6, 1), nn.ReLU6(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 6, 2, padding="same", groups=3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 4)),
    )
    signal = nn.Sequential(
        *(nn.Conv1d(2, 6, 5, 2, 2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.Conv1d(6, 8, 3, dilation=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()),
        nn.Linear(8, 4),
    )
    residual = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(Block(4, 4, 1), Block(4, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)),
    )
    return {
        "mlp": (mlp, (1, 6, 8)),
        "cnn": (cnn, (1, 12, 12)),
        "groups": (groups, (3, 12, 12)),
        "signal": (signal, (2, 40)),
        "residual": (residual, (3, 8, 8)),
    }


def hourglass() -> nn.Module:
    """Pixels are repeated, by scales and by sizes."""
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3, 2, 1), nn.Upsample(scale_factor=(2, 3)), nn.ReLU()),
        *(nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Upsample((12, 32)), nn.Conv2d(3, 3, 1), nn.ReLU()),
        *(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(72, 4)),
    )


def teacher() -> None:
    """A classifier of the digits, seven samples at a time, by operators that no import reads."""
    text = gzip.decompress((HERE / "../../runtime/data/digits.csv.gz").read_bytes())
    table = torch.tensor([[int(v) for v in line.split(b",")] for line in text.splitlines()])
    # Every fifth sample of a class is for tests.
    places = [int((table[:i, 64] == label).sum()) for i, label in enumerate(table[:, 64])]
    table = table[torch.tensor(places) % 5 != 4]
    x, labels = table[:, :64].reshape(-1, 1, 8, 8) / 16, table[:, 64]
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.Hardswish(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3), nn.Hardswish(), nn.Flatten(), nn.Linear(64, 10)),
    )
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(300):
        loss = nn.functional.cross_entropy(net(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print("the teacher's loss:", loss.item())
    net.append(nn.Softmax(1))
    program = torch.onnx.export(net.eval(), (x[:7],), opset_version=18)
    save(program.model_proto, HERE / "teachers" / "digits.onnx")


def export(name: str, net: nn.Module, shape: tuple[int, ...]) -> None:
    """Writes a network in evaluation mode, with norms that do something."""
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    samples = {0: torch.export.Dim("samples")}
    program = torch.onnx.export(
        net.eval(), (torch.rand(2, *shape),), opset_version=18, dynamic_shapes=(samples,)
    )
    save(program.model_proto, HERE / f"{name}.onnx")


def save(model: onnx.ModelProto, path: Path, data: str | None = None) -> None:
    """Writes a model without what PyTorch says of the machine it ran on."""
    graph = model.graph
    for part in [model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output]:
        for field in ("metadata_props", "doc_string"):
            part.ClearField(field)
    graph.ClearField("value_info")
    model.ClearField("functions")
    path.parent.mkdir(exist_ok=True)
    more = {"save_as_external_data": True, "location": data, "size_threshold": 64} if data else {}
    if data:
        (path.parent / data).unlink(missing_ok=True)
    onnx.save(model, path, **more)


def constants(**arrays: np.ndarray) -> list[TensorProto]:
    return [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]


def normal(*shape: int) -> np.ndarray:
    return (NUMBERS.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def model(
    shape: list[int | str], nodes: list[str], tensors: dict[str, np.ndarray], opset: int = 13
) -> onnx.ModelProto:
    """A model of nodes `output = Operator(input, …) key=value …`, from x to y."""
    made = []
    for line in nodes:
        output, _, rest = line.partition(" = ")
        operator, _, rest = rest.partition("(")
        inputs, _, keys = rest.partition(")")
        attributes = {key: eval(value) for key, value in (k.split("=") for k in keys.split())}
        inputs = [name.strip() for name in inputs.split(",")]
        made.append(helper.make_node(operator, inputs, [output], f"n_{output}", **attributes))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(made, "made", [x], [y], constants(**tensors))
    sets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8)


def by_hand() -> None:
    """Nodes that PyTorch's exporter does not write."""
    norm = {"s": normal(3) + 1, "b": normal(3), "m": normal(3), "v": normal(3) ** 2 + 0.5}
    nodes = [
        # Channels last, a norm of the input, and a norm with nothing linear before it.
        "t = Transpose(x) perm=[0,3,1,2]",
        "c = Sub(t, mean)",
        "d = Div(c, spread)",
        "bn = BatchNormalization(d, s, b, m, v) epsilon=0.01",
        # An uneven pad, and a kernel with holes.
        'e = Conv(bn, w0) auto_pad="SAME_UPPER" kernel_shape=[2,3]',
        "f = Relu(e)",
        "w1q = DequantizeLinear(w1, scale1, zero1) axis=0",
        "g = Conv(f, w1q, b1) dilations=[2,2] pads=[2,2,2,2] kernel_shape=[3,3]",
        # What enters comes first, so that channels are read in another order than they lie.
        "h = Concat(f, g) axis=1",
        "i = Relu(h)",
        "j = MaxPool(i) kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]",
        "k = Conv(j, w2) kernel_shape=[1,1]",
        "l = Relu(k)",
        "m1 = GlobalAveragePool(l)",
        "y = Squeeze(m1, axes)",
    ]
    tensors = {
        **norm,
        "mean": np.float32([[[[0.5]], [[0.4]], [[0.3]]]]),
        "spread": np.float32([[0.25]]),
        "w0": normal(4, 3, 2, 3),
        "w1": NUMBERS.integers(-127, 128, (5, 4, 3, 3)).astype(np.int8),
        "scale1": np.abs(normal(5)) / 200,
        "zero1": np.zeros(5, np.int8),
        "b1": normal(5),
        "w2": normal(4, 9, 1, 1),
        "axes": np.int64([2, 3]),
    }
    save(model(["n", 6, 7, 3], nodes, tensors), HERE / "hand.onnx")
    # Products with matrices, of pixels and of vectors, whose shapes are computed.
    nodes = [
        "a = MatMul(x, w0)",
        "b = Add(a, b0)",
        "c = Relu(b)",
        "s = Shape(x)",
        "s0 = Gather(s, first) axis=0",
        "s1 = Unsqueeze(s0, first1)",
        "s2 = Concat(s1, rest) axis=0",
        "d = Reshape(c, s2)",
        "e = MatMul(d, w1)",
        "f = Mul(e, two)",
        "g = Relu(f)",
        "y = Gemm(g, w2, b2) alpha=0.5 beta=2.0",
    ]
    tensors = {
        "w0": normal(3, 5),
        "b0": normal(5),
        "first": np.int64(0),
        "first1": np.int64([0]),
        "rest": np.int64([-1]),
        "w1": normal(50, 6),
        "two": np.float32(2),
        "w2": normal(6, 4),
        "b2": normal(4),
    }
    save(model(["n", 10, 3], nodes, tensors), HERE / "products.onnx", "products.data")


def activations() -> None:
    """Functions of each element, behind what has weights and behind what is picked of that."""
    nodes = [
        "a = Conv(x, w0) pads=[1,1,1,1]",
        "b = LeakyRelu(a) alpha=0.25",
        "c = Conv(b, w1)",
        "d = MaxPool(c) kernel_shape=[2,2] strides=[2,2]",
        "e = Tanh(d)",
        "f = Conv(e, w2)",
        "g = Clip(f, least, most)",
        "h = Concat(e, g) axis=1",
        "i = Sigmoid(h)",
        "j = Flatten(i)",
        "k = Gemm(j, w3, b3)",
        "l = Clip(k, least, six)",
        "y = Gemm(l, w4)",
    ]
    tensors = {
        "w0": 2 * normal(4, 2, 3, 3),
        "w1": 2 * normal(5, 4, 1, 1),
        "w2": 2 * normal(3, 5, 1, 1),
        "w3": 40 * normal(72, 6),
        "b3": 3 * normal(6),
        "w4": normal(6, 4),
        "least": np.float32(0),
        "most": np.float32(0.375),
        "six": np.float32(6),
    }
    save(model(["n", 2, 6, 6], nodes, tensors), HERE / "activations.onnx")


def growing() -> None:
    """Images and signals that grow: kernels that overlap or leave gaps, uneven pads, groups, norms
    behind them, and channels in another order."""
    norm = {"s": normal(4) + 1, "t": normal(4), "m": normal(4), "v": normal(4) ** 2 + 0.5}
    nodes = [
        "a = Conv(x, w0) pads=[1,1,1,1]",
        "b = Relu(a)",
        "c = Conv(b, w1)",
        "d = Relu(c)",
        "e = Concat(b, d) axis=1",
        "e1 = ConvTranspose(e, w6, b6) group=5 pads=[1,1,1,1]",
        "e2 = Relu(e1)",
        "f = ConvTranspose(e2, w2, b2) strides=[2,3] pads=[1,0,1,1]",
        "g = BatchNormalization(f, s, t, m, v)",
        "h = LeakyRelu(g) alpha=0.5",
        # Less is cut away behind than before, and more.
        "i = ConvTranspose(h, w3) strides=[2,2] pads=[0,2,2,0] group=2 dilations=[3,1]",
        "j = Relu(i)",
        'k = ConvTranspose(j, w4) strides=[1,2] auto_pad="SAME_UPPER" output_padding=[0,1]',
        "l = MaxPool(k) kernel_shape=[4,4] strides=[4,4]",
        "m1 = Relu(l)",
        "n = Flatten(m1)",
        "y = Gemm(n, w5)",
    ]
    tensors = {
        **norm,
        "w0": 2 * normal(3, 2, 3, 3),
        "w1": normal(2, 3, 1, 1),
        "w2": 2 * normal(5, 4, 4, 4),
        "b2": normal(4),
        "w3": 2 * normal(4, 3, 2, 4),
        "w4": 2 * normal(6, 2, 3, 2),
        "w5": normal(72, 4),
        "w6": normal(5, 1, 3, 3),
        "b6": normal(5),
    }
    save(model(["n", 2, 3, 4], nodes, tensors), HERE / "growing.onnx")
    nodes = [
        "a = ConvTranspose(x, w0) strides=[3] pads=[1,1] output_padding=[1]",
        "b = Relu(a)",
        "c = Conv(b, w1) strides=[2] pads=[1,1]",
        "d = Sigmoid(c)",
        "e = Flatten(d)",
        "y = Gemm(e, w2)",
    ]
    tensors = {"w0": normal(2, 3, 4), "w1": 2 * normal(4, 3, 3), "w2": normal(32, 4)}
    save(model(["n", 2, 5], nodes, tensors), HERE / "growing_signal.onnx")


def refused() -> None:
    """Networks that are no network of ours, each for one reason."""
    w, w3 = normal(4, 12), normal(4, 2, 3, 3)
    vector, image = ["n", 12], ["n", 2, 6, 6]
    conv = "a = Conv(x, w) pads=[1,1,1,1]"
    all_ = {
        "operators": (image, [conv, "b = Softplus(a)", "c = HardSwish(b)", "y = Elu(c)"], w3),
        "pool": (image, [conv, "y = MaxPool(a) kernel_shape=[3,3] strides=[2,2] ceil_mode=1"], w3),
        "clip": (image, [conv, "y = Clip(a, low, high)"], w3),
        "resize": (image, [conv, 'y = Resize(a, , scales) mode="linear"'], w3),
        "scales": (image, [conv, "b = Relu(a)", "y = Resize(b, , parts)"], w3),
        "batch": (vector, ["a = Gemm(x, w) transB=1", "y = Reshape(a, mixed)"], w),
        "computed": (image, ["y = Conv(x, x)"], w3),
        "sum": (image, [conv, "b = Relu(a)", "c = Conv(x, w) pads=[1,1,1,1]", "d = Relu(c)",
                        "y = Add(b, d)"], w3),
        "across": (image, [conv, "b = Relu(a)", "c = Conv(b, v)", "d = Relu(c)", "e = Conv(d, v)",
                           "f = Add(c, e)", "g = Relu(f)", "y = Add(b, g)"], w3),
        "shape": (["n", 2, "h", 6], [conv, "y = Relu(a)"], w3),
        "unknown": (image, [conv, "y = Add(a, nowhere)"], w3),
        "weight": (image, ["y = Conv(x, v)"], w3),
        "softmax": (image, [conv, "b = Softmax(a)", "y = Conv(b, v)"], w3),
        "twice": (image, [conv, "b = Tanh(a)", "c = LeakyRelu(b)", "y = Conv(c, v)"], w3),
        "slope": (image, [conv, "b = LeakyRelu(a) alpha=1.5", "y = Conv(b, v)"], w3),
        "input": (image, ["a = Tanh(x)", "y = Conv(a, w)"], w3),
        "grows": (image, [conv, "b = Relu(a)", "y = ConvTranspose(b, w) strides=[2,2]"], w3),
        "rows": (vector, ["a = Reshape(x, square)", "b = Transpose(a) perm=[0,2,1]",
                          "c = Reshape(b, square)", "y = Gemm(c, w) transB=1"], w),
    }
    more = {
        "v": normal(4, 4, 1, 1),
        "low": np.float32(-1),
        "high": np.float32(1),
        "mixed": np.int64([2, -1, 8]),
        "scales": np.float32([1, 1, 2, 2]),
        "parts": np.float32([1, 1, 1.5, 2]),
        "square": np.int64([-1, 3, 4]),
    }
    for name, (shape, nodes, weight) in all_.items():
        text = " ".join(nodes)
        used = {key: value for key, value in more.items() if f", {key}" in text}
        save(model(shape, nodes, {"w": weight, **used}), HERE / "refused" / f"{name}.onnx")
    plain = ["y = Gemm(x, w) transB=1"]
    save(model(vector, plain, {"w": w}, 11), HERE / "refused" / "opset.onnx")
    save(model(vector, plain, {"w": w * np.float32("nan")}), HERE / "refused" / "nan.onnx")
    huge = model(vector, plain, {"w": w})
    huge.graph.initializer[0].dims[:] = [2**40, 2**40]
    save(huge, HERE / "refused" / "huge.onnx")
    for name, place in [("outside", "../mlp.onnx"), ("missing", "missing.data")]:
        outside = model(vector, plain, {"w": w})
        tensor = outside.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)
        (HERE / "refused" / f"{name}.onnx").write_bytes(outside.SerializeToString())


torch.manual_seed(1)
for name, (net, shape) in by_torch().items():
    export(name, net, shape)
by_hand()
refused()
teacher()
torch.manual_seed(2)
export("hourglass", hourglass(), (2, 8, 12))
NUMBERS = np.random.default_rng(2)
activations()
growing()
