"""The log-mel front end from docs/log-mel.md alone, in NumPy.

    python3 log_mel.py FRAMES MELS BITS FRAC RATE WINDOW STEP < recordings > features

A recording is its number of samples, 32 bits, and then they, 16 bits each; features are 16 bits
each, recording by recording. All are little-endian.
"""

import sys

import numpy as np


def nearest(v):
    return np.floor(np.asarray(v) + 0.5).astype(np.int64)


class FrontEnd:
    def __init__(self, frames, mels, bits, frac, rate, window, step):
        self.frames, self.window, self.step, self.frac = frames, window, step, frac
        self.most = 2**bits - 1
        self.c = nearest(2**15 * np.cos(2 * np.pi * np.arange(window) / window))
        self.log = nearest(2**frac * np.log2(1 + np.arange(64) / 64))
        share = np.arange(mels + 2) / (mels + 1)
        edges = nearest(64 * window / rate * 700 * ((1 + rate / 1400) ** share - 1))
        self.weights = np.zeros((mels, window // 2), np.int64)
        for (m, k), _ in np.ndenumerate(self.weights):
            low, middle, high = edges[m : m + 3]
            if low < 64 * k <= middle:
                self.weights[m, k] = 256 * (64 * k - low) // (middle - low)
            elif middle < 64 * k < high:
                self.weights[m, k] = 256 * (high - 64 * k) // (high - middle)

    def transform(self, x):
        n = x.shape[-1]
        if n == 1:
            return x, np.zeros_like(x)
        (e_re, e_im), (o_re, o_im) = self.transform(x[..., ::2]), self.transform(x[..., 1::2])
        k = np.arange(n // 2) * (self.window // n)
        c, s = self.c[k], self.c[(k - self.window // 4) % self.window]
        re = (c * o_re + s * o_im + 2**14) >> 15
        im = (c * o_im - s * o_re + 2**14) >> 15
        both = lambda e, o: np.concatenate([e + o, e - o], -1)
        return both(e_re, re), both(e_im, im)

    def level(self, energy):
        if energy == 0:
            return 0
        whole = energy.bit_length() - 1
        return (whole << self.frac) + int(self.log[((energy << 6) >> whole) - 64])

    def features(self, samples):
        x = np.zeros((self.frames - 1) * self.step + self.window, np.int64)
        x[: len(samples)] = samples[: len(x)]
        x = np.stack([x[t * self.step :][: self.window] for t in range(self.frames)])
        re, im = self.transform((x * (2**15 - self.c) + 2**12) >> 13)
        power = (re * re + im * im)[:, : self.window // 2]
        level = np.vectorize(lambda e: self.level(int(e)), otypes=[np.int64])
        levels = level(power @ self.weights.T)
        peak = max(levels.max(), self.most)
        return np.maximum(0, levels - (peak - self.most))


if __name__ == "__main__":
    front = FrontEnd(*map(int, sys.argv[1:]))
    data, at = sys.stdin.buffer.read(), 0
    while at < len(data):
        count = int.from_bytes(data[at : at + 4], "little")
        samples = np.frombuffer(data, "<i2", count, at + 4).astype(np.int64)
        sys.stdout.buffer.write(front.features(samples).astype("<u2").tobytes())
        at += 4 + 2 * count
