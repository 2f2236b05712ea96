#!/usr/bin/env python3
"""Recomputes an integer network from its file, with NumPy and docs/model-format.md alone.

    recompute.py MODEL INPUTS.npy -o OUTPUTS.npy           writes the outputs, int64 [samples, n_out]
    recompute.py MODEL INPUTS.npy --compare OUTPUTS.npy    compares them with others; exit status 1 where they differ

INPUTS.npy holds integers of the network's input format, [samples, ...], of several inputs the
elements of each in turn; for a network with a state they are one sequence.
"""

import argparse
import hashlib
import json
import struct
import sys

import numpy as np

DTYPES = {"I8": "<i1", "I32": "<i4", "I64": "<i8"}


def refuse(cause):
    sys.exit(f"recompute.py: {cause}")


def object_without_repeats(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        refuse("a key is given twice")
    return dict(pairs)


def read(path):
    """The document and the tensors of a model file, hash checked (sections 1 to 4)."""
    with open(path, "rb") as file:
        content = file.read()
    (n,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + n].decode(), object_pairs_hook=object_without_repeats)
    data = content[8 + n :]
    text = header.pop("__metadata__")["strassenc"]
    document = json.loads(text, object_pairs_hook=object_without_repeats)
    if document["version"] != 1:
        refuse(f"format version {document['version']}, this program reads version 1")
    tensors = {}
    sha = hashlib.sha256()
    for name in sorted(header, key=str.encode):
        entry = header[name]
        begin, end = entry["data_offsets"]
        raw = data[begin:end]
        tensors[name] = np.frombuffer(raw, DTYPES[entry["dtype"]]).reshape(entry["shape"]).astype(np.int64)
        sizes = ",".join(str(size) for size in entry["shape"])
        sha.update(f"{name} {entry['dtype']} {sizes}\n".encode())
        sha.update(raw)
    if text.count(document["sha256"]) != 1:
        refuse("the hash does not stand once in the document")
    sha.update(text.replace(document["sha256"], "0" * 64).encode())
    if sha.hexdigest() != document["sha256"]:
        refuse("the hash differs: the file is damaged")
    return document, tensors


def limits(format):
    """Least and greatest integer of a format (section 5)."""
    bits = format["bits"]
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if format["signed"] else (0, (1 << bits) - 1)


def shift(v, k):
    """Rounds v / 2^k half up where k > 0, else v * 2^-k; k holds one shift for each column of v (section 6)."""
    right, left = np.maximum(k, 0), np.maximum(-k, 0)
    half = np.where(k > 0, np.left_shift(np.int64(1), np.maximum(k - 1, 0)), 0)
    return np.right_shift(np.left_shift(v, left) + half, right)


def image_shape(shape):
    """Height, width and channels of values with these axes (section 2)."""
    return tuple(shape) if len(shape) == 3 else (*shape, 1) if len(shape) == 2 else (1, 1, int(np.prod(shape)))


def pair(sizes):
    """Sizes down and across, of which the document has one where they are equal."""
    return np.array(sizes if isinstance(sizes, list) else [sizes, sizes])


