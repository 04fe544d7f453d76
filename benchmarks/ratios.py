"""Medians and ratios over rounds. No I/O."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """A figure over the rounds; as text the median and, in brackets, the range: ``1.02 (0.97 to 1.10)``."""

    median: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the ends of the range."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return the ratio of ours to theirs, taken round by round: what disturbs a round disturbs both.

    Raises:
        ValueError: Their numbers of rounds differ.
    """
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])
