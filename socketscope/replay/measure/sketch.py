"""Durations in logarithmic bins, which can be merged."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Self

GROWTH = 1.01
"""Ratio of the edges of a bin: a quantile is right to half a percent."""

SHORTEST = 1e-6
"""Seconds; shorter durations count as this long."""

_RANK_DIGITS = 6
"""Decimal places of a rank: 7 % of 100 are 7, but slightly more in floats."""


class Sketch:
    """Counts of durations, in seconds.

    The bins are those of DDSketch (Masson, Rim and Lee, VLDB 2019). There are about 2200 from a microsecond
    to an hour, of which a run fills few, so a sketch can be kept for each slot of a timeline.

    Attributes:
        bins: How many durations are in each bin, by the number of the bin.
        growth: `GROWTH`; a subclass may be finer.
    """

    __slots__ = ("bins",)

    growth = GROWTH

    def __init__(self, durations: Sequence[float] = ()) -> None:
        self.bins: Counter[int] = Counter()
        self.add(durations)

    @classmethod
    def of_bins(cls, bins: Iterable[tuple[int, int]]) -> Self:
        """Return a sketch with these bins, as numbers and counts."""
        sketch = cls()
        sketch.bins.update(dict(bins))
        return sketch

    @property
    def total(self) -> int:
        """How many durations there are."""
        return self.bins.total()

    def add(self, durations: Sequence[float]) -> None:
        """Add durations."""
        scale = 1 / math.log(self.growth)
        self.bins.update([math.ceil(math.log(max(seconds, SHORTEST)) * scale) for seconds in durations])

    def merge(self, other: Self) -> None:
        """Add all durations of another sketch."""
        self.bins.update(other.bins)

    def quantile(self, share: float) -> float | None:
        """Return the duration, in seconds, that this share does not exceed; None if there are none."""
        number = self._bin_at(share)
        # The middle of the bin.
        return None if number is None else 2 * self.growth**number / (1 + self.growth)

    def _bin_at(self, share: float) -> int | None:
        numbers = sorted(self.bins)
        rank = round(share * self.total, _RANK_DIGITS)
        for number, below in zip(numbers, accumulate(self.bins[n] for n in numbers), strict=True):
            if below >= rank:
                return number
        return None


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
