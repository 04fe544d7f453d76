"""A script made ready to be played: what goes out, and what must come back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from socketscope.excerpt import escaped
from socketscope.replay.script.constructs import DEFAULT_TIMEOUT, HalfClose, Hold, Pause, Reset
from socketscope.replay.script.context import Context
from socketscope.replay.script.text import Template, decode, literal, quoted

OF_LINES = frozenset({"line", "match", "until", "until match", "any"})
"""Kinds of expectations that are about whole lines."""

_ENDS = frozenset({"close", "rest"})
_NUMBER = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes out: a text with its ending, slowly or not; or so many bytes of nothing in particular.

    Attributes:
        chunk: Bytes at a time; 0 is all at once.
        interval: Seconds from one chunk to the next.
        filler: Bytes that are sent in place of a text; 0 is the text.
        random: Whether these are random, and not all the same.
        timeout: Seconds in which the server must have taken it.
    """

    line: int
    step: str
    template: Template = field(default_factory=lambda: literal(""))
    ending: bytes = b""
    chunk: int = 0
    interval: float = 0.0
    filler: int = 0
    random: bool = False
    timeout: float = DEFAULT_TIMEOUT

    def data(self, context: Context) -> bytes:
        """Return its bytes in a pass."""
        if self.filler:
            return context.random.randbytes(self.filler) if self.random else b"x" * self.filler
        return self.template.fill(context) + self.ending


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come back within `timeout` seconds."""

    line: int
    step: str
    kind: str
    template: Template
    timeout: float

    @property
    def is_literal(self) -> bool:
        """Whether what comes must be this text, to the byte."""
        return self.kind in {"line", "until", "bytes"}

    @property
    def ends(self) -> bool:
        """Whether it is that the server closes."""
        return self.kind in _ENDS

    def count(self, context: Context) -> int | None:
        """Return how many bytes it is; None where its variable has no number."""
        number = self.template.fill(context)
        return int(number) if _NUMBER.fullmatch(number) else None

    def expression(self, context: Context) -> re.Pattern[bytes] | None:
        """Return the expression that a pass compares with; None where a value has made it none."""
        try:
            return re.compile(self.template.fill(context, re.escape))
        except re.error:  # as where it is the beginning of a range
            return None

    def matches(self, reply: bytes, context: Context) -> Mapping[str, str] | None:
        """Return the variables that a reply gives, or None where it is not what is expected."""
        match self.kind:
            case "line" | "until" | "bytes":
                return {} if reply == self.template.fill(context) else None
            case "match" | "until match" | "bytes match":
                expression = self.expression(context)
                found = expression and expression.search(reply)
                return groups(found) if found else None
            case "count":
                # The bytes themselves are kept nowhere.
                number = self.count(context)
                return {} if number is not None and reply == b"%dB" % number else None
        return {}

    def shown(self, context: Context) -> str:  # noqa: PLR0911 - a case a kind
        """Return what was expected, for a person: a text in quotes, a regular expression as it stands."""
        match self.kind:
            case "any":
                return "a line, as no < follows; see @reply"
            case "close":
                return "the end of the connection"
            case "rest":
                return "anything, and the end of the connection"
            case "count" if (number := self.count(context)) is not None:
                return f"{number} bytes"
            case "count":
                return f"{self.template.source} to be a number of bytes"
            case "match" | "until match" | "bytes match":
                return f"a match of {self.template.source}"
        return quoted(self.template.fill(context), context)


@dataclass(frozen=True, slots=True)
class Opening:
    """A connection that a fault needs before anything is said on it."""

    line: int
    step: str


@dataclass(frozen=True, slots=True)
class Aside:
    """Lines that no expectation is to meet: they are passed over, or answered.

    Attributes:
        groups: Names of the variables that such a line gives, which are empty until there was one.
    """

    expression: Template
    answer: Template | None = None
    ending: bytes = b""
    line: int = 0
    groups: tuple[str, ...] = ()

    def meets(self, line: bytes, context: Context) -> bool:
        """Return whether it is about a line, whose groups then are variables."""
        try:
            found = re.search(self.expression.fill(context, re.escape), line)
        except re.error:
            return False
        if found is None:
            return False
        context.update(groups(found))
        return True


def groups(match: re.Match[bytes]) -> dict[str, str]:
    """Return the named groups of a match as variables; one that took no part is empty."""
    return {name: decode(value) for name, value in match.groupdict(default=b"").items()}


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
        """Return the next row."""
        return self.rows[next(self._taken) % len(self.rows)]


Action = Sending | Expectation | Opening | Aside | Pause | Hold | HalfClose | Reset | Assignment | Table


@dataclass(frozen=True, slots=True)
class Program:
    """What a user plays.

    Attributes:
        file: The script's name.
        actions: In order.
        steps: Names of the steps that have exchanges.
        environment: The variables of the process that it uses.
        connect: What a connection is for, ``message``, ``pass`` or ``user``; None where it does not say.
    """

    file: str
    actions: tuple[Action, ...]
    steps: tuple[str, ...]
    environment: Mapping[str, str]
    connect: str | None = None

    def connect_for(self, asked: str | None) -> str:
        """Return what a connection is for: as somebody asked, else as the script says, else a message."""
        return asked or self.connect or "message"

    def with_steps_of(self, name: str) -> "Program":
        """Return the same, its steps told apart from others' by a name before them."""
        name = escaped(name)  # a file's may be no text, which no metric's label can have
        actions = tuple(
            replace(action, step=f"{name}/{action.step}")
            if isinstance(action, Sending | Expectation | Opening)
            else action
            for action in self.actions
        )
        return replace(self, actions=actions, steps=tuple(f"{name}/{step}" for step in self.steps))

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


def told_apart(programs: list[Program]) -> list[Program]:
    """Return programs whose steps are ``file/step`` where there are several files."""
    if len(files := {program.file for program in programs}) == 1:
        return programs
    names = [Path(file).name for file in files]
    return [
        program.with_steps_of(name if names.count(name := Path(program.file).name) == 1 else program.file)
        for program in programs
    ]


def ends_connection(action: Action) -> bool:
    """Return whether the connection is over after an action, so that what follows needs another."""
    return isinstance(action, Reset) or (isinstance(action, Expectation) and action.ends)
