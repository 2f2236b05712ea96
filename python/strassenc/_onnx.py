"""Networks that were trained elsewhere."""

from __future__ import annotations

import json
from os import fspath
from typing import TypedDict

from . import _strassenc
from ._words import Path, as_words


class Node(TypedDict):
    """A node of an ONNX file, and the layer that it became, or why there is none."""

    node: str
    operator: str
    output: str
    became: str


def import_onnx(
    path: Path,
    folder: Path,
    *,
    ratio: float = 1.0,
    p: int = 1,
    bits: int = 8,
    frac: int = 8,
    signed: bool = False,
    name: str | None = None,
    data: str | None = None,
    overwrite: bool = False,
) -> list[Node]:
    """Writes a run of an ONNX network, as `strassenc import` does, and yields what became of each
    node. `strassenc train FOLDER/network.toml --resume -o FOLDER` goes on with it.

    `ratio` is r over the outputs of a layer, of `p × p` output pixels; `bits`, `frac` and `signed`
    are the format of the input: real value = integer · 2^-frac; `data` is what `--data` takes.
    """
    given = {"ratio": ratio, "p": p, "bits": bits, "frac": frac, "signed": signed}
    words = as_words({**given, "name": name, "data": data, "overwrite": overwrite})
    report = _strassenc.import_onnx([*words, f"--output={fspath(folder)}", "--", fspath(path)])
    nodes: list[Node] = json.loads(report)["nodes"]
    return nodes
