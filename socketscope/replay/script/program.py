"""A compiled script: what is sent, and what must come back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from socketscope.excerpt import escaped
from socketscope.replay.script.constructs import Assignment, HalfClose, Hold, Pause, Reset
from socketscope.replay.script.context import Context
from socketscope.replay.script.text import EMPTY, Template, decode, quoted

OF_LINES = frozenset({"line", "match", "until", "until match", "any"})
"""Kinds of expectation that are about whole lines."""

_ENDS = frozenset({"close", "rest"})
_NUMBER = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Sending:
    """What is sent: a text with its ending, at once or slowly; or a number of filler bytes.

    Attributes:
        timeout: Seconds in which the server must take it.
        chunk: Bytes sent at a time; 0 for all at once.
        interval: Seconds from one chunk to the next.
        filler: Number of bytes to send instead of the text; 0 sends the text.
        random: Whether filler bytes are random.
    """

    line: int
    step: str
    timeout: float
    template: Template = EMPTY
    ending: bytes = b""
    chunk: int = 0
    interval: float = 0.0
    filler: int = 0
    random: bool = False

    def data(self, context: Context) -> bytes:
        """Return the bytes to send in a pass."""
        if self.filler:
            return context.random.randbytes(self.filler) if self.random else b"x" * self.filler
        return self.template.fill(context) + self.ending


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come back within `timeout` seconds."""

    line: int
    step: str
    timeout: float
    kind: str
    template: Template

    @property
    def ends(self) -> bool:
        """Whether the server must close."""
        return self.kind in _ENDS

    def count(self, context: Context) -> int | None:
        """Return the number of bytes; None if its variable holds no number."""
        number = self.template.fill(context)
        return int(number) if _NUMBER.fullmatch(number) else None

    def expression(self, context: Context) -> re.Pattern[bytes] | None:
        """Return the expression in a pass; None if the value of a variable has made it invalid."""
        try:
            return re.compile(self.template.fill(context, re.escape))
        except re.error:  # for example at the beginning of a range
            return None

    def matches(self, reply: bytes, context: Context) -> Mapping[str, str] | None:
        """Return the variables that a reply sets, or None if it is not what is expected."""
        match self.kind:
            case "line" | "until" | "bytes":
                return {} if reply == self.template.fill(context) else None
            case "match" | "until match" | "bytes match":
                expression = self.expression(context)
                found = expression and expression.search(reply)
                return groups(found) if found else None
            case "count":
                # The bytes themselves are not kept.
                number = self.count(context)
                return {} if number is not None and reply == b"%dB" % number else None
        return {}

    def shown(self, context: Context) -> str:  # noqa: PLR0911 - one case for each kind
        """Describe what was expected, for a person: a text in quotes, a regular expression as written."""
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
    """A connection, for a fault before anything is said."""

    line: int
    step: str


@dataclass(frozen=True, slots=True)
class Aside:
    """Lines that are ignored or answered whenever they come, and that no expectation sees.

    Attributes:
        groups: Names of the variables that such a line sets; they are empty until one has come.
        answer: What is sent then; None to ignore it.
        ending: What follows the answer.
    """

    line: int
    expression: Template
    groups: tuple[str, ...]
    answer: Template | None
    ending: bytes

    def meets(self, line: bytes, context: Context) -> bool:
        """Return whether it matches a line; if so, set the variables of its groups."""
        try:
            found = re.search(self.expression.fill(context, re.escape), line)
        except re.error:
            return False
        if found is None:
            return False
        context.update(groups(found))
        return True


def groups(match: re.Match[bytes]) -> dict[str, str]:
    """Return the named groups of a match as variables; empty for a group that did not take part."""
    return {name: decode(value) for name, value in match.groupdict(default=b"").items()}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a CSV file; each pass takes the next one, over and over."""

    file: str
    rows: tuple[Mapping[str, str], ...]
    _taken: Iterator[int] = field(default_factory=count)

    def next_row(self) -> Mapping[str, str]:
        """Return the next row."""
        return self.rows[next(self._taken) % len(self.rows)]


OfStep = Sending | Expectation | Opening
Action = OfStep | Aside | Pause | Hold | HalfClose | Reset | Assignment | Table


@dataclass(frozen=True, slots=True)
class Program:
    """What a user plays.

    Attributes:
        file: The name of the script.
        actions: In order.
        environment: The environment variables that it uses.
        connect: What a connection is for: ``message``, ``pass`` or ``user``; None if the script does not say.
    """

    file: str
    actions: tuple[Action, ...]
    environment: Mapping[str, str]
    connect: str | None = None

    def connect_for(self, asked: str | None) -> str:
        """Return what a connection is for: as asked for, else as the script says, else ``message``."""
        return asked or self.connect or "message"

    def with_steps_of(self, name: str) -> "Program":
        """Return the same with a name before the name of each step."""
        name = escaped(name)  # the name of a file may not be valid Unicode, as a label must be
        actions = (
            replace(action, step=f"{name}/{action.step}") if isinstance(action, OfStep) else action
            for action in self.actions
        )
        return replace(self, actions=tuple(actions))

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps that have exchanges."""
        return tuple(dict.fromkeys(action.step for action in self.actions if isinstance(action, OfStep)))

    @property
    def is_greeted(self) -> bool:
        """Whether it expects something on a connection on which it has sent nothing."""
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
        """Whether it closes one direction of a connection."""
        return any(isinstance(action, HalfClose) for action in self.actions)


def told_apart(programs: list[Program]) -> list[Program]:
    """Return programs whose steps are called ``file/step`` if there are several files."""
    if len(files := {program.file for program in programs}) == 1:
        return programs
    names = [Path(file).name for file in files]
    return [
        program.with_steps_of(name if names.count(name := Path(program.file).name) == 1 else program.file)
        for program in programs
    ]


def ends_connection(action: Action) -> bool:
    """Return whether an action ends the connection, so that what follows needs another."""
    return isinstance(action, Reset) or (isinstance(action, Expectation) and action.ends)
