"""Charts for a terminal: columns of block characters, one for each value, with axes. No I/O."""

import math
from collections.abc import Callable, Sequence

from rich.text import Text

from socketscope.replay.measure import figures

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_NOTHING_KNOWN = " "

_AXIS = 10
"""Characters of the vertical axis: the longest figure, and the line."""

_LEAST_FOR_HALF = 6
"""The least height, in lines, for a second figure half-way up."""

_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200)
_APART = 10
_BETWEEN = 4
"""The least characters from one time mark to the next, and after the text of a mark."""

Size = tuple[int, int]
"""Columns and lines of a terminal, or of a part of it."""

Shown = Callable[[float | None], str]


def chart(
    values: Sequence[float | None], width: int, height: int, show: Shown, seconds: float, style: str
) -> Text:
    """Return a chart with its axes: values upward from 0, and time up to now.

    Args:
        values: From old to new, as for `columns`.
        width: Characters, including the axis.
        height: Lines, including the axis.
        show: Formats a value with its unit.
        seconds: Seconds of each column.
        style: Style of the columns.
    """
    inner, rows = columns_of(width), height - 1
    top = _rounded(max((v for v in values[-inner:] if v is not None), default=0.0))
    # With an odd number of lines the half is in the middle of a line, with an even one between two.
    marks = ({0: top} | ({rows // 2: top / 2} if rows >= _LEAST_FOR_HALF else {})) if top else {}
    drawn = Text(no_wrap=True)
    for row, line in enumerate(columns(values, inner, rows, top)):
        label = show(marks[row]) if row in marks else ""
        drawn.append(f"{label:>{_AXIS - 1}}{'┤' if label else '│'}", style="dim").append(f"{line}\n", style)
    return drawn.append(f"{'0':>{_AXIS - 1}}└{_times(inner, seconds)}", style="dim")


def columns_of(width: int) -> int:
    """Return the number of columns of a chart of a width."""
    return max(width - _AXIS, 1)


def columns(values: Sequence[float | None], width: int, height: int, highest: float) -> list[str]:
    """Return lines of text, from top to bottom, that show the last values as columns.

    Args:
        values: From old to new; None if nothing is known. A value above 0 shows at least an eighth.
        width: Characters of each line. Fewer values are aligned to the right.
        height: Number of lines.
        highest: The value that fills the whole height.
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
    """Return the next number of two digits, which is readable and leaves little of the height unused."""
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
