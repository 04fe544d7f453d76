"""From a script's constructs to its text. No I/O."""

from decimal import Decimal

from socketscope.replay.script.constructs import (
    Connect,
    Construct,
    Dribble,
    Ending,
    Expect,
    Flood,
    Garbage,
    HalfClose,
    Hold,
    Ignore,
    On,
    Pause,
    Reply,
    Reset,
    Script,
    Send,
    Set,
    Step,
    Timeout,
    Values,
)

_EXPECTATIONS = {
    "line": "<",
    "match": "<~",
    "until": "<...",
    "until match": "<...~",
    "bytes": "<|",
    "bytes match": "<|~",
    "rest": "<...$",
    "close": "<$",
}


def print_transcript(script: Script) -> str:
    """Return the ``.talk`` text that parses to the same constructs, one a line."""
    return "".join(f"{_print(line.construct)}\n" for line in script.lines)


def _seconds(seconds: float) -> str:
    return f"{Decimal(repr(seconds)).normalize():f}s"  # never with an exponent


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
        case Expect("close" | "rest" as kind):
            return _EXPECTATIONS[kind]
        case Expect("count", text):
            return f"< {text}B"
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
        case Connect(name):
            return f"@connect {name}"
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
        case Ignore(expression):
            return f"@ignore {expression}"
        case On(expression, text):
            return f"@on {expression} > {text}"
    raise AssertionError(construct)
