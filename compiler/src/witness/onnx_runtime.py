#!/usr/bin/env python3
"""Runs an exported network in ONNX Runtime.

    onnx_runtime.py MODEL.onnx INPUTS.npy -o OUTPUTS.npy

INPUTS.npy holds integers of the network's input format, [samples, ...], of several inputs the
elements of each in turn; OUTPUTS.npy becomes int64 [samples, n_out], the outputs of heads behind
those of the last layer.
For a network with a state the samples are one sequence.
"""

import argparse

import numpy as np
import onnxruntime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("inputs")
    parser.add_argument("-o", metavar="OUTPUTS.npy", required=True)
    args = parser.parse_args()

    inputs = np.load(args.inputs, allow_pickle=False)
    inputs = inputs.astype(np.int64).reshape(len(inputs), -1)
    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    zeros = lambda value: np.zeros((1, value.shape[1]), np.int64)  # noqa: E731
    values = session.get_inputs()
    enters = [value for value in values if f"{value.name}_next" not in names]
    ends = np.cumsum([value.shape[1] for value in enters])
    state = {value.name: zeros(value) for value in values if value not in enters}
    # The windows of many images at a time would fill the memory.
    size = 1 if state else 16
    heads = [name for name in names if name != "y" and name.removesuffix("_next") not in state]
    outputs = []
    for first in range(0, len(inputs), size):
        parts = np.split(inputs[first : first + size], ends[:-1], axis=1)
        given = {value.name: part for value, part in zip(enters, parts)}
        values = dict(zip(names, session.run(names, {**given, **state})))
        outputs.append(np.concatenate([values[name] for name in ["y", *heads]], axis=1))
        state = {name: values[f"{name}_next"] for name in state}
    outputs = np.concatenate(outputs)
    np.save(args.o, outputs)
    print(f"{len(outputs)} output vectors computed by ONNX Runtime {onnxruntime.__version__}")


main()
