"""Durations counted in the buckets that every histogram of the project has."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

BUCKETS = (
    5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6,
    1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3,
    1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper edges of every duration histogram, in seconds. The latency objective stands on the 10 ms edge."""


class Distribution:
    """Durations in the buckets of every histogram, not cumulative; the last bucket has no upper edge."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Add one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def observe_sorted(self, seconds: Sequence[float]) -> None:
        """Add any number of durations in ascending order, at a cost that hardly depends on how many."""
        before = 0
        for bucket, edge in enumerate(BUCKETS):
            within = bisect_right(seconds, edge)
            self.counts[bucket] += within - before
            before = within
        self.counts[-1] += len(seconds) - before
        self.sum += sum(seconds)

    def copy(self) -> "Distribution":
        """Return one that later observations do not change."""
        copy = Distribution()
        copy.counts = self.counts.copy()
        copy.sum = self.sum
        return copy
