"""Shortening values that are too long to show, and escaping what a terminal would obey."""

from itertools import islice
from typing import Any

DEEPEST = 64
"""Levels of nesting that are shown; JSON from a client may have any number."""

MOST_TEXT = 2000
"""Characters kept of an exception's text; even if all are escaped, its line has room for the place."""


def escaped(text: str) -> str:
    """Return a text with all that is not printable escaped, also line ends, so that no terminal obeys it."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def printable(text: str) -> str:
    """Return a text with each of its lines escaped, but not their ends."""
    return "\n".join(map(escaped, text.split("\n")))


def excerpt(text: str, most: int) -> str:
    """Return a text if it has at most this many characters, else that many and how many more there are."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most} characters more)"


def in_words(error: BaseException) -> str:
    """Return an exception's type and its text, which a client may have chosen."""
    try:
        told = excerpt(str(error), MOST_TEXT)
    except Exception as another:  # noqa: BLE001 - the program's own class may have no text
        told = f"without a text: {type(another).__name__}"
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def excerpts(value: Any, most: int, depth: int = DEEPEST) -> Any:
    """Return a value with each text cut to `most` characters and each container to `most` entries, so deep.

    Any other value whose `repr` is longer becomes an excerpt of that.
    """
    match value:
        case str():
            return excerpt(value, most)
        case dict() | list() | tuple() if not depth:
            return "..."
        case dict():
            some_of_it = islice(value.items(), most)
            kept = {excerpt(str(key), most): excerpts(each, most, depth - 1) for key, each in some_of_it}
            return kept if len(value) <= most else {**kept, "...": f"{len(value) - most} more"}
        case list() | tuple():
            some = [excerpts(each, most, depth - 1) for each in value[:most]]
            return some if len(value) <= most else [*some, f"... {len(value) - most} more"]
        case None | bool() | int() | float():
            return value
    shown = repr(value)
    return value if len(shown) <= most else excerpt(shown, most)
