"""A script made ready to be played: what goes out, and what must come back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random

from socketscope.replay.script.constructs import HalfClose, Hold, Pause, Reset
from socketscope.replay.script.text import Context, Template, decode, literal


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes out: a text with its ending, slowly or not; or so many bytes of nothing in particular."""

    line: int
    step: str
    template: Template = field(default_factory=lambda: literal(""))
    ending: bytes = b""
    chunk: int = 0  # bytes at a time; 0 is all at once
    interval: float = 0.0
    filler: int = 0
    random: bool = False

    def data(self, context: Context, random: Random) -> bytes:
        """Return its bytes in a pass."""
        if self.filler:
            return random.randbytes(self.filler) if self.random else b"x" * self.filler
        return self.template.fill(context, random) + self.ending


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come back within `timeout` seconds a line."""

    line: int
    step: str
    kind: str
    template: Template
    timeout: float

    def matches(self, reply: bytes, context: Context, random: Random) -> Mapping[str, str] | None:
        """Return the variables that a reply line gives, or None where it is not what is expected."""
        if self.kind in {"line", "until"}:
            return {} if reply == self.template.fill(context, random) else None
        if self.kind == "any":
            return {}
        try:
            match = re.search(decode(self.template.fill(context, random, re.escape)), decode(reply))
        except re.error:  # a value can still make a repetition of it that is none
            return None
        return None if match is None else match.groupdict(default="")

    def shown(self, context: Context, random: Random) -> str:
        """Return what was expected, for a person."""
        match self.kind:
            case "any":
                return "a line"
            case "close":
                return "the end of the connection"
            case "match" | "until match":
                return f"a match of {decode(self.template.fill(context, random, re.escape))}"
        return decode(self.template.fill(context, random))


@dataclass(frozen=True, slots=True)
class Assignment:
    """A variable that gets a value in each pass."""

    name: str
    template: Template


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a CSV file, of which each pass takes the next, over and over."""

    file: str
    rows: tuple[Mapping[str, str], ...]
    _taken: Iterator[int] = field(default_factory=count)

    def next_row(self) -> Mapping[str, str]:
        """Return the next row; users who ask at the same time get one each."""
        return self.rows[next(self._taken) % len(self.rows)]


Action = Sending | Expectation | Pause | Hold | HalfClose | Reset | Assignment | Table


@dataclass(frozen=True, slots=True)
class Program:
    """What a user plays.

    Attributes:
        file: The script's name.
        actions: In order.
        steps: Names of the steps that have exchanges.
        environment: The variables of the process that it uses.
    """

    file: str
    actions: tuple[Action, ...]
    steps: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def is_greeted(self) -> bool:
        """Whether something is expected of a connection on which nothing was sent yet."""
        sent = False
        for action in self.actions:
            if isinstance(action, Sending):
                sent = True
            elif isinstance(action, Expectation) and not sent:
                return True
            elif ends_connection(action):
                sent = False
        return False

    @property
    def half_closes(self) -> bool:
        """Whether it ends one direction of a connection."""
        return any(isinstance(action, HalfClose) for action in self.actions)

    @property
    def needs_connection(self) -> bool:
        """Whether it ends connections, or one direction of them, which datagrams have not."""
        return self.half_closes or any(map(ends_connection, self.actions))


def ends_connection(action: Action) -> bool:
    """Return whether the connection is over after an action, so that what follows needs another."""
    return isinstance(action, Reset) or (isinstance(action, Expectation) and action.kind == "close")
