"""Durations in logarithmic bins: as many as the durations' range needs, and they merge."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Self

GROWTH = 1.01
"""Each bin's upper edge against its lower one: a quantile is right to half a percent."""

SHORTEST = 1e-6
"""Seconds; what is shorter counts as so long."""

_RANK_DIGITS = 6
"""Decimal places to which a rank is rounded: 7 % of 100 are 7, and slightly more in floats."""


class Sketch:
    """Counts of durations, in seconds.

    The bins are those of DDSketch (Masson, Rim and Lee, VLDB 2019). From a microsecond to an hour there are
    about 2200, of which a run fills few; so many of these can be kept, one for each stretch of time.

    Attributes:
        bins: How many durations are in each bin, by the bin's number.
        growth: `GROWTH`, or another of a finer one.
    """

    __slots__ = ("bins",)

    growth = GROWTH

    def __init__(self, durations: Sequence[float] = ()) -> None:
        self.bins: Counter[int] = Counter()
        self.add(durations)

    @classmethod
    def of_bins(cls, bins: Iterable[tuple[int, int]]) -> Self:
        """Return one with these bins, each with how many durations are in it."""
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
        """Add all that another one has."""
        self.bins.update(other.bins)

    def quantile(self, share: float) -> float | None:
        """Return the duration that so many are within, in seconds; None where there are none."""
        number = self._bin_at(share)
        # What is in the middle of a bin.
        return None if number is None else 2 * self.growth**number / (1 + self.growth)

    def _bin_at(self, share: float) -> int | None:
        numbers = sorted(self.bins)
        rank = round(share * self.total, _RANK_DIGITS)
        for number, below in zip(numbers, accumulate(self.bins[n] for n in numbers), strict=True):
            if below >= rank:
                return number
        return None
