"""Charts for a terminal: columns of block characters, one per value, and their axes. No I/O."""

import math
from collections.abc import Callable, Sequence

from rich.text import Text

from socketscope.replay.measure import figures

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_NOTHING_KNOWN = " "

_AXIS = 10
"""Characters of the axis upward: the longest figure, and its line."""

_LEAST_FOR_HALF = 6
"""Lines of columns from which on there is a second figure, half-way up."""

_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200)
_APART = 10
_BETWEEN = 4
"""Characters from one time to the next at least, and from a time's words to what follows."""

Size = tuple[int, int]
"""Columns and lines of a terminal, or of a part of it."""

Shown = Callable[[float | None], str]


def chart(
    values: Sequence[float | None], width: int, height: int, show: Shown, seconds: float, style: str
) -> Text:
    """Return a chart with its axes: upward from 0, along from so long ago to now.

    Args:
        values: From old to new, as for `columns`.
        width: Characters, with the axis.
        height: Lines, with the axis.
        show: Gives a value with its unit.
        seconds: Of each column.
        style: Of the columns.
    """
    inner, rows = columns_of(width), height - 1
    top = _rounded(max((v for v in values[-inner:] if v is not None), default=0.0))
    # An odd number of lines has its half in the middle of one, an even one between two.
    marks = ({0: top} | ({rows // 2: top / 2} if rows >= _LEAST_FOR_HALF else {})) if top else {}
    drawn = Text(no_wrap=True)
    for row, line in enumerate(columns(values, inner, rows, top)):
        label = show(marks[row]) if row in marks else ""
        drawn.append(f"{label:>{_AXIS - 1}}{'┤' if label else '│'}", style="dim").append(f"{line}\n", style)
    return drawn.append(f"{'0':>{_AXIS - 1}}└{_times(inner, seconds)}", style="dim")


def columns_of(width: int) -> int:
    """Return how many columns a chart of a width has."""
    return max(width - _AXIS, 1)


def columns(values: Sequence[float | None], width: int, height: int, highest: float) -> list[str]:
    """Return lines of text, the top one first, that show the latest values as columns.

    Args:
        values: From old to new; None where nothing is known. What is not 0 shows at least an eighth.
        width: Characters of each line. Fewer values stand to the right.
        height: Lines.
        highest: What fills the whole height.
    """
    shown = [None] * (width - len(values)) + list(values[-width:])
    eighths = [_eighths(value, highest, height) for value in shown]
    return [
        "".join(_NOTHING_KNOWN if n is None else _EIGHTHS[min(max(n - 8 * row, 0), 8)] for n in eighths)
        for row in reversed(range(height))
    ]


def _eighths(value: float | None, top: float, height: int) -> int | None:
    if value is None:
        return None
    if value <= 0 or top <= 0:
        return 0
    return max(round(min(value / top, 1.0) * 8 * height), 1)


def _rounded(value: float) -> float:
    """Return the next number of two digits: one that can be read, and leaves little of the height unused."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit - 1e-9) * unit


def _times(width: int, seconds: float) -> str:
    """Return a line with marks at round times before now."""
    line = "─" * width
    for step in _STEPS:
        if step / seconds >= max(_APART, len(_ago(step)) + _BETWEEN):
            for place in range(1, int((width - 1) * seconds / step) + 1):
                word = _ago(place * step)
                at = width - 1 - round(place * step / seconds)
                line = line[:at] + word + line[at + len(word) :]
            break
    return (line[:-3] + "now")[-width:]


def _ago(seconds: float) -> str:
    return f"┴-{figures.clock(seconds)}"
