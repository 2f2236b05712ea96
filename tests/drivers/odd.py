"""Unpacks and packs with a driver whose outputs take three bytes each, and prints both."""

import numpy as np
from matmul_2x2x2_pynq import INPUTS, OUTPUTS, pack, unpack

result = np.array([[(77 * i + 120) % 256 for i in range(3 * OUTPUTS)]], np.uint8)
x = np.array([[35 * i - 128 for i in range(INPUTS)]])
print(*unpack(result)[0], *pack(x)[0], end=" ")
