"""Compiles a file to a program: resolves settings, compiles texts, checks variables."""

import csv
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from socketscope.replay.script import constructs
from socketscope.replay.script.constructs import DEFAULT_TIMEOUT, Line, Message, Script
from socketscope.replay.script.errors import ScriptError
from socketscope.replay.script.parser import parse_messages, parse_transcript
from socketscope.replay.script.program import (
    Action,
    Aside,
    Expectation,
    OfStep,
    Opening,
    Program,
    Sending,
    Table,
)
from socketscope.replay.script.text import BUILT_IN, EMPTY, NAME, Template

_ENDINGS = {"crlf": b"\r\n", "lf": b"\n", "none": b""}
STANDARD_INPUT = Path("-")
_FORMS = {".txt": parse_messages, ".talk": parse_transcript}


def load(path: Path) -> tuple[Program, ...]:
    """Read a script, or all scripts of a folder.

    Raises:
        ScriptError: One is missing, empty, of neither form, or wrong.
    """
    return tuple(load_script(file) for file in script_files(path))


def script_files(path: Path) -> list[Path]:
    """Return the scripts directly in a folder, sorted by name; for anything else, the path itself.

    Raises:
        ScriptError: The folder has none, or cannot be read.
    """
    # Path.is_dir raises without permission; that error is reported when the script is read.
    if not os.path.isdir(path):  # noqa: PTH112
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix in _FORMS and file.is_file())
    except OSError as error:
        raise ScriptError(str(path), f"cannot be read: {error.strerror}") from error
    if not files:
        raise ScriptError(str(path), "no .talk or .txt script is in this folder")
    return files


