#!/usr/bin/env python3
"""Compares training with PyTorch on CPUs: how fast it goes, and whether the gradients are the same.

    python3 -m venv .venv && .venv/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    .venv/bin/python benches/pytorch.py                     throughput on 1 thread and on 2
    .venv/bin/python benches/pytorch.py --network lstm --phase plain   without SPNs, against torch.nn.LSTM
    .venv/bin/python benches/pytorch.py --network cnn --threads 2 --windows 9 --json
    .venv/bin/python benches/pytorch.py --gradients         every gradient of one step, in both float phases

Throughput: whole steps of SGD with momentum, from picking a batch out of the data to the update, in full precision or with the
ternary quantiser. Windows of the two alternate, so that both meet the same load. PyTorch runs in eager mode, with images in
either memory layout; the quicker one counts. Of the language model samples are characters, and a step clips the gradient and goes
by AdamW. OpenMP's threads spin for a while when they wait, which next to other programs makes PyTorch many times slower: on a busy
machine set OMP_WAIT_POLICY=passive, and do not trust the ratio of two threads.

Gradients: ours, in f32, are how far the second step of SGD without momentum moves each parameter. What is printed is the largest
difference from PyTorch's in f64 over the largest gradient of the tensor, at the worst tensor of a name, and beside it the same of
PyTorch's own in f32. A scale that a norm undoes has no gradient but rounding: no tensor counts for less than a thousandth of the
largest gradient of its name, and four times PyTorch's own difference is always allowed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

# No script beside this one may stand for a package of its name.
sys.path.pop(0)
try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from safetensors.numpy import load_file
    from torch import nn
except ImportError as e:
    sys.exit(f"{e}: python3 -m venv .venv && .venv/bin/pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0, then run "
             "this with .venv/bin/python")

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = ROOT / "benches" / "networks"
# Those that throughput is measured on; gradients are compared on all.
TIMED = ["cnn", "dense", "lstm", "resnet20"]
THRESHOLD = 0.7
# The line of the descriptions that a recipe of single steps replaces.
RECIPE = 'train = { optimiser = "sgd", momentum = 0.9 }'
# Of the steps that gradients are seen by.
RATE = 8


class Ternary(torch.autograd.Function):
    """A threshold for each row, one scale for the matrix, the gradient straight through.

    A threshold below the mean always leaves the largest weight of a row. In few passes, none over booleans, which are slow.
    """

    @staticmethod
    def forward(ctx, w):
        size = w.abs()
        keep = torch.empty_like(size)
        torch.gt(size, THRESHOLD * size.mean(1, keepdim=True), out=keep)
        scale = torch.dot(size.view(-1), keep.view(-1)) / keep.sum()
        return keep.mul_(scale).copysign_(w)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Norm(nn.Module):
    """Batch norm with a scale, and an offset if it has one."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x, scale, offset=None):
        return F.batch_norm(x, self.mean, self.variance, scale, offset, training=True, momentum=0.1, eps=1e-5)


