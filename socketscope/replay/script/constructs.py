"""The constructs of a script, which the parser makes and the compiler takes. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from socketscope.replay.script.text import EMPTY, Template


@dataclass(frozen=True, slots=True)
class Send:
    """``> TEXT``."""

    text: Template


@dataclass(frozen=True, slots=True)
class Dribble:
    """``!dribble SIZE/INTERVAL TEXT``: the text, sent slowly."""

    size: int
    interval: float
    text: Template


@dataclass(frozen=True, slots=True)
class Filler:
    """``!flood SIZE``: bytes without a line ending; ``!garbage SIZE``: random ones."""

    size: int
    random: bool


@dataclass(frozen=True, slots=True)
class Expect:
    """``<`` and its variants: what the server must say next.

    Attributes:
        kind: ``line`` is a line with this text, ``match`` a line that this regular expression matches, and
            ``any`` any line; ``until`` and ``until match`` skip all lines before such a line. ``bytes`` and
            ``bytes match`` are about the next bytes, whether they end a line or not; ``count`` is a number of
            bytes. ``close`` is the end of the connection, ``rest`` anything and then the end.
        text: The text or expression; the number, or the variable that holds it; else empty.
        groups: Names of the groups of the expression.
    """

    kind: Literal[
        "line", "match", "until", "until match", "any", "bytes", "bytes match", "count", "close", "rest"
    ]
    text: Template = EMPTY
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """``pause``: fixed (low equals high), uniform, or exponential with the mean ``low`` (high is None)."""

    low: float
    high: float | None

    def seconds(self, random: Random) -> float:
        """Return how long the pause is this time."""
        if self.high is None:
            return random.expovariate(1 / self.low) if self.low else 0.0
        return random.uniform(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Hold:
    """``!hold DURATION``: say nothing, with the connection open."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HalfClose:
    """``!half-close``."""


@dataclass(frozen=True, slots=True)
class Reset:
    """``!reset``."""


@dataclass(frozen=True, slots=True)
class Step:
    """``== NAME``."""

    name: str


@dataclass(frozen=True, slots=True)
class Connect:
    """``@connect``: what a connection is for."""

    name: Literal["message", "pass", "user"]


@dataclass(frozen=True, slots=True)
class Ending:
    """``@eol``."""

    name: Literal["crlf", "lf", "none"]


@dataclass(frozen=True, slots=True)
class Timeout:
    """``@timeout DURATION``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """``@reply``: what a send without an expectation waits for."""

    name: Literal["line", "none"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """``@set NAME TEXT``: a variable that is set in each pass."""

    name: str
    text: Template


@dataclass(frozen=True, slots=True)
class Values:
    """``@values FILE.csv``, with the path as written."""

    path: str


@dataclass(frozen=True, slots=True)
class On:
    """``@on REGEX > TEXT``: lines to answer whenever they come. ``@ignore REGEX`` has no answer."""

    expression: Template
    groups: tuple[str, ...]
    answer: Template | None = None


Message = Send | Dribble | Filler
"""What is sent."""

Construct = (
    Message | Expect | Pause | Hold | HalfClose | Reset
    | Step | Connect | Ending | Timeout | Reply | Assignment | Values | On
)  # fmt: skip

DEFAULT_TIMEOUT = 5.0
"""Seconds to wait for a reply without `@timeout`."""


@dataclass(frozen=True, slots=True)
class Line:
    """A construct and the number of its line, from 1."""

    number: int
    construct: Construct


@dataclass(frozen=True, slots=True)
class Script:
    """The constructs of a file.

    Attributes:
        file: The name of the file, as it was given.
        lines: In the order of the file.
        sources: All lines as they are written.
    """

    file: str
    lines: tuple[Line, ...]
    sources: Sequence[str] = field(compare=False)
