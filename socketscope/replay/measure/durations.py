"""Durations in bounded memory, of which any quantile can be asked."""

import math
from collections import Counter
from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

LONGEST = 3600.0
"""Seconds that a duration has at most."""

_LONGEST_MICROSECONDS = int(LONGEST * 1e6)
_DIGITS = 3
_RANK_DIGITS = 6
"""Decimal places to which a rank is rounded: 7 % of 100 are 7, and slightly more in floats."""


class Durations:
    """A histogram of seconds, to a microsecond and three digits, up to an hour."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_MICROSECONDS, _DIGITS)
        self._longest = 0  # microseconds

    def add(self, seconds: Iterable[float]) -> None:
        """Add durations, many at once at a fraction of the cost; one above an hour counts as an hour."""
        for value, number in Counter([int(duration * 1e6) for duration in seconds]).items():
            entered = min(max(value, 1), _LONGEST_MICROSECONDS)
            self._histogram.record_value(entered, number)
            self._longest = max(self._longest, entered)

    def merge(self, other: "Durations") -> None:
        """Add all that another one has."""
        self._histogram.add(other._histogram)  # noqa: SLF001 - its own class
        self._longest = max(self._longest, other._longest)  # noqa: SLF001

    def quantile(self, share: float) -> float | None:
        """Return the duration that so many are within, in seconds; None where there are none."""
        if not (total := self._histogram.get_total_count()):
            return None
        # By itself the histogram rounds to the nearest rank: of 60 one is 1.7 %, and would not be in a p99.
        rank = math.ceil(round(share * total, _RANK_DIGITS))
        # A bucket's upper edge can lie above the longest duration that is in it.
        value = min(self._histogram.get_value_at_percentile(rank / total * 100), self._longest)
        return float(value) / 1e6

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