class Linear(nn.Module):
    """An SPN layer, dense or convolutional, with matrices shaped as ours.

    Columns of W_b go by row, column and channel of the window, rows of W_c by row, column and channel of the output patch.
    """

    def __init__(self, layer, shape, dense):
        super().__init__()
        height, width, channels = shape
        self.dense, self.ternary, self.layout = dense, False, torch.contiguous_format
        self.outputs = layer["units"] if dense else layer["channels"]
        self.kernel, self.stride, self.pad = (layer.get(k, d) for k, d in [("kernel", 1), ("stride", 1), ("pad", 0)])
        self.p, self.groups = layer.get("p", 1), layer.get("groups", 1)
        plain = layer.get("plain", False)
        r = self.outputs if plain else layer.get("r", self.outputs)
        if dense:
            self.shape = 1, 1, self.outputs
            columns = height * width * channels
        else:
            high, wide = ((n + 2 * self.pad - self.kernel) // self.stride + 1 for n in (height, width))
            self.shape = high, wide, self.outputs
            self.window = (self.p - 1) * self.stride + self.kernel
            columns = self.window**2 * channels // self.groups
            # Zeros below and to the right, which the last patches read; negative where nothing reads the last pixels.
            reach = [(-(-n // self.p) - 1) * self.p * self.stride + self.window - self.pad for n in (high, wide)]
            self.more = reach[0] - height, reach[1] - width
        self.output_groups = self.groups if self.groups > 1 and self.groups == channels else 1

        def uniform(rows, columns):
            return nn.Parameter((torch.rand(rows, columns) * 2 - 1) / columns**0.5)

        self.w_b, self.a = uniform(r, columns), nn.Parameter(torch.ones(r))
        self.w_c = None if plain else uniform(self.p**2 * self.outputs, r // self.output_groups)
        self.bias, self.scale = nn.Parameter(torch.zeros(self.outputs)), nn.Parameter(torch.ones(self.outputs))
        self.hidden, self.output = Norm(r), Norm(self.outputs)

    def last(self):
        """From here on without an output norm."""
        self.output = self.scale = None

    def matrix(self, w):
        return Ternary.apply(w) if self.ternary else w

    def forward(self, x):
        y = self.vectors(x) if self.dense else self.images(x)
        if self.output:
            return self.output(y, self.scale, self.bias)
        return y + (self.bias if self.dense else self.bias[:, None, None])

    def vectors(self, x):
        if x.dim() == 4:
            x = x.permute(0, 2, 3, 1).flatten(1)
        y = self.hidden(F.linear(x, self.matrix(self.w_b)), self.a)
        return y if self.w_c is None else F.linear(y, self.matrix(self.w_c))

    def images(self, x):
        w_b = self.matrix(self.w_b).view(len(self.w_b), self.window, self.window, -1).permute(0, 3, 1, 2)
        pad = self.pad
        if self.p > 1:
            x, pad = F.pad(x, (pad, self.more[1], pad, self.more[0])), 0
        u = F.conv2d(x, w_b.clone(memory_format=self.layout), stride=self.p * self.stride, padding=pad, groups=self.groups)
        y = self.hidden(u, self.a)
        if self.w_c is None:
            return y
        w_c = self.matrix(self.w_c).view(self.p**2, self.outputs, -1).transpose(0, 1).reshape(len(self.w_c), -1, 1, 1)
        y = F.conv2d(y, w_c, groups=self.output_groups)
        return F.pixel_shuffle(y, self.p)[:, :, : self.shape[0], : self.shape[1]] if self.p > 1 else y


class Pool(nn.Module):
    def __init__(self, layer, shape, function):
        super().__init__()
        size, pad = layer["size"], layer.get("pad", 0)
        stride = layer.get("stride", size)
        self.pool = lambda x: function(x, size, stride, pad)
        self.shape = *((n + 2 * pad - size) // stride + 1 for n in shape[:2]), shape[2]

    def forward(self, x):
        return self.pool(x)


class Mean(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = 1, 1, shape[2]

    def forward(self, x):
        return x.mean((2, 3), keepdim=True)


class Upsample(nn.Module):
    def __init__(self, sizes, shape):
        super().__init__()
        self.sizes = sizes if isinstance(sizes, list) else [sizes] * 2
        self.shape = *(n * size for n, size in zip(shape, self.sizes)), shape[2]

    def forward(self, x):
        down, across = self.sizes
        return x.repeat_interleave(down, 2).repeat_interleave(across, 3)


class Branches(nn.Module):
    def __init__(self, layer, shape, concat):
        super().__init__()
        self.concat = concat
        self.body, (height, width, channels) = build(layer["body"], shape)
        self.shortcut, (_, _, others) = build(layer.get("shortcut", []), shape)
        self.shape = height, width, channels + (others if concat else 0)

    def forward(self, x):
        body, shortcut = self.body(x), self.shortcut(x)
        return torch.cat((body, shortcut), 1) if self.concat else body + shortcut


def build(layers, shape):
    """The layers of a description, and the shape (height, width, channels) of what they give."""
    modules = []
    for layer in layers:
        [(kind, fields)] = layer.items() if isinstance(layer, dict) else [(layer, None)]
        match kind:
            case "relu":
                modules.append(nn.ReLU(inplace=True))
                continue
            case "relu6" | "clipped_relu":
                modules.append(nn.Hardtanh(0, 6 if fields is None else fields))
                continue
            case "leaky_relu":
                modules.append(nn.LeakyReLU(2.0**-fields))
                continue
            case "sigmoid" | "tanh":
                modules.append(nn.Sigmoid() if kind == "sigmoid" else nn.Tanh())
                continue
            case "dense" | "conv2d":
                modules.append(Linear(fields, shape, kind == "dense"))
            case "max_pool":
                modules.append(Pool(fields, shape, F.max_pool2d))
            case "average_pool":
                modules.append(Pool(fields, shape, F.avg_pool2d))
            case "global_average_pool":
                modules.append(Mean(shape))
            case "upsample":
                modules.append(Upsample(fields, shape))
            case "residual" | "concat":
                modules.append(Branches(fields, shape, kind == "concat"))
            case _:
                sys.exit(f"{kind} is not known here")
        shape = modules[-1].shape
    return nn.Sequential(*modules), shape


class Network:
    """A description and its PyTorch module."""

    def __init__(self, path, phase, layout=torch.contiguous_format):
        self.description = tomllib.loads(path.read_text())
        self.shape = self.description["input"]["shape"]
        module, shape = build(self.description["layers"], self.shape if len(self.shape) == 3 else (1, 1, *self.shape))
        self.module, self.classes = module, shape[2]
        self.linear = [m for m in module.modules() if isinstance(m, Linear)]
        self.linear[-1].last()
        for linear in self.linear:
            linear.ternary, linear.layout = phase == "ternary", layout

    def images(self, x):
        """Samples as PyTorch takes them: images by channel, row and column."""
        x = torch.from_numpy(x.astype(np.float32) / 256)
        return x if len(self.shape) == 1 else x.permute(0, 3, 1, 2)

    def parameters(self):
        """By their names in a checkpoint."""
        for i, linear in enumerate(self.linear):
            for name, parameter in linear.named_parameters(recurse=False):
                yield f"float.{i}.{name}", parameter


def classifies(name):
    """Whether the labels of a network are classes, as those of noise are."""
    return "loss" not in tomllib.loads((NETWORKS / f"{name}.toml").read_text())["train"]


def noise(network, samples):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (samples, *network.shape), np.uint8)
    return x, np.arange(samples, dtype=np.int64) % network.classes


class Theirs:
    """Training in PyTorch, in windows of some seconds."""

    def __init__(self, name, phase, threads, args, layout):
        torch.manual_seed(1)
        self.network = Network(NETWORKS / f"{name}.toml", phase, layout)
        self.threads, self.batch, self.seconds = threads, args.batch, args.seconds
        x, y = noise(self.network, 100 * args.batch)
        # Clones, here and of the weights: images of one channel pass for either layout, and results take theirs from the strides.
        self.x, self.y = self.network.images(x), torch.from_numpy(y)
        if self.x.dim() == 4:
            self.x = self.x.clone(memory_format=layout)
        self.optimiser = torch.optim.SGD(self.network.module.parameters(), lr=1e-3, momentum=0.9, fused=True)
        self.batches = iter(())
        self.run(args.seconds / 4)

    def step(self):
        try:
            indices = next(self.batches)
        except StopIteration:
            self.batches = iter(torch.randperm(len(self.y)).split(self.batch))
            indices = next(self.batches)
        self.optimiser.zero_grad()
        F.cross_entropy(self.network.module(self.x[indices]), self.y[indices]).backward()
        self.optimiser.step()

    def run(self, seconds):
        torch.set_num_threads(self.threads)
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.step()
            steps += 1
        return steps * self.batch / (time.perf_counter() - start)

    def window(self):
        return self.run(self.seconds)


class Gates(nn.Module):
    """An SPN for each of `groups` gates over one input, or one matrix."""

    def __init__(self, n_in, n_out, groups, r, plain):
        super().__init__()

        def uniform(*shape):
            return nn.Parameter((torch.rand(shape) * 2 - 1) / shape[-1] ** 0.5)

        self.plain, self.groups, self.n_out, self.r = plain, groups, n_out, r
        self.w_b = uniform(groups * (n_out if plain else r), n_in)
        if not plain:
            self.a, self.w_c = nn.Parameter(torch.ones(groups * r)), uniform(groups * n_out, r)

    def matrices(self, ternary):
        """Ternary matrices serve a whole window."""
        if self.plain:
            return self.w_b, None
        w_b, w_c = (Ternary.apply(w) if ternary else w for w in (self.w_b, self.w_c))
        return w_b, w_c.view(self.groups, self.n_out, self.r).transpose(1, 2)

    def forward(self, x, matrices):
        w_b, w_c = matrices
        u = F.linear(x, w_b)
        if w_c is None:
            return u
        m = (u * self.a).view(-1, self.groups, self.r).transpose(0, 1)
        return torch.bmm(m, w_c).transpose(0, 1).reshape(len(x), -1)


class LanguageModel(nn.Module):
    """An embedding, an LSTM and a decoder; torch.nn.LSTM where there are no SPNs."""

    def __init__(self, description, phase):
        super().__init__()
        embedding, lstm, dense = (next(iter(layer.values())) for layer in description["layers"])
        n_in, n, self.classes = embedding["units"], lstm["units"], dense["units"]
        self.plain, self.ternary, self.units = phase == "plain", phase == "ternary", n
        self.embedding = nn.Embedding(embedding["rows"], n_in)
        if self.plain:
            self.lstm, self.decoder = nn.LSTM(n_in, n), nn.Linear(n, self.classes)
        else:
            self.x, self.h = (Gates(k, n, 4, lstm["r"], False) for k in (n_in, n))
            self.bias = nn.Parameter(torch.zeros(4 * n))
            self.decoder, self.offset = Gates(n, self.classes, 1, dense["r"], False), nn.Parameter(torch.zeros(self.classes))

    def forward(self, tokens, state):
        x = self.embedding(tokens)
        if self.plain:
            hidden, state = self.lstm(x, state)
            return self.decoder(hidden).flatten(0, 1), state
        steps, sequences = tokens.shape
        h, c = (s[0] for s in state)
        z = self.x(x.flatten(0, 1), self.x.matrices(self.ternary)).view(steps, sequences, -1) + self.bias
        matrices, all = self.h.matrices(self.ternary), []
        for t in range(steps):
            i, f, g, o = (z[t] + self.h(h, matrices)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            all.append(h)
        hidden = torch.cat(all)
        return self.decoder(hidden, self.decoder.matrices(self.ternary)) + self.offset, (h[None], c[None])


class TheirText:
    """Training a language model in PyTorch, in windows of some seconds."""

    def __init__(self, name, phase, threads, args):
        torch.manual_seed(1)
        description = tomllib.loads((NETWORKS / f"{name}.toml").read_text())
        self.threads, self.batch, self.seconds = threads, args.batch, args.seconds
        self.length, self.clip = description["train"]["window"], description["train"]["clip"]
        self.module = LanguageModel(description, phase)
        self.text = torch.randint(self.module.classes, (100 * self.length + 1, self.batch))
        self.optimiser = torch.optim.AdamW(self.module.parameters(), lr=1e-4, fused=True)
        self.at, self.state = 0, self.start()
        self.run(args.seconds / 4)

    def start(self):
        return tuple(torch.zeros(1, self.batch, self.module.units) for _ in range(2))

    def step(self):
        x, y = (self.text[self.at + k : self.at + k + self.length] for k in (0, 1))
        self.at += self.length
        self.optimiser.zero_grad()
        logits, state = self.module(x, self.state)
        F.cross_entropy(logits, y.flatten()).backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), self.clip)
        self.optimiser.step()
        self.state = tuple(s.detach() for s in state)
        if self.at + self.length >= len(self.text):
            self.at, self.state = 0, self.start()

    def run(self, seconds):
        torch.set_num_threads(self.threads)
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.step()
            steps += 1
        return steps * self.batch * self.length / (time.perf_counter() - start)

    def window(self):
        return self.run(self.seconds)


class Ours:
    """The training benchmark, a window for each line it is given."""

    def __init__(self, program, name, phase, threads, args):
        command = [program, "--network", name, "--phase", phase, "--threads", threads, "--batch", args.batch,
                   "--seconds", args.seconds, "--json", "--stdin"]
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def window(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the training benchmark failed")
        return json.loads(line)["samples_per_second"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def cargo(*command):
    """The program of that target, built."""
    output = subprocess.run(["cargo", *command, "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if output.returncode:
        sys.exit("cargo failed")
    messages = map(json.loads, output.stdout.splitlines())
    return [m["executable"] for m in messages if m.get("executable")][-1]


def throughput(args):
    program = cargo("bench", "-p", "strassenc-tests", "--bench", "train", "--no-run")
    results = []
    for name in args.network or (TIMED if args.phase != "plain" else ["lstm"]):
        if args.phase == "plain" and name != "lstm":
            sys.exit(f"{name}: only lstm is compared without SPNs")
        for threads in args.threads:
            layouts = {"channels first": torch.contiguous_format}
            if name in ("cnn", "resnet20"):
                layouts["channels last"] = torch.channels_last
            ours = Ours(program, name, args.phase, threads, args)
            if name == "lstm":
                theirs = {"": TheirText(name, args.phase, threads, args)}
            else:
                theirs = {key: Theirs(name, args.phase, threads, args, layout) for key, layout in layouts.items()}
            ours.window()
            speeds = {"ours": [], **{key: [] for key in theirs}}
            for _ in range(args.windows):
                speeds["ours"].append(ours.window())
                for key, their in theirs.items():
                    speeds[key].append(their.window())
            ours.close()
            median = {key: statistics.median(values) for key, values in speeds.items()}
            best = max(theirs, key=median.get)
            ratio = median["ours"] / median[best]
            results.append(dict(network=name, phase=args.phase, batch=args.batch, threads=threads, windows=speeds,
                                ours=median["ours"], pytorch=median[best], layout=best, ratio=ratio))
            if not args.json:
                if len(results) == 1:
                    print(f"samples/s, medians of {args.windows} windows of {args.seconds:g} s; batch {args.batch}, "
                          f"phase {args.phase}, torch {torch.__version__}")
                    print("network threads   PyTorch  strassenc  ratio")
                print(f"{name:7} {threads:7} {median[best]:9.0f} {median['ours']:10.0f} {ratio:6.2f}  {best}", flush=True)
    if args.json:
        print(json.dumps(results, indent=1))


def trained(program, text, data, folder, epochs):
    """The parameters after so many epochs of each phase, by name."""
    path = folder / "net.toml"
    path.write_text(text)
    run = subprocess.run([program, "train", path, "--data", f"npy:{data}", "--epochs", epochs, "-o", folder / "run",
                          "--overwrite"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    tensors = load_file(folder / "run" / "checkpoint.safetensors")
    return {n: t.astype(np.float64) for n, t in tensors.items() if n.startswith("float.") and f"{n}.first" in tensors}


def our_gradients(program, path, phase, samples, data, folder):
    """The parameters after one step, and their gradients there, by name."""
    constant = f'{{ learning_rate = {RATE}.0, schedule = "constant" }}'
    train = f'train = {{ optimiser = "sgd", momentum = 0.0, batch = {samples}, full = {constant}, ternary = {constant} }}'
    text = path.read_text().replace(RECIPE, train)
    one, two = (trained(program, text, data, folder, f"{n},0,0" if phase == "full" else f"0,{n},0") for n in (1, 2))
    return one, {name: (one[name] - two[name]) / RATE for name in one}


def their_gradients(network, start, x, y, dtype):
    network.module.to(dtype)
    network.module.zero_grad()
    with torch.no_grad():
        for name, parameter in network.parameters():
            parameter.copy_(torch.from_numpy(start[name]).reshape(parameter.shape))
    F.cross_entropy(network.module(network.images(x).to(dtype)), torch.from_numpy(y)).backward()
    return {name: p.grad.double().numpy().reshape(start[name].shape) for name, p in network.parameters()}


def compare(name, phase, program, args, folder):
    """Prints a line for each kind of parameter; whether all are right."""
    path, data = NETWORKS / f"{name}.toml", folder / "data"
    network = Network(path, phase)
    x, y = noise(network, args.samples)
    data.mkdir()
    for split in ("train", "test"):
        np.save(data / f"x_{split}.npy", x)
        np.save(data / f"y_{split}.npy", y)
    start, ours = our_gradients(program, path, phase, args.samples, data, folder)
    single, double = (their_gradients(network, start, x, y, dtype) for dtype in (torch.float32, torch.float64))
    if set(ours) != set(double):
        sys.exit(f"{name}: only one side has {sorted(set(ours) ^ set(double))}")
    right = True
    for kind in sorted({n.rsplit(".", 1)[1] for n in double}):
        names = [n for n in double if n.endswith(f".{kind}")]
        size = {n: np.abs(double[n]).max() for n in names}
        least = max(size.values()) / 1000
        our, their = (max(np.abs(g[n] - double[n]).max() / max(size[n], least) for n in names) for g in (ours, single))
        wrong = not our <= max(args.tolerance, 4 * their)
        right &= not wrong
        print(f"{name:9} {phase:8} {kind:5} x {len(names)} {our:10.1e} {their:10.1e}{'  WRONG' if wrong else ''}", flush=True)
    return right


def gradients(args, names):
    program = cargo("build", "--release")
    print("network   phase    tensors    strassenc  PyTorch, f32")
    right = True
    for name in args.network or names:
        for phase in ("full", "ternary"):
            with tempfile.TemporaryDirectory() as folder:
                right &= compare(name, phase, program, args, Path(folder))
    sys.exit(0 if right else 1)


def main():
    names = sorted(p.stem for p in NETWORKS.glob("*.toml"))
    images = [name for name in names if name != "lstm" and classifies(name)]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gradients", action="store_true", help="compare gradients instead of throughput")
    default = "all that are timed, with --gradients all of images, unless told"
    parser.add_argument("--network", nargs="+", choices=names, help=default)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--phase", choices=["full", "ternary", "plain"], default="ternary")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="length of a window")
    parser.add_argument("--samples", type=int, default=16, help="samples whose gradients are compared")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of gradients, relative to the tensor's largest")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.gradients:
        gradients(args, images)
    for name in set(args.network or []) - set(TIMED):
        parser.error(f"{name} is for --gradients only")
    throughput(args)


if __name__ == "__main__":
    main()
