"""The program `strassenc`."""

import sys

from . import _strassenc


def main() -> None:
    sys.exit(_strassenc.main(["strassenc", *sys.argv[1:]]))
