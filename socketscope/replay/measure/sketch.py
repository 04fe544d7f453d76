"""Durations in logarithmic bins: one percent wide, as many as the durations' range needs, and they merge."""

import math
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

GROWTH = 1.01
"""Each bin's upper edge against its lower one: a quantile is right to half a percent."""

_SHORTEST = 1e-6
_PER_E = 1 / math.log(GROWTH)


class Sketch:
    """Counts of durations, in seconds; what is shorter than a microsecond counts as one.

    The bins are those of DDSketch (Masson, Rim and Lee, VLDB 2019). From a microsecond to an hour there are
    about 2200, of which a run fills few; so many of these can be kept, one for each stretch of time.

    Attributes:
        bins: How many durations are in each bin, by the bin's number.
    """

    __slots__ = ("bins",)

    def __init__(self, durations: Iterable[float] = ()) -> None:
        self.bins = Counter([_number(seconds) for seconds in durations])

    @classmethod
    def of_bins(cls, bins: Iterable[tuple[int, int]]) -> "Sketch":
        """Return one with these bins, each with how many durations are in it."""
        sketch = cls()
        sketch.bins = Counter(dict(bins))
        return sketch

    @property
    def total(self) -> int:
        """How many durations there are."""
        return self.bins.total()

    def merge(self, other: "Sketch") -> None:
        """Add all that another one has."""
        self.bins.update(other.bins)

    def quantile(self, share: float) -> float | None:
        """Return the duration that so many are within, in seconds; None where there are none."""
        numbers = sorted(self.bins)
        rank = share * self.total
        for number, below in zip(numbers, accumulate(self.bins[n] for n in numbers), strict=True):
            if below >= rank:
                return _middle(number)
        return None


def _number(seconds: float) -> int:
    return math.ceil(math.log(max(seconds, _SHORTEST)) * _PER_E)


def _middle(number: int) -> float:
    """Return the duration in the middle of a bin, in seconds."""
    return 2 * GROWTH**number / (1 + GROWTH)
