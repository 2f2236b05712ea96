"""Texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _strassenc


@dataclass(frozen=True)
class Text:
    """A text in the parts that are trained on, validated and tested: indices of `alphabet`."""

    alphabet: str
    train: NDArray[np.uint32]
    valid: NDArray[np.uint32]
    test: NDArray[np.uint32]


def load_text(data: str) -> Text:
    """The characters that `--data` of a network of sequences names: `text:FILE`, `text:FOLDER` with
    train.txt, valid.txt and test.txt, or `austen`, where installed."""
    alphabet, (train, valid, test) = _strassenc.text(data)
    return Text(alphabet, train, valid, test)
