"""From a line's fields to its bytes: bounded, without line ends or anything else that a terminal obeys."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

import structlog

from socketscope.excerpt import DEEPEST, escaped, excerpt, excerpts
from socketscope.views.lines import encoding, plain_json

Form = Literal["json", "console"]
Render = Callable[[Any], bytes]

MOST_BYTES = 16 * 1024
"""Bytes of a line with its ending; if there are more, its longest values are cut, and say so."""

_WHOLE = 64
"""Characters of a name or a text that are never cut: enough for a time stamp or an address."""

_LEAST = 6
"""The fewest bytes of a field, as of ``"a":1,``."""

_CONTROLS = re.compile(rb"\xc2([\x80-\x9f])")
"""Control characters in UTF-8 that JSON leaves as they are: a terminal obeys U+009B as it does ESC [."""


def renderer(form: Form, descriptor: int) -> Render:
    """Return a function that makes a line of fields, or of the text that a renderer has made of them.

    Args:
        form: JSON for machines or coloured text for people.
        descriptor: Where lines go; on a terminal they have colours.
    """
    make = _json if form == "json" else _console(colors=os.isatty(descriptor))

    def render(fields: Any) -> bytes:
        try:
            if isinstance(fields, dict):
                line = make(fields)
                return line if len(line) <= MOST_BYTES else _shortened(make, fields)
            if isinstance(fields, (str, bytes, bytearray)):
                return ended(fields)
            raise TypeError  # noqa: TRY301 - for example of a processor that returns nothing
        except Exception as error:  # noqa: BLE001 - a line that cannot be made must not end its thread
            return unprintable(error)

    return render


def unprintable(error: Exception) -> bytes:
    """Return a line in place of one that cannot be made, without any of its content."""
    told = {"timestamp": datetime.now(UTC), "level": "error", "event": "unprintable_line"}
    return _json({**told, "error": type(error).__name__})


def ended(text: str | bytes | bytearray) -> bytes:
    """Return the line of a text that somebody else's renderer has made."""
    line = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else bytes(text)
    if len(line) >= MOST_BYTES:
        # A character can take four bytes.
        line = excerpt(line.decode("utf-8", "replace"), MOST_BYTES // 5).encode()
    return line + b"\n"


def _shortened(make: Render, fields: Mapping[str, Any]) -> bytes:
    number = min(len(fields), MOST_BYTES // _LEAST)
    while True:
        # The first fields are the line's own, whatever names a client makes a handler log.
        kept = dict(islice(fields.items(), number))
        if left_out := len(fields) - number:
            kept["..."] = f"{left_out} more"
        share = MOST_BYTES // (2 * len(kept))
        long = {key for key, value in kept.items() if len(make({key: value})) > share}
        most = MOST_BYTES
        while most:
            # A character can take several bytes.
            most //= 2
            line = make(dict(_cut(*each, most) if each[0] in long else each for each in kept.items()))
            if len(line) <= MOST_BYTES:
                return line
        number //= 2  # there are too many


def _cut(key: Any, value: Any, most: int) -> tuple[str, Any]:
    room = max(most, _WHOLE)
    return excerpt(str(key), room), excerpts(value, room if isinstance(value, str) else most)


def _json(fields: Any) -> bytes:
    try:
        line = encoding.dumps(fields, _as_structlog)
    except TypeError:
        # A path or an error's text is not UTF-8, a key is not a string, a number is too large, or something
        # is nested too deeply.
        line = encoding.dumps(_plain(fields), _as_structlog)
    if not line.isascii():
        line = _CONTROLS.sub(lambda found: b"\\u00%02x" % found[1][0], line)
    # A copy, of its own size: what orjson returns takes a KiB, and thousands of lines may wait.
    return line + b"\n"


def _as_structlog(value: Any) -> Any:
    """Return what structlog's `JSONRenderer` writes for a value of a type that JSON lacks."""
    try:
        return value.__structlog__()
    except AttributeError:
        return repr(value)


def _console(*, colors: bool) -> Render:
    console: Any = structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False)

    def render(fields: Any) -> bytes:
        plain = _plain(fields)
        plain.pop("exception", None)
        # A traceback is for people, in lines, which cannot be taken for lines of the log.
        trace = str(fields.get("exception") or "").splitlines()
        lines = [str(console(None, "", {"event": "", **plain})), *(f"    {escaped(line)}" for line in trace)]
        return "\n".join(lines).encode() + b"\n"

    return render


def _plain(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Return a value that JSON can have, with all that is not printable escaped: no terminal obeys it."""
    match value:
        case str():
            text = value
        case None | bool() | float() | datetime():
            return value
        case int() if plain_json.has(value):
            return value
        case dict() | list() | tuple() if len(above) == DEEPEST:
            text = "..."
        case dict() if id(value) not in above:
            inner = (*above, id(value))
            return {escaped(str(key)): _plain(each, inner) for key, each in value.items()}
        case list() | tuple() if id(value) not in above:
            return [_plain(each, (*above, id(value))) for each in value]
        case _:
            text = repr(value)
    return escaped(text)
