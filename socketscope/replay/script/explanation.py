"""Explains, step by step, what a script does."""

from socketscope.replay.script.constructs import Assignment, HalfClose, Hold, Pause, Reset
from socketscope.replay.script.program import (
    Action,
    Aside,
    Expectation,
    OfStep,
    Opening,
    Program,
    Sending,
    Table,
    ends_connection,
)
from socketscope.replay.script.text import Template
from socketscope.units import format_duration as duration

_ENDINGS = {b"\r\n": " and CRLF", b"\n": " and LF", b"": " without an ending"}


def explain(program: Program) -> str:
    """Return the name of the script and, below the name of each step, a line for each action.

    Actions that send or wait begin with their line number in the script.
    """
    messages = sum(isinstance(action, Sending) for action in program.actions)
    lines = [f"{program.file}: {_counted(messages, 'message')} in {_counted(len(program.steps), 'step')}"]
    if program.connect is not None:
        lines.append(f"          a connection a {program.connect}")
    needed = ": --connect pass or user" if program.connect_for(None) == "message" else ""
    step, timeout, is_open, is_spoken = None, 0.0, False, False
    for action in program.actions:
        number, told = "", _told(action)
        if isinstance(action, OfStep) and action.step != step:
            step = action.step
            lines.append(f"  {step}")
        if isinstance(action, Sending | Expectation):
            number = str(action.line)
            if not is_spoken and isinstance(action, Expectation):
                connect = "" if is_open else "connect, and "
                lines.append(f"          {connect}let the server speak first{needed}")
        if isinstance(action, Expectation) and action.timeout != timeout:
            timeout = action.timeout
            told += f", within {duration(timeout)}"
        is_spoken = (is_spoken or bool(number)) and not ends_connection(action)
        is_open = (is_open or isinstance(action, Opening)) and not ends_connection(action)
        lines.append(f"    {number:>4}  {told}")
    return "\n".join(lines)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _told(action: Action) -> str:  # noqa: C901, PLR0911, PLR0912 - one case for each kind of action
    match action:
        case Opening():
            return "connect"
        case Sending():
            return _sent(action)
        case Expectation():
            return _expected(action)
        case Pause(low, None):
            return f"pause {duration(low)} on average"
        case Pause(low, high) if low == high:
            return f"pause {duration(low)}"
        case Pause(low, float(high)):
            return f"pause {duration(low)} to {duration(high)}"
        case Hold(seconds):
            return f"keep silent for {duration(seconds)}"
        case HalfClose():
            return "shut down sending"
        case Reset():
            return "close with a reset"
        case Assignment(name, template):
            return f'set ${{{name}}} to "{template.source}"'
        case Aside(answer=None):
            return f"pass over lines that match {action.expression.source}"
        case Aside(answer=Template(source=answer)):
            with_what = f'"{answer}"{_ENDINGS[action.ending]}'
            return f"answer a line that matches {action.expression.source} with {with_what}"
        case Table(file, rows):
            return f"take the next row of {file}: {', '.join(f'${{{name}}}' for name in rows[0])}"
    raise AssertionError(action)


def _sent(action: Sending) -> str:
    if action.filler:
        return f"send {action.filler} {'random bytes' if action.random else 'bytes that end no line'}"
    text = f'send "{action.template.source}"{_ENDINGS[action.ending]}'
    if action.chunk:
        text += f", {_counted(action.chunk, 'byte')} every {duration(action.interval)}"
    return text


def _expected(action: Expectation) -> str:
    text = action.template.source
    return {
        "line": f'expect the line "{text}"',
        "match": f"expect a line that matches {text}",
        "until": f'read until the line "{text}"',
        "until match": f"read until a line matches {text}",
        "bytes": f'expect "{text}", whether it ends a line or not',
        "bytes match": f"read until what has come matches {text}",
        "count": f"read {text} bytes, whatever they are",
        "close": "expect the server to close",
        "rest": "read until the server closes, whatever comes",
        "any": "expect a line of anything",
    }[action.kind]
