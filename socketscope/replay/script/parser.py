"""Parses the text of a script to constructs. No I/O.

Each line is one construct: a keyword in the first column, one space, and a text, which is taken exactly, to
the end of the line.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import NoReturn, TypeVar

from socketscope.replay.script import constructs
from socketscope.replay.script.constructs import Construct, Expect, Line, Script
from socketscope.replay.script.errors import ScriptError, TextError
from socketscope.replay.script.expressions import parse_expression
from socketscope.replay.script.text import NAME, literal, parse_text
from socketscope.units import YEAR, parse_duration, parse_size

_LARGEST = 64 << 20
_ANSWER = " >"
_Word = TypeVar("_Word", bound=str)

COUNT = re.compile(r"([0-9]{1,18}|\$\{[A-Za-z_][A-Za-z0-9_]*\})B")
"""The text of a `<` that expects a number of bytes, not a line."""


def parse_messages(text: str, file: str) -> Script:
    """Parse the ``.txt`` form: each line that is not blank is one message, taken literally."""
    sources = split_lines(text)
    lines = [Line(n, constructs.Send(literal(line))) for n, line in enumerate(sources, 1) if line.strip()]
    return Script(file, tuple(lines), sources)


def parse_transcript(text: str, file: str) -> Script:
    """Parse the ``.talk`` form.

    Raises:
        ScriptError: A line is not a construct, or its text is wrong.
    """
    lines, sources = [], split_lines(text)
    for number, source in enumerate(sources, 1):
        if not source.strip() or source.lstrip().startswith("#"):
            continue
        try:
            lines.append(Line(number, _construct(source)))
        except TextError as error:
            raise ScriptError(file, str(error), number, error.offset + 1, source) from error
    return Script(file, tuple(lines), sources)


def split_lines(text: str) -> list[str]:
    """Return the lines of a script."""
    # Not splitlines, which would also split at a form feed or a NEL.
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def _construct(source: str) -> Construct:
    if "\r" in source:
        raise TextError("a carriage return stands here; one that is meant is written \\r", source.index("\r"))
    keyword, space, text = source.partition(" ")
    if (parse := _CONSTRUCTS.get(keyword)) is None:
        _no_construct(keyword)
    with _moved(len(keyword) + len(space)):
        return parse(text)


@contextmanager
def _moved(offset: int) -> Iterator[None]:
    """Add an offset to the place of an error in a part of a text."""
    try:
        yield
    except TextError as error:
        raise TextError(str(error), offset + error.offset) from error


def _no_construct(keyword: str) -> NoReturn:
    if not keyword:
        raise TextError("a construct begins in column 1")
    begun = max((known for known in _CONSTRUCTS if keyword.startswith(known)), key=len, default="")
    if begun and not (begun[-1] + keyword[len(begun)]).isalpha():  # letters would make it another word
        raise TextError(f"a space parts {begun} from its text", len(begun))
    close = get_close_matches(keyword, _CONSTRUCTS, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise TextError(f"{keyword!r} is not a construct{hint}")


def _some(text: str) -> str:
    if not text:
        raise TextError("there is nothing to wait for")
    return text


def _alone(construct: Construct) -> Callable[[str], Construct]:
    """Return a parser for a construct without a text."""

    def parse(text: str) -> Construct:
        if text:
            raise TextError(f"{text!r} is one word too many")
        return construct

    return parse


def _name(text: str) -> str:
    if not text.strip():
        raise TextError("a name is missing")
    return text


def _duration(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise TextError(str(error)) from error
    if seconds > YEAR:
        raise TextError(f"{text} is longer than a year")
    return seconds


def _timeout(text: str) -> constructs.Timeout:
    if not (seconds := _duration(text)):
        raise TextError("a timeout must be more than 0")
    return constructs.Timeout(seconds)


def _size(text: str) -> int:
    try:
        size = parse_size(text)
    except ValueError as error:
        raise TextError(str(error)) from error
    if not 0 < size <= _LARGEST:
        raise TextError(f"{text} is not between 1B and {_LARGEST >> 20}MiB")
    return size


def _pause(text: str) -> constructs.Pause:
    if text.startswith("~"):
        with _moved(1):
            return constructs.Pause(_duration(text[1:]), None)
    low, separator, high = text.partition("..")
    shortest = _duration(low)
    if not separator:
        return constructs.Pause(shortest, shortest)
    with _moved(len(low) + len(separator)):
        if (longest := _duration(high)) < shortest:
            raise TextError(f"{high} is less than {low}")
    return constructs.Pause(shortest, longest)


def _dribble(text: str) -> constructs.Dribble:
    pace, space, rest = text.partition(" ")
    size, separator, interval = pace.partition("/")
    if not separator:
        raise TextError(f"{pace!r} is not a pace; write it like 1B/200ms")
    chunk = _size(size)
    with _moved(len(size) + len(separator)):
        seconds = _duration(interval)
    with _moved(len(pace) + len(space)):
        return constructs.Dribble(chunk, seconds, parse_text(rest))


def _set(text: str) -> constructs.Assignment:
    name, space, value = text.partition(" ")
    if not NAME.fullmatch(name):
        raise TextError(f"{name!r} is not a variable name")
    with _moved(len(name) + len(space)):
        return constructs.Assignment(name, parse_text(value))


def _values(text: str) -> constructs.Values:
    if not text.endswith(".csv"):
        raise TextError(f"{text!r} is not the name of a .csv file")
    return constructs.Values(text)


def _line_or_count(text: str) -> Expect:
    if count := COUNT.fullmatch(text):
        return Expect("count", parse_text(count[1]))
    return Expect("line", parse_text(text))


def _on(text: str) -> constructs.On:
    expression, separator, answer = text.partition(f"{_ANSWER} ")
    if not separator and text.endswith(_ANSWER):
        expression, separator = text.removesuffix(_ANSWER), _ANSWER
    if not separator:
        raise TextError("an answer is missing; write it like @on ^PING > PONG", len(text))
    template, groups = parse_expression(_some(expression))
    with _moved(len(expression) + len(separator)):
        return constructs.On(template, groups, parse_text(answer))


def _one_of(text: str, *words: _Word) -> _Word:
    for word in words:
        if text == word:
            return word
    raise TextError(f"{text!r} is not one of {', '.join(words)}")


_CONSTRUCTS: dict[str, Callable[[str], Construct]] = {
    ">": lambda text: constructs.Send(parse_text(text)),
    "<": _line_or_count,
    "<~": lambda text: Expect("match", *parse_expression(text)),
    "<...": lambda text: Expect("until", parse_text(text)),
    "<...~": lambda text: Expect("until match", *parse_expression(text)),
    "<|": lambda text: Expect("bytes", parse_text(_some(text))),
    "<|~": lambda text: Expect("bytes match", *parse_expression(_some(text))),
    "<$": _alone(Expect("close")),
    "<...$": _alone(Expect("rest")),
    "==": lambda text: constructs.Step(_name(text)),
    "pause": _pause,
    "@connect": lambda text: constructs.Connect(_one_of(text, "message", "pass", "user")),
    "@eol": lambda text: constructs.Ending(_one_of(text, "crlf", "lf", "none")),
    "@timeout": _timeout,
    "@reply": lambda text: constructs.Reply(_one_of(text, "line", "none")),
    "@set": _set,
    "@values": _values,
    "@ignore": lambda text: constructs.On(*parse_expression(_some(text))),
    "@on": _on,
    "!reset": _alone(constructs.Reset()),
    "!half-close": _alone(constructs.HalfClose()),
    "!hold": lambda text: constructs.Hold(_duration(text)),
    "!dribble": _dribble,
    "!flood": lambda text: constructs.Filler(_size(text), random=False),
    "!garbage": lambda text: constructs.Filler(_size(text), random=True),
}
