"""Durations in bounded memory, of which any quantile can be asked."""

from collections.abc import Iterable, Sequence
from typing import Self

from socketscope.replay.measure.sketch import SHORTEST, Sketch


class Durations(Sketch):
    """A sketch in bins of a thousandth: a quantile is right to three digits, the longest to a microsecond."""

    __slots__ = ("_longest",)

    growth = 1.001

    def __init__(self, durations: Sequence[float] = ()) -> None:
        self._longest = SHORTEST
        super().__init__(durations)

    def add(self, durations: Sequence[float]) -> None:
        """Add durations, many at once at a fraction of the cost."""
        super().add(durations)
        if durations:
            self._longest = max(self._longest, int(max(durations) * 1e6) / 1e6)

    def merge(self, other: Self) -> None:
        """Add all that another one has."""
        super().merge(other)
        self._longest = max(self._longest, other._longest)

    def quantile(self, share: float) -> float | None:
        """Return the duration that so many are within, in seconds; None where there are none."""
        number = self._bin_at(share)
        # A bin's upper edge can lie above the longest duration that is in it.
        return None if number is None else min(self.growth**number, self._longest)

    @property
    def longest(self) -> float | None:
        """The longest duration, in seconds; None where there are none."""
        return self.quantile(1.0)


def merged(parts: Iterable[Durations]) -> Durations:
    """Return all durations together."""
    whole = Durations()
    for part in parts:
        whole.merge(part)
    return whole
