#!/usr/bin/env python3
"""Draws images of discs and squares in noise, which of their pixels are inside, and how large a
part of the image that is: shapes.npz.

    shapes.py [SAMPLES]        by default 2500, a fifth of which are for the test

Every run draws the same.
"""

import sys

import numpy as np

SIDE = 16


def sample(rng):
    """An image, 0 to 255, and its mask, 0 or 1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = np.zeros((SIDE, SIDE), bool)
    for _ in range(rng.integers(1, 4)):
        down, across = np.abs(y - rng.integers(SIDE)), np.abs(x - rng.integers(SIDE))
        radius = rng.integers(2, 5)
        square = rng.random() < 0.5
        mask |= np.maximum(down, across) < radius if square else down**2 + across**2 < radius**2
    # Half as bright as the noise is wide: a pixel alone says little.
    image = rng.normal(96, 40, mask.shape) + 64 * mask
    return np.clip(image, 0, 255).astype(np.uint8), mask.ravel().astype(np.uint8)


def main():
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 2500
    rng = np.random.default_rng(1)
    x, y = map(np.array, zip(*(sample(rng) for _ in range(samples))))
    test = samples // 5
    area = y.mean(axis=1, keepdims=True)
    np.savez(
        "shapes.npz",
        x_train=x[test:],
        y_train=y[test:],
        y_train_area=area[test:],
        x_test=x[:test],
        y_test=y[:test],
        y_test_area=area[:test],
    )


main()
