"""Charts of a terminal: columns of block characters, one a value. No I/O."""

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_NOTHING_KNOWN = " "


def columns(
    values: Sequence[float | None], width: int, height: int, highest: float | None = None
) -> list[str]:
    """Return lines of text, the top one first, that show the latest values as columns.

    Args:
        values: From old to new; None where nothing is known. What is not 0 shows at least an eighth.
        width: Characters of each line. Fewer values stand to the right.
        height: Lines.
        highest: What fills the whole height; None takes the highest value.
    """
    shown = [None] * (width - len(values)) + list(values[-width:])
    top = max((v for v in shown if v is not None), default=0.0) if highest is None else highest
    eighths = [_eighths(value, top, height) for value in shown]
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
