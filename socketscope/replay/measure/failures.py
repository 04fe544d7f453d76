"""Failures, to be shown to a person: where, what was expected, what came, and what was said before."""

from dataclasses import dataclass

_KEPT = 1000
"""Bytes of a text that are kept on each side of the first difference."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exchange that did not end ok.

    Attributes:
        file: The script.
        line: Line of the script, from 1.
        expected: What should have come.
        got: What came.
        is_text: Whether both are texts, written as in a script; else each is a description in words, which
            quotes texts.
        step: The step of the exchange.
        said: The lines that were said before, in order, as a script would have them.
    """

    file: str
    line: int
    expected: str
    got: str
    is_text: bool = True
    step: str = ""
    said: tuple[str, ...] = ()


@dataclass(slots=True)
class Repeated:
    """A failure, and how often the same line of the same script failed in the same way.

    Attributes:
        first: The first one.
        outcome: How the exchanges ended.
        at: When the first one failed, in seconds since the run began.
        count: How many there were.
    """

    first: Failure
    outcome: str
    at: float
    count: int = 0


def around_difference(expected: bytes, got: bytes) -> tuple[bytes, bytes]:
    """Return two texts; of long ones only what is around their first difference."""
    if max(len(expected), len(got)) <= 2 * _KEPT:
        return expected, got
    parting = _parting(expected, got)
    return _around(expected, parting), _around(got, parting)


def _around(data: bytes, place: int) -> bytes:
    start, end = max(place - _KEPT, 0), place + _KEPT
    dots = "…".encode()
    return (dots if start else b"") + data[start:end] + (dots if end < len(data) else b"")


def _parting(one: bytes, other: bytes) -> int:
    """Return the length of the common prefix of two texts, by bisection: they may have megabytes."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
