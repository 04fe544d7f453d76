"""A script made ready to be played: settings resolved, texts compiled, variables and replies checked."""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import NoReturn

from client import script as constructs
from client.parser import parse_messages, parse_transcript, split_lines
from client.script import SENDS, Expect, HalfClose, Hold, Line, Pause, Reset, Script, ScriptError
from client.text import NAME, Context, Template, decode, literal, parse_text, regex_groups

BUILT_IN = frozenset({"seq", "user"})
_ENDINGS = {"crlf": b"\r\n", "lf": b"\n", "none": b""}
_FORMS = {".txt": parse_messages, ".talk": parse_transcript}


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


def ends_connection(action: Action) -> bool:
    """Return whether the connection is over after an action, so that what follows needs another."""
    return isinstance(action, Reset) or (isinstance(action, Expectation) and action.kind == "close")


def load(path: Path) -> tuple[Program, ...]:
    """Read a script, or all scripts of a folder.

    Raises:
        ScriptError: It is absent, empty, of neither form, or wrong.
    """
    if path.is_dir():
        return tuple(program for file in _scripts(path) for program in load(file))
    if (parse := _FORMS.get(path.suffix)) is None:
        raise ScriptError(str(path), 0, 1, "a script's name ends in .talk or .txt", "")
    try:
        data = path.read_bytes()
        text = data.decode()
    except UnicodeDecodeError as error:
        before, line = (
            data[: error.start].rsplit(b"\n", 1)[-1].decode(),
            data.count(b"\n", 0, error.start) + 1,
        )
        source = before + data[error.start :].partition(b"\n")[0].decode(errors="replace")
        raise ScriptError(str(path), line, len(before) + 1, "this is not UTF-8", source) from error
    except OSError as error:
        raise ScriptError(str(path), 0, 1, f"cannot be read: {error.strerror}", "") from error
    return (compile_script(parse(text, str(path)), split_lines(text), path.parent),)


def _scripts(folder: Path) -> list[Path]:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix in _FORMS and file.is_file())
    except OSError as error:
        raise ScriptError(str(folder), 0, 1, f"cannot be read: {error.strerror}", "") from error
    if not files:
        raise ScriptError(str(folder), 0, 1, "no .talk or .txt script is in this folder", "")
    return files


def compile_script(script: Script, sources: list[str], folder: Path) -> Program:
    """Make a script ready to be played.

    Args:
        script: What was parsed.
        sources: Its lines, to show where something is wrong.
        folder: What the paths in it are relative to.

    Raises:
        ScriptError: A variable has no value, or there is nothing to play.
    """
    return _Compiler(script, sources, folder).compile()


class _Compiler:
    def __init__(self, script: Script, sources: list[str], folder: Path) -> None:
        self._script = script
        self._sources = sources
        self._folder = folder
        self._step = "main"
        self._ending = _ENDINGS["crlf"]
        self._timeout = 5.0
        self._reply = "line"
        self._known = set(BUILT_IN)
        self._environment: dict[str, str] = {}
        self._actions: list[Action] = []

    def compile(self) -> Program:
        for number, line in enumerate(self._script.lines):
            self._add(line, self._script.lines[number + 1 :])
        steps = dict.fromkeys(a.step for a in self._actions if isinstance(a, Sending | Expectation))
        if not steps:
            raise ScriptError(
                self._script.file, 1, 1, "nothing is sent and nothing expected", self._sources[0]
            )
        return Program(self._script.file, tuple(self._actions), tuple(steps), self._environment)

    def _add(self, line: Line, following: Sequence[Line]) -> None:
        match line.construct:
            case constructs.Step(name):
                self._step = name
            case constructs.Ending(name):
                self._ending = _ENDINGS[name]
            case constructs.Timeout(seconds):
                self._timeout = seconds
            case constructs.Reply(name):
                self._reply = name
            case constructs.Set(name, text):
                self._actions.append(Assignment(name, self._template(line, text)))
                self._define(line, [name], f"{name} {text}")
            case constructs.Values(path):
                self._actions.append(self._table(line, path))
            case Expect(kind, text):
                self._actions.append(self._expectation(line, kind, text))
            case Pause() | Hold() | HalfClose() | Reset() as action:
                self._actions.append(action)
            case sending:
                self._actions.append(self._sending(line, sending))
                if isinstance(sending, constructs.Send) and self._waits(following):
                    self._actions.append(self._expectation(line, "any", ""))

    def _waits(self, following: Iterable[Line]) -> bool:
        """Return whether a send waits for a line although no construct says so."""
        if self._reply == "none":
            return False
        next_one = (line.construct for line in following if isinstance(line.construct, (Expect, *SENDS)))
        return not isinstance(next(next_one, None), Expect)

    def _sending(self, line: Line, sending: object) -> Sending:
        match sending:
            case constructs.Send(text):
                return Sending(line.number, self._step, self._template(line, text), self._ending)
            case constructs.Dribble(size, interval, text):
                template = self._template(line, text)
                return Sending(line.number, self._step, template, self._ending, size, interval)
            case constructs.Flood(size):
                return Sending(line.number, self._step, filler=size)
            case constructs.Garbage(size):
                return Sending(line.number, self._step, filler=size, random=True)
        raise AssertionError(sending)

    def _expectation(self, line: Line, kind: str, text: str) -> Expectation:
        is_regex = kind.endswith("match")
        template = self._template(line, text, escapes=not is_regex)
        if is_regex:
            self._define(line, regex_groups(text), text)
        return Expectation(line.number, self._step, kind, template, self._timeout)

    def _template(self, line: Line, text: str, *, escapes: bool = True) -> Template:
        if self._script.literal:
            return literal(text)
        template = parse_text(text, escapes=escapes)
        for variable in template.names:
            if variable.name.startswith("env:"):
                name = variable.name.removeprefix("env:")
                if name not in os.environ:
                    self._fail(line, f"{name} is not in the environment", text, variable.offset)
                self._environment[variable.name] = os.environ[name]
            elif variable.name not in self._known:
                self._fail(line, f"{variable.shown} has no value here", text, variable.offset)
        return template

    def _table(self, line: Line, path: str) -> Table:
        try:
            with (self._folder / path).open(encoding="utf-8-sig", newline="") as file:
                rows = tuple(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            self._fail(line, f"cannot read {path}: {reason}", path)
        if not rows:
            self._fail(line, f"{path} has no rows", path)
        for row in rows:
            if None in row or None in row.values():
                self._fail(line, f"{path} has a row that does not fit its header", path)
        for name in rows[0]:
            if not NAME.fullmatch(name):
                self._fail(line, f"{name!r} in the header of {path} is no name of a variable", path)
        self._define(line, rows[0], path)
        return Table(path, rows)

    def _define(self, line: Line, names: Iterable[str], text: str) -> None:
        for name in names:
            if name in BUILT_IN:
                self._fail(line, f"${{{name}}} has its value already", text)
            self._known.add(name)

    def _fail(self, line: Line, problem: str, text: str, offset: int = 0) -> NoReturn:
        """Tell what is wrong at an offset of the text that ends the line."""
        source = self._sources[line.number - 1]
        column = len(source) - len(text) + offset + 1
        raise ScriptError(self._script.file, line.number, column, problem, source)
