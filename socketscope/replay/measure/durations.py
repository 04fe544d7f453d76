"""Durations in bounded memory, from which any quantile can be computed."""

from collections.abc import Iterable, Sequence
from typing import Self

from socketscope.replay.measure.sketch import SHORTEST, Sketch


class Durations(Sketch):
    """A sketch in bins of 0.1 %: a quantile is right to three digits, the longest to a microsecond."""

    __slots__ = ("_longest",)

    growth = 1.001

    def __init__(self, durations: Sequence[float] = ()) -> None:
        self._longest = SHORTEST
        super().__init__(durations)

    def add(self, durations: Sequence[float]) -> None:
        """Add durations; many at once cost a fraction of one by one."""
        super().add(durations)
        if durations:
            self._longest = max(self._longest, int(max(durations) * 1e6) / 1e6)

    def merge(self, other: Self) -> None:
        """Add all durations of another sketch."""
        super().merge(other)
        self._longest = max(self._longest, other._longest)

    def quantile(self, share: float) -> float | None:
        """Return the duration, in seconds, that this share does not exceed; None if there are none."""
        number = self._bin_at(share)
        # The upper edge of a bin can be above the longest duration in it.
        return None if number is None else min(self.growth**number, self._longest)


def merged(parts: Iterable[Durations]) -> Durations:
    """Return one sketch of all durations."""
    whole = Durations()
    for part in parts:
        whole.merge(part)
    return whole
