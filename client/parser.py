"""From a script's text to its constructs, and back. No I/O.

One construct a line; its keyword stands in the first column, one space parts it from its text, and the text
is taken exactly, to the end of the line.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn

from client.script import (
    Construct,
    Dribble,
    Ending,
    Expect,
    Flood,
    Garbage,
    HalfClose,
    Hold,
    Line,
    Pause,
    Reply,
    Reset,
    Script,
    ScriptError,
    Send,
    Set,
    Step,
    Timeout,
    Values,
)
from client.text import TextError, parse_text
from socketscope.units import parse_duration, parse_size

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Problem(Exception):  # noqa: N818 - becomes a ScriptError where the file and line are known
    """What is wrong, at an offset of the construct's text."""

    def __init__(self, text: str, offset: int = 0) -> None:
        super().__init__(text)
        self.offset = offset


def parse_messages(text: str, file: str) -> Script:
    """Parse the ``.txt`` form: each line that is not blank is one message, exactly as it stands."""
    lines = [Line(n, Send(line)) for n, line in enumerate(_split(text), 1) if line.strip()]
    return Script(file, tuple(lines), literal=True)


def parse_transcript(text: str, file: str) -> Script:
    """Parse the ``.talk`` form.

    Raises:
        ScriptError: A line is no construct, or its text is wrong.
    """
    lines = []
    for number, source in enumerate(_split(text), 1):
        if not source.strip() or source.lstrip().startswith("#"):
            continue
        keyword, space, rest = source.partition(" ")
        begins = len(keyword) + len(space) + 1

        def fail(problem: str, offset: int, number: int = number, source: str = source) -> NoReturn:
            raise ScriptError(file, number, offset, problem, source)

        if (parse := _CONSTRUCTS.get(keyword)) is None:
            fail(
                f"{keyword or 'a space'!r} is no construct" if keyword else "a construct begins in column 1",
                1,
            )
        try:
            lines.append(Line(number, parse(rest)))
        except _Problem as problem:
            fail(str(problem), begins + problem.offset)
        except TextError as error:
            fail(str(error), begins + error.offset)
        except ValueError as error:
            fail(str(error), begins)
    return Script(file, tuple(lines))


def print_transcript(script: Script) -> str:
    """Return the ``.talk`` text that parses to the same constructs, one a line."""
    return "".join(f"{_print(line.construct)}\n" for line in script.lines)


def _split(text: str) -> list[str]:
    # Not splitlines: a form feed or a NEL in a message is no end of a line of the script.
    lines = text.removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in lines]


def _text(text: str) -> str:
    parse_text(text)
    return text


def _regex(text: str) -> str:
    template = parse_text(text, escapes=False)
    if not template.names and all(isinstance(part, bytes) for part in template.parts):
        try:
            re.compile(b"".join(part for part in template.parts if isinstance(part, bytes)).decode())
        except re.error as error:
            raise _Problem(f"no regular expression: {error.msg}", error.pos or 0) from error
    return text


def _nothing(text: str) -> None:
    if text:
        raise _Problem(f"{text!r} is one word too many")


def _name(text: str) -> str:
    if not text.strip():
        raise _Problem("a name is missing")
    return text


def _pause(text: str) -> Pause:
    if text.startswith("~"):
        return Pause(parse_duration(text[1:]), None)
    low, separator, high = text.partition("..")
    if not separator:
        return Pause(parse_duration(low), parse_duration(low))
    pause = Pause(parse_duration(low), parse_duration(high))
    if pause.high is not None and pause.high < pause.low:
        raise _Problem(f"{high} is less than {low}", len(low) + len(separator))
    return pause


def _dribble(text: str) -> Dribble:
    pace, _, rest = text.partition(" ")
    size, separator, interval = pace.partition("/")
    if not separator:
        raise _Problem(f"{pace!r} is no pace; write it like 1B/200ms")
    try:
        parse_text(rest)
    except TextError as error:
        raise _Problem(str(error), len(pace) + 1 + error.offset) from error
    if (count := parse_size(size)) < 1:
        raise _Problem("nothing at a time never ends")
    return Dribble(count, parse_duration(interval), rest)


def _set(text: str) -> Set:
    name, _, value = text.partition(" ")
    if not _NAME.fullmatch(name):
        raise _Problem(f"{name!r} is no name of a variable")
    try:
        parse_text(value)
    except TextError as error:
        raise _Problem(str(error), len(name) + 1 + error.offset) from error
    return Set(name, value)


def _values(text: str) -> Values:
    if not text.endswith(".csv"):
        raise _Problem(f"{text!r} is no name of a .csv file")
    return Values(text)


def _ending(text: str) -> Ending:
    match text:
        case "crlf" | "lf" | "none":
            return Ending(text)
    raise _Problem(f"{text!r} is none of crlf, lf, none")


def _reply(text: str) -> Reply:
    match text:
        case "line" | "none":
            return Reply(text)
    raise _Problem(f"{text!r} is neither line nor none")


def _half_close(text: str) -> HalfClose:
    _nothing(text)
    return HalfClose()


def _reset(text: str) -> Reset:
    _nothing(text)
    return Reset()


def _close(text: str) -> Expect:
    _nothing(text)
    return Expect("close")


_CONSTRUCTS: dict[str, Callable[[str], Construct]] = {
    ">": lambda text: Send(_text(text)),
    "<": lambda text: Expect("line", _text(text)),
    "<~": lambda text: Expect("match", _regex(text)),
    "<...": lambda text: Expect("until", _text(text)),
    "<...~": lambda text: Expect("until match", _regex(text)),
    "<$": _close,
    "==": lambda text: Step(_name(text)),
    "pause": _pause,
    "@eol": _ending,
    "@timeout": lambda text: Timeout(parse_duration(text)),
    "@reply": _reply,
    "@set": _set,
    "@values": _values,
    "!reset": _reset,
    "!half-close": _half_close,
    "!hold": lambda text: Hold(parse_duration(text)),
    "!dribble": _dribble,
    "!flood": lambda text: Flood(parse_size(text)),
    "!garbage": lambda text: Garbage(parse_size(text)),
}

_EXPECTATIONS = {"line": "<", "match": "<~", "until": "<...", "until match": "<...~"}


def _seconds(seconds: float) -> str:
    return f"{Decimal(repr(seconds)):f}s"  # never with an exponent


def _print(construct: Construct) -> str:  # noqa: C901, PLR0911, PLR0912 - a case a construct
    match construct:
        case Send(text):
            return f"> {text}"
        case Dribble(size, interval, text):
            return f"!dribble {size}B/{_seconds(interval)} {text}"
        case Flood(size):
            return f"!flood {size}B"
        case Garbage(size):
            return f"!garbage {size}B"
        case Expect("close"):
            return "<$"
        case Expect(kind, text):
            return f"{_EXPECTATIONS[kind]} {text}"
        case Pause(low, None):
            return f"pause ~{_seconds(low)}"
        case Pause(low, high) if low == high:
            return f"pause {_seconds(low)}"
        case Pause(low, float(high)):
            return f"pause {_seconds(low)}..{_seconds(high)}"
        case Hold(seconds):
            return f"!hold {_seconds(seconds)}"
        case HalfClose():
            return "!half-close"
        case Reset():
            return "!reset"
        case Step(name):
            return f"== {name}"
        case Ending(name):
            return f"@eol {name}"
        case Timeout(seconds):
            return f"@timeout {_seconds(seconds)}"
        case Reply(name):
            return f"@reply {name}"
        case Set(name, text):
            return f"@set {name} {text}"
        case Values(path):
            return f"@values {path}"
    raise AssertionError(construct)
