#!/usr/bin/env python3
"""Recomputes an integer network from its file, with NumPy and docs/model-format.md alone.

    recompute.py MODEL INPUTS.npy -o OUTPUTS.npy           writes the outputs, int64 [samples, n_out]
    recompute.py MODEL INPUTS.npy --compare OUTPUTS.npy    compares them with others; exit status 1 where they differ

INPUTS.npy holds integers of the network's input format, [samples, ...].
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


def infer(document, tensors, x):
    """Outputs [samples, n_out] for inputs x [samples, elements], all int64 (section 6)."""
    for layer in document["layers"]:
        tensor = lambda field: tensors[f"{layer['name']}.{field}"]
        if layer["kind"] == "bilinear":
            n_a = tensor("w_a").shape[1]
            y = ((x[:, :n_a] @ tensor("w_a").T) * (x[:, n_a:] @ tensor("w_b").T)) @ tensor("w_c").T
        else:
            u = x @ tensor("w_b").T
            m = shift(tensor("coefficients") * u, tensor("coefficient_shifts"))
            y = m @ tensor("w_c").T + tensor("bias")
        if layer["output"]["kind"] == "raw":
            x = y
        else:
            x = np.clip(shift(y, tensor("output_shifts")), *limits(layer["output"]["format"]))
    return x


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
    elements = int(np.prod(document["input"]["shape"]))
    if x.shape[1] != elements:
        refuse(f"inputs have {x.shape[1]} elements, the network takes {elements}")
    least, greatest = limits(document["input"]["format"])
    if ((x < least) | (x > greatest)).any():
        refuse(f"inputs exceed the input format, {least} to {greatest}")

    outputs = infer(document, tensors, x)
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
