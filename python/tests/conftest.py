"""What the tests share."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import strassenc as sc

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def digits() -> sc.Model:
    """The digits that ship with strassenc: 64 pixels of 0 to 16, frac 4, ten classes."""
    return sc.Model.load(ROOT / "runtime/models/digits.safetensors")


@pytest.fixture(scope="session")
def core(digits: sc.Model) -> sc.Core:
    """Its core, on default options."""
    return digits.compile(effort=0)


@pytest.fixture
def pixels() -> NDArray[np.int64]:
    """100 images at random, `[100, 64]`."""
    return np.random.default_rng(1).integers(0, 17, (100, 64))
