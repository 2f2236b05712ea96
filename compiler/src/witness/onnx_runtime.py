#!/usr/bin/env python3
"""Runs an exported network in ONNX Runtime.

    onnx_runtime.py MODEL.onnx INPUTS.npy -o OUTPUTS.npy

INPUTS.npy holds integers of the network's input format, [samples, ...]; OUTPUTS.npy becomes int64 [samples, n_out].
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
    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    (outputs,) = session.run(["y"], {"x": inputs.astype(np.int64).reshape(len(inputs), -1)})
    np.save(args.o, outputs)
    print(f"{len(outputs)} output vectors computed by ONNX Runtime {onnxruntime.__version__}")


main()
