"""Geometry of the report's charts: from values to coordinates and SVG paths. No I/O."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_ROUND = (1.0, 2.0, 5.0, 10.0)
_FEWEST_TICKS = 3
_MOST_TICKS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to coordinates along an axis.

    Attributes:
        low: Value at `start`.
        high: Value at `end`.
        start: Coordinate.
        end: Coordinate; the smaller one on a vertical axis.
        logarithmic: Whether the scale is logarithmic; `low` is then above 0.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return the coordinate of a value; a value beyond an end is drawn at that end."""
        low, high, value = (self._measure(v) for v in (self.low, self.high, max(value, self.low)))
        share = min((value - low) / (high - low), 1.0) if high > low else 0.0
        return round(self.start + share * (self.end - self.start), 2)

    @property
    def ticks(self) -> list[float]:
        """Round values for labels, from low to high."""
        if self.logarithmic:
            decades = self._among(1.0)
            return decades if len(decades) >= _FEWEST_TICKS else self._among(1.0, 2.0, 5.0)
        step = round_step(self.high - self.low)
        return [self.low + n * step for n in range(int((self.high - self.low) / step + 1e-9) + 1)]

    def _among(self, *factors: float) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        return [tick for tick in ticks if self.low * 0.999 <= tick <= self.high * 1.001]

    def _measure(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def round_step(length: float) -> float:
    """Return 1, 2 or 5 times a power of ten, such that a length has only a few steps of it."""
    least = length / _MOST_TICKS or 1.0
    decade: float = 10.0 ** math.floor(math.log10(least))
    return next(factor for factor in _ROUND if factor * decade >= least * (1 - 1e-9)) * decade


def from_zero(highest: float, start: float, end: float) -> Scale:
    """Return a scale from 0 to a round value, at least the highest one."""
    step = round_step(highest or 1.0)
    return Scale(0.0, math.ceil((highest or 1.0) / step - 1e-9) * step, start, end)


def durations(values: Iterable[float], start: float, end: float) -> Scale:
    """Return a logarithmic scale for all of these durations."""
    known = sorted(values) or [1e-3, 1e-3]
    return Scale(known[0] / 1.25, known[-1] * 1.25, start, end, logarithmic=True)


def line(points: Sequence[tuple[float, float | None]]) -> str:
    """Return the path through points, with a gap at a point without a height."""
    parts: list[str] = []
    for (_, before), (x, y) in pairwise([(0.0, None), *points]):
        if y is not None:
            # A point between two gaps is a line of length 0, which round line ends show as a dot.
            parts.append(f"L{x:g} {y:g}" if before is not None else f"M{x:g} {y:g}h0")
    return "".join(parts)


def columns(edges: Sequence[float], heights: Sequence[float], base: float) -> str:
    """Return the outline of adjacent columns.

    Args:
        edges: Where each column begins, and where the last one ends.
        heights: Coordinates of the tops.
        base: Coordinate of the bottom.
    """
    if not heights:
        return ""
    tops = "".join(f"V{y:g}H{right:g}" for y, right in zip(heights, edges[1:], strict=True))
    return f"M{edges[0]:g} {base:g}{tops}V{base:g}Z"
