"""The progress of long work, and who is told of it."""

import sys
import warnings
from collections.abc import Callable


def show_progress(line: str) -> None:
    """Shows the line on standard error, where that is a terminal or a notebook."""
    # Where there is none, as in a process without a terminal, nobody looks.
    if sys.stderr and (sys.stderr.isatty() or "ipykernel" in sys.modules):
        sys.stderr.write(f"\r{line:<100}" if line else f"\r{'':<100}\r")
        sys.stderr.flush()


_told: Callable[[str], None] | None = show_progress


def on_progress(callback: Callable[[str], None] | None) -> None:
    """Calls `callback` with each new line of a long work's progress, and with an empty one at its
    end; `None` for nobody. At first it is `show_progress`."""
    global _told
    _told = callback


def tell(line: str) -> None:
    if _told is not None:
        _told(line)


def note(text: str) -> None:
    warnings.warn(text.removeprefix("note: "), stacklevel=4)
