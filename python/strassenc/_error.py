"""The one exception of the package."""

import re

_FLAGS = {
    *("aclken", "anyway", "backpressure", "clken", "combinational", "fewest_additions", "gaps"),
    *("overwrite", "pauses", "recursive", "stream", "unsigned"),
}


def _in_python(text: str) -> str:
    """The text with options of the command line as the parameters that they are here."""

    def parameter(option: re.Match[str]) -> str:
        name = option[1].replace("-", "_")
        return f"{name}=True" if name in _FLAGS else f"{name}="

    return re.sub(r"(?<![\w-])--([a-z][a-z-]*)", parameter, text)


class Error(Exception):
    """What went wrong: `place: cause`, and the way out.

    `kind` is `input`, `io`, `tool`, `mismatch` (a simulation that is not golden's) or `internal` (a
    bug of strassenc); `place` a path, a layer or a parameter; `help` the way out, where there is
    one.
    """

    kind: str
    place: str
    cause: str
    help: str | None

    def __init__(self, kind: str, place: str, cause: str, help: str | None = None) -> None:
        self.kind = kind
        self.place, self.cause = _in_python(place), _in_python(cause)
        self.help = help and _in_python(help)
        super().__init__(kind, place, cause, help)

    def __str__(self) -> str:
        way_out = "\n  help: " + self.help.replace("\n", "\n        ") if self.help else ""
        return f"{self.place}: {self.cause}{way_out}"
