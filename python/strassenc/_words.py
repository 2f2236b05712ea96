"""Parameters as the options of the command line, whose parser knows ranges and defaults."""

from collections.abc import Mapping
from os import PathLike

Path = str | PathLike[str]


def as_words(given: Mapping[str, object], *without: str) -> list[str]:
    """The words that say what is given: `None` and `False` are left out, a list is an option for
    each of its elements."""
    words = []
    for name, all in given.items():
        if name in without or all is None or all is False:
            continue
        for value in all if isinstance(all, list | tuple) else [all]:
            # One word, since a value may begin with a dash, as numbers below 0 do.
            words.append("--" + name.replace("_", "-") + ("" if value is True else f"={value}"))
    return words
