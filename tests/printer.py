"""Prints the constructs of a script as text, which the parser must read as the same."""

from socketscope.replay.script import constructs
from socketscope.replay.script.constructs import Construct, Script
from socketscope.replay.script.text import Template
from socketscope.units import format_duration as duration

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
    """Return ``.talk`` text that parses to the same constructs, one per line."""
    return "".join(f"{_print(line.construct)}\n" for line in script.lines)


def _print(construct: Construct) -> str:  # noqa: C901, PLR0911, PLR0912 - one case for each construct
    match construct:
        case constructs.Send(text):
            return f"> {text.source}"
        case constructs.Dribble(size, interval, text):
            return f"!dribble {size}B/{duration(interval)} {text.source}"
        case constructs.Filler(size, random):
            return f"!{'garbage' if random else 'flood'} {size}B"
        case constructs.Expect("close" | "rest" as kind):
            return _EXPECTATIONS[kind]
        case constructs.Expect("count", text):
            return f"< {text.source}B"
        case constructs.Expect(kind, text):
            return f"{_EXPECTATIONS[kind]} {text.source}"
        case constructs.Pause(low, None):
            return f"pause ~{duration(low)}"
        case constructs.Pause(low, high) if low == high:
            return f"pause {duration(low)}"
        case constructs.Pause(low, float(high)):
            return f"pause {duration(low)}..{duration(high)}"
        case constructs.Hold(seconds):
            return f"!hold {duration(seconds)}"
        case constructs.HalfClose():
            return "!half-close"
        case constructs.Reset():
            return "!reset"
        case constructs.Step(name):
            return f"== {name}"
        case constructs.Connect(name):
            return f"@connect {name}"
        case constructs.Ending(name):
            return f"@eol {name}"
        case constructs.Timeout(seconds):
            return f"@timeout {duration(seconds)}"
        case constructs.Reply(name):
            return f"@reply {name}"
        case constructs.Assignment(name, text):
            return f"@set {name} {text.source}"
        case constructs.Values(path):
            return f"@values {path}"
        case constructs.On(expression, _, None):
            return f"@ignore {expression.source}"
        case constructs.On(expression, _, Template() as text):
            return f"@on {expression.source} > {text.source}"
    raise AssertionError(construct)
