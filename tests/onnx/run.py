"""Runs MODEL.onnx in ONNX Runtime: run.py MODEL.onnx X.npy -o Y.npy; a row a sample, of integers
that are 2^8 times what enters."""

import sys

import numpy as np
import onnxruntime

model, x, _, y = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
taken = session.get_inputs()[0]
samples = np.load(x).astype(np.float32) / 256
samples = samples.reshape(len(samples), *taken.shape[1:])
(outputs,) = session.run(None, {taken.name: samples})
np.save(y, outputs.reshape(len(outputs), -1).astype(np.float64))
