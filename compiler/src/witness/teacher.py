"""A classifier in ONNX as a process that answers: teacher.py THREADS AXES...

Standard input and output carry frames: a length of eight bytes, the lowest first, and so many
bytes. The first frame is the ONNX file, whose answer is empty; each further one is float32 samples
with these AXES, and its answer their float32 outputs.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime

# Samples that one thread computes at a time: so the outputs depend on no number of threads.
BLOCK = 32


def frames():
    """What is asked, until standard input ends."""
    while len(head := sys.stdin.buffer.read(8)) == 8:
        yield sys.stdin.buffer.read(int.from_bytes(head, "little"))


def answer(content):
    sys.stdout.buffer.write(len(content).to_bytes(8, "little"))
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


threads, *axes = map(int, sys.argv[1:])
asked = frames()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(next(asked), options, providers=["CPUExecutionProvider"])
taken = session.get_inputs()[0]
fixed = taken.shape[0] if isinstance(taken.shape[0], int) else None
size = fixed or BLOCK
answer(b"")


def outputs(block):
    """The outputs of some samples; of more, where the network takes a fixed number."""
    count = len(block)
    if fixed:
        block = np.concatenate([block, np.zeros((fixed - count, *axes), np.float32)])
    (y,) = session.run(None, {taken.name: block})
    return y.reshape(len(block), -1)[:count]


with ThreadPoolExecutor(threads) as pool:
    for content in asked:
        x = np.frombuffer(content, "<f4").reshape(-1, *axes)
        blocks = [x[first : first + size] for first in range(0, len(x), size)]
        answer(np.concatenate(list(pool.map(outputs, blocks))).astype("<f4").tobytes())