def windows(x, size, stride, pad, count, fill):
    """[samples, *count, *size, channels] windows of images x [samples, h, w, channels], `fill` outside of them."""
    span = (count - 1) * stride
    beyond = np.maximum(0, span + size - pad - x.shape[1:3])
    x = np.pad(x, ((0, 0), (pad[0], beyond[0]), (pad[1], beyond[1]), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, tuple(size), axis=(1, 2))
    view = view[:, : span[0] + 1 : stride[0], : span[1] + 1 : stride[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def fits(x, size, stride, pad):
    """How many windows there are down and across."""
    return (x.shape[1:3] + 2 * pad - size) // stride + 1


def conv2d(layer, tensor, x):
    w_b, w_c, groups = tensor("w_b"), tensor("w_c"), layer["groups"]
    (r, per_group), K = w_b.shape[:2], np.array(w_b.shape[2:])
    (c_out, reads), p = w_c.shape[:2], np.array(w_c.shape[2:])
    stride, pad = pair(layer["stride"]), pair(layer["pad"])
    if "transposed" in layer:
        patches = np.array(x.shape[1:3])
        H, W = patches * stride
        before = (pair(layer["transposed"]) - 1 - pad) // stride
        window = windows(x, K, np.array([1, 1]), before, patches, 0)
    else:
        H, W = fits(x, K - (p - 1) * stride, stride, pad)
        patches = -(-np.array([H, W]) // p)
        window = windows(x, K, p * stride, pad, patches, 0)
    parts = window.reshape(*window.shape[:-1], groups, per_group)
    u = np.einsum("nyxijgc,grcij->nyxgr", parts, w_b.reshape(groups, r // groups, per_group, *K))
    m = shift(tensor("coefficients") * u.reshape(*u.shape[:3], r), tensor("coefficient_shifts"))
    if groups > 1 and per_group == 1:
        m = m.reshape(*m.shape[:3], groups, reads)
        y = np.einsum("nyxgr,gcrij->nyixjgc", m, w_c.reshape(groups, c_out // groups, reads, *p))
        y = y.reshape(*y.shape[:5], c_out)
    else:
        y = np.einsum("nyxr,crij->nyixjc", m, w_c)
    y = y + tensor("bias").transpose(1, 2, 0)[None, None, :, None]
    return y.reshape(len(x), *(patches * p), c_out)[:, :H, :W]


def pool(layer, x, format):
    size, stride, pad = pair(layer["size"]), pair(layer["stride"]), pair(layer["pad"])
    count = fits(x, size, stride, pad)
    if layer["window"] == "max":
        return windows(x, size, stride, pad, count, limits(format)[0]).max(axis=(3, 4)), format
    area = int(size.prod())
    j = (area - 1).bit_length()
    mean = j if 1 << j == area else 0
    format = {**format, "bits": format["bits"] + j, "frac": format["frac"] + mean}
    return windows(x, size, stride, pad, count, 0).sum(axis=(3, 4)), format


def infer(layers, tensors, x, format, further, heads):
    """Images [samples, h, w, channels] that the layers make of images x in this format, and their
    format, all int64 (section 6); further inputs come from the iterator `further`, outputs of heads
    are appended to `heads`."""
    for layer in layers:
        tensor = lambda field: tensors[f"{layer['name']}.{field}"]
        if layer["kind"] == "pool":
            x, format = pool(layer, x, format)
            continue
        if layer["kind"] == "upsample":
            down, across = pair(layer["size"])
            x = x.repeat(down, axis=1).repeat(across, axis=2)
            continue
        if layer["kind"] == "activation":
            x, format = activation(layer["function"], tensor, x, format)
            continue
        if layer["kind"] == "head":
            outputs, _ = infer(layer["layers"], tensors, x, format, further, [])
            heads.append(outputs.reshape(len(x), -1))
            continue
        if layer["kind"] == "input":
            x, format = next(further), layer["format"]
            continue
        if layer["kind"] == "embedding":
            table, format = tensor("table"), layer["format"]
            x = table[np.minimum(x.reshape(len(x), -1), len(table) - 1)][:, None]
            continue
        if layer["kind"] == "char_cnn":
            frac = layer["tanh_frac"]
            x, format = char_cnn(layer, tensor, x[:, 0])[:, None, None], {"signed": True, "bits": frac + 2, "frac": frac}
            continue
        if layer["kind"] == "highway":
            x = highway(layer, tensor, x.reshape(len(x), -1), format)[:, None, None]
            continue
        if layer["kind"] in ("lstm", "gru"):
            if layer.get("along", "inputs") == "inputs":
                # Samples are steps of one sequence.
                x = recurrent(layer, tensor, x.reshape(len(x), 1, -1))[:, None]
            else:
                x = recurrent(layer, tensor, x[:, 0].swapaxes(0, 1)).swapaxes(0, 1)[:, None]
            format = layer["hidden"]
            continue
        if layer["kind"] == "last":
            x = x[:, :, -1:]
            continue
        if layer["kind"] == "reverse":
            x = x[:, :, ::-1]
            continue
        if layer["kind"] in ("residual", "concat"):
            (a, f), (b, g) = (
                infer(layer[branch], tensors, x, format, further, heads)
                for branch in ("body", "shortcut")
            )
            frac = max(f["frac"], g["frac"])
            a, b, format = a << (frac - f["frac"]), b << (frac - g["frac"]), layer["format"]
            x = a + b if layer["kind"] == "residual" else np.concatenate([a, b], axis=3)
            x = np.clip(shift(x, np.array(frac - format["frac"])), *limits(format))
            continue
        if layer["kind"] == "conv2d":
            y = conv2d(layer, tensor, x)
        else:
            x = x.reshape(len(x), -1)
            y = vector(layer, tensor, x)[:, None, None]
        if layer["output"]["kind"] == "raw":
            x = y
        else:
            format = layer["output"]["format"]
            x = np.clip(shift(y, tensor("output_shifts")), *limits(format))
    return x, format


def activation(function, tensor, x, format):
    """The function of each element of x, and its format."""
    if function["kind"] == "clip":
        return np.minimum(x, function["max"]), format
    if function["kind"] == "leaky":
        return np.where(x < 0, shift(x, np.array(function["shift"])), x), format
    if function["kind"] == "sigmoid":
        frac = function["sigmoid_frac"]
        return sigmoid(function, tensor, x), {"signed": False, "bits": frac + 1, "frac": frac}
    frac = function["tanh_frac"]
    return tanh(tensor, x), {"signed": True, "bits": frac + 2, "frac": frac}


def vector(layer, tensor, x):
    """y [samples, n_out] of a layer of vectors x [samples, n_in]."""
    if layer["kind"] == "bilinear":
        n_a = tensor("w_a").shape[1]
        return ((x[:, :n_a] @ tensor("w_a").T) * (x[:, n_a:] @ tensor("w_b").T)) @ tensor("w_c").T
    u = x @ tensor("w_b").T
    m = shift(tensor("coefficients") * u, tensor("coefficient_shifts"))
    return m @ tensor("w_c").T + tensor("bias")


def gates(layer, tensor, x):
    """What the gates [samples, n_out] of a highway or recurrent layer are, or the filters of a
    char-CNN, requantised."""
    y = shift(vector(layer, tensor, x), tensor("output_shifts"))
    return np.clip(y, *limits(layer["output"]["format"]))


def sigmoid(layer, tensor, v):
    values = tensor("sigmoid")
    half = values[np.minimum(abs(v), len(values) - 1)]
    return np.where(v < 0, (1 << layer["sigmoid_frac"]) - half, half)


def tanh(tensor, v):
    values = tensor("tanh")
    half = values[np.minimum(abs(v), len(values) - 1)]
    return np.where(v < 0, -half, half)


def char_cnn(layer, tensor, x):
    """tanh of the largest output of each filter over words x [samples, characters, elements]."""
    samples, characters, elements = x.shape
    taps, first, largest = len(layer["widths"]), 0, []
    x = np.concatenate([x, np.zeros((samples, taps - 1, elements), np.int64)], axis=1)
    z = [gates(layer, tensor, x[:, p : p + taps].reshape(samples, -1)) for p in range(characters)]
    for width, n in enumerate(layer["widths"], 1):
        own = np.stack([y[:, first : first + n] for y in z[: characters - width + 1]])
        largest.append(own.max(axis=0))
        first += n
    return tanh(tensor, np.concatenate(largest, axis=1))


def highway(layer, tensor, x, format):
    t, h = np.split(gates(layer, tensor, x), 2, axis=1)
    h = np.clip(h, 0, limits(format)[1])
    return x + shift(sigmoid(layer, tensor, t) * (h - x), np.array(layer["sigmoid_frac"]))


def recurrent(layer, tensor, x):
    """h [steps, sequences, n] of an LSTM or a GRU for x [steps, sequences, n_in]."""
    n = tensor("bias").shape[0] // 4
    c = h = np.zeros((x.shape[1], n), np.int64)
    steps = []
    for step in x:
        four = np.split(gates(layer, tensor, np.concatenate([step, h], axis=1)), 4, axis=1)
        c, h = (lstm if layer["kind"] == "lstm" else gru)(layer, tensor, four, c)
        steps.append(h)
    return np.array(steps).reshape(*x.shape[:2], n)


def lstm(layer, tensor, four, c):
    """The next c and h."""
    cell, hidden, s, t = layer["cell"], layer["hidden"], layer["sigmoid_frac"], layer["tanh_frac"]
    i, f, g, o = four
    frac = max(s + cell["frac"], s + t)
    kept = sigmoid(layer, tensor, f) * c << (frac - s - cell["frac"])
    new = sigmoid(layer, tensor, i) * tanh(tensor, g) << (frac - s - t)
    c = np.clip(shift(kept + new, np.array(frac - cell["frac"])), *limits(cell))
    gate = layer["output"]["format"]
    index = np.clip(shift(c, np.array(cell["frac"] - gate["frac"])), *limits(gate))
    h = shift(sigmoid(layer, tensor, o) * tanh(tensor, index), np.array(s + t - hidden["frac"]))
    return c, np.clip(h, *limits(hidden))


def gru(layer, tensor, four, c):
    """The next c and h."""
    cell, hidden, s, t = layer["cell"], layer["hidden"], layer["sigmoid_frac"], layer["tanh_frac"]
    r, z, n_x, n_h = four
    v = shift((n_x << s) + sigmoid(layer, tensor, r) * n_h, np.array(s))
    new = tanh(tensor, np.clip(v, *limits(layer["output"]["format"])))
    frac = max(cell["frac"], t)
    d = (c << (frac - cell["frac"])) - (new << (frac - t))
    mean = (new << (frac - t + s)) + sigmoid(layer, tensor, z) * d
    c = np.clip(shift(mean, np.array(frac + s - cell["frac"])), *limits(cell))
    return c, np.clip(shift(c, np.array(cell["frac"] - hidden["frac"])), *limits(hidden))


def edges(layers):
    """The input layers, in the order in which they stand."""
    for layer in layers:
        if layer["kind"] == "input":
            yield layer
        for branch in ("body", "shortcut", "layers"):
            yield from edges(layer.get(branch, []))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("inputs")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("-o", metavar="OUTPUTS.npy")
    task.add_argument("--compare", metavar="OUTPUTS.npy")
    args = parser.parse_args()

    document, tensors = read(args.model)
    inputs = np.load(args.inputs, allow_pickle=False)
    if inputs.dtype.kind not in "iu":
        refuse(f"inputs must be integers, not {inputs.dtype}")
    x = inputs.astype(np.int64).reshape(len(inputs), -1)
    entering = [document["input"], *edges(document["layers"])]
    ends = np.cumsum([int(np.prod(edge["shape"])) for edge in entering])
    if x.shape[1] != ends[-1]:
        refuse(f"inputs have {x.shape[1]} elements, the network takes {ends[-1]}")
    images = []
    for edge, own in zip(entering, np.split(x, ends[:-1], axis=1)):
        least, greatest = limits(edge["format"])
        if ((own < least) | (own > greatest)).any():
            refuse(f"inputs exceed the input format, {least} to {greatest}")
        images.append(own.reshape(len(x), *image_shape(edge["shape"])))
    first, *further = images
    heads = []
    format = document["input"]["format"]
    last, _ = infer(document["layers"], tensors, first, format, iter(further), heads)
    outputs = np.concatenate([last.reshape(len(x), -1), *heads], axis=1)
    if args.o:
        np.save(args.o, outputs)
        return
    others = np.load(args.compare, allow_pickle=False)
    if others.shape != outputs.shape:
        refuse(f"outputs have shape {list(outputs.shape)}, the others {list(others.shape)}")
    differing = np.argwhere(outputs != others)
    if len(differing):
        sample, output = differing[0]
        refuse(
            f"{len(differing)} of {outputs.size} integers differ, first sample {sample}, output {output}: "
            f"{outputs[sample, output]} here, {others[sample, output]} there"
        )
    print(f"{len(outputs)} output vectors of {outputs.shape[1]} integers: all equal")


main()