def load_script(path: Path, environment: Mapping[str, str] = os.environ, name: str | None = None) -> Program:
    """Read a script; ``-`` is a transcript on standard input.

    Args:
        path: The file.
        environment: The environment variables, as in `os.environ`.
        name: The name of the script in messages; None is its path.

    Raises:
        ScriptError: It is missing, empty, of neither form, or wrong, or a variable is not set.
    """
    is_input = path == STANDARD_INPUT
    name = "<stdin>" if is_input else name or str(path)
    if (parse := parse_transcript if is_input else _FORMS.get(path.suffix)) is None:
        is_there = os.path.exists(path)  # noqa: PTH110 - as above
        told = "a script's name ends in .talk or .txt" if is_there else "there is no such file or folder"
        raise ScriptError(name, told)
    try:
        data = sys.stdin.buffer.read() if is_input else path.read_bytes()
    except OSError as error:
        raise ScriptError(name, f"cannot be read: {error.strerror}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        lines = data[: error.start].decode().split("\n")
        source = lines[-1] + data[error.start :].partition(b"\n")[0].decode(errors="replace")
        raise ScriptError(name, "this is not UTF-8", len(lines), len(lines[-1]) + 1, source) from error
    return compile_script(parse(text, name), path.parent, environment)


def compile_script(script: Script, folder: Path, environment: Mapping[str, str] = os.environ) -> Program:
    """Compile a parsed script to a program.

    Args:
        script: The parsed script.
        folder: The folder that paths in it are relative to.
        environment: As for `load_script`.

    Raises:
        ScriptError: A variable has no value, or there is nothing to play.
    """
    return _Compiler(script, folder, environment).compile()


class _Compiler:
    def __init__(self, script: Script, folder: Path, environment: Mapping[str, str]) -> None:
        self._script = script
        self._folder = folder
        self._step = "main"
        self._ending = _ENDINGS["crlf"]
        self._timeout = DEFAULT_TIMEOUT
        self._reply = "line"
        self._connect: str | None = None
        self._known = set(BUILT_IN)
        self._environment = environment
        self._taken: dict[str, str] = {}  # what the script uses of it
        self._actions: list[Action] = []

    def compile(self) -> Program:
        for line, is_answered in zip(self._script.lines, _answered(self._script.lines), strict=True):
            self._add(line, is_answered=is_answered)
        if not any(isinstance(action, Sending | Expectation) for action in self._actions):
            raise ScriptError(
                self._script.file, "nothing is sent and nothing expected", 1, 1, self._script.sources[0]
            )
        return Program(self._script.file, tuple(self._actions), self._taken, self._connect)

    def _add(self, line: Line, *, is_answered: bool) -> None:  # noqa: C901, PLR0912 - one case for each construct
        match line.construct:
            case constructs.Step(name):
                self._step = name
            case constructs.Connect(name):
                self._say_connect(line, name)
            case constructs.Ending(name):
                self._ending = _ENDINGS[name]
            case constructs.Timeout(seconds):
                self._timeout = seconds
            case constructs.Reply(name):
                self._reply = name
            case constructs.Assignment(name, text) as assignment:
                self._check(line, text, ends=True)
                self._define(line, [name])
                self._actions.append(assignment)
            case constructs.On(expression, groups, answer):
                self._check(line, expression)
                self._define(line, groups)
                if answer is not None:
                    self._check(line, answer, ends=True)
                self._actions.append(Aside(line.number, expression, groups, answer, self._ending))
            case constructs.Values(path):
                self._actions.append(self._table(line, path))
            case constructs.Expect(kind, text, groups):
                self._check(line, text)
                self._define(line, groups)
                self._actions.append(Expectation(*self._place(line), kind, text))
            case constructs.Pause() as pause:
                self._actions.append(pause)
            case constructs.Hold() | constructs.HalfClose() | constructs.Reset() as fault:
                # A pass is only connected if one of these came before.
                if not any(isinstance(action, OfStep) for action in self._actions):
                    self._actions.append(Opening(line.number, self._step))
                self._actions.append(fault)
            case message:
                self._actions.append(self._sending(line, message))
                if isinstance(message, constructs.Send) and self._reply == "line" and not is_answered:
                    self._actions.append(Expectation(*self._place(line), "any", EMPTY))

    def _sending(self, line: Line, message: Message) -> Sending:
        place = self._place(line)
        match message:
            case constructs.Send(text):
                self._check(line, text)
                return Sending(*place, text, self._ending)
            case constructs.Dribble(size, interval, text):
                self._check(line, text, ends=True)
                return Sending(*place, text, self._ending, size, interval)
            case constructs.Filler(size, random):
                return Sending(*place, filler=size, random=random)

    def _place(self, line: Line) -> tuple[int, str, float]:
        """Return what each message and each expectation begins with."""
        return line.number, self._step, self._timeout

    def _say_connect(self, line: Line, name: str) -> None:
        if self._connect is not None:
            self._fail(line, "what a connection is for has been said already")
        if any(isinstance(action, Sending | Expectation) for action in self._actions):
            self._fail(line, "this stands before all that is sent and expected", 0)
        self._connect = name

    def _check(self, line: Line, text: Template, *, ends: bool = False) -> None:
        """Check that all variables of a text have a value.

        Args:
            line: Where the text is.
            text: The text.
            ends: Whether it ends the line; else it begins right behind the keyword.
        """
        source = self._script.sources[line.number - 1]
        begin = len(source) - len(text.source) if ends else self._behind_keyword(line)
        for variable in text.needed:
            place = begin + variable.offset
            if variable.name.startswith("env:"):
                name = variable.name.removeprefix("env:")
                try:
                    self._taken[variable.name] = self._environment[name]
                except KeyError:
                    self._fail(line, f"{name} is not in the environment", place)
            elif variable.name not in self._known:
                self._fail(line, f"{variable.shown} has no value here", place)

    def _table(self, line: Line, path: str) -> Table:
        try:
            with (self._folder / path).open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                names, rows = list(reader.fieldnames or ()), []
                for row in reader:
                    if None in row or None in row.values():
                        self._fail(line, f"line {reader.line_num} of {path} does not fit its header")
                    rows.append(row)
        except UnicodeDecodeError:
            self._fail(line, f"{path} is not UTF-8")
        except (OSError, ValueError, csv.Error) as error:  # no such file, no valid name, or no table in it
            reason = getattr(error, "strerror", None) or error
            self._fail(line, f"cannot read {path}: {reason}")
        if not rows:
            self._fail(line, f"{path} has no rows")
        for name in names:
            if not NAME.fullmatch(name):
                self._fail(line, f"{name!r} in the header of {path} is not a variable name")
            if names.count(name) > 1:
                self._fail(line, f"{name!r} is twice in the header of {path}")
        self._define(line, names)
        return Table(path, tuple(rows))

    def _define(self, line: Line, names: Iterable[str]) -> None:
        for name in names:
            if name in BUILT_IN:
                self._fail(line, f"${{{name}}} is built in: give yours another name")
            self._known.add(name)

    def _behind_keyword(self, line: Line) -> int:
        return self._script.sources[line.number - 1].find(" ") + 1

    def _fail(self, line: Line, problem: str, place: int | None = None) -> NoReturn:
        """Report what is wrong at an offset in the line; None is right behind its keyword."""
        column = (self._behind_keyword(line) if place is None else place) + 1
        source = self._script.sources[line.number - 1]
        raise ScriptError(self._script.file, problem, line.number, column, source)


def _answered(lines: Sequence[Line]) -> list[bool]:
    """Return for each line whether something is expected after it before anything is sent."""
    answered, is_expected = [], False
    for line in reversed(lines):
        answered.append(is_expected)
        if isinstance(line.construct, constructs.Expect | Message):
            is_expected = isinstance(line.construct, constructs.Expect)
    return answered[::-1]
