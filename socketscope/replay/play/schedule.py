"""The schedule of an open loop: which passes are taken, when each is due, and which are dropped."""

import math
from collections.abc import Iterator
from math import inf
from random import Random

from socketscope.replay.play.pacing import PRECISION, Shape, due_times

_LARGE = 1e4
"""Mean above which the normal distribution replaces the Poisson distribution, exact to a thousandth."""


class Schedule:
    """Passes and their due times; a user takes the next one when it is free.

    Times are seconds since the run began.
    """

    def __init__(self, rate: float, shape: Shape, most: float, random: Random | None, end: float) -> None:
        """Lay it out.

        Args:
            rate: Passes a second where the shape's factor is 1.
            shape: Multiplies the rate.
            most: How many passes there are; infinity for no limit.
            random: With one, the gaps are those of a Poisson process; without, they are even.
            end: Passes due from then on do not begin; infinity for no end.
        """
        self._rate, self._shape, self._most, self._random = rate, shape, most, random
        self._times: Iterator[float] = due_times(rate, shape, random)
        self._end = end
        self._most_before_end = inf if random or end == inf else self._due_before(end)
        self._taken = 0
        self._latest = 0.0
        self._not_started: list[float] = []

    def take(self) -> tuple[int, float] | None:
        """Return the number of the next pass, from 0, and when it is due; None when there are no more."""
        if self._taken >= self._most:
            return None
        self._taken += 1
        self._latest = next(self._times)
        if self._taken > self._most_before_end:
            # The computed time of a pass that is due at the end may be a little less.
            self._latest = max(self._latest, self._end)
        return self._taken - 1, self._latest

    def give_back(self, due: float) -> None:
        """Note that a pass that was taken did not start."""
        self._not_started.append(due)

    def end(self) -> float:
        """Return when one more pass would be due if all were taken; else infinity.

        Call it once, at the end of the run: it consumes that time.
        """
        return inf if self._taken < self._most else next(self._times)

    def dropped(self, begin: float, end: float) -> int:
        """Return how many passes were due in an interval and did not start.

        They are not counted one by one: at some rates that would never end.
        """
        number = sum(begin <= due < end for due in self._not_started)
        return number + int(min(self._not_taken(begin, end), self._most - self._taken))

    def _not_taken(self, begin: float, end: float) -> int:
        if end <= begin or end <= self._latest:
            return 0
        if self._random is None:
            return max(self._due_before(end) - max(self._due_before(begin), self._taken), 0)
        area = self._shape.integral(end) - self._shape.integral(max(begin, self._latest))
        return _poisson(self._rate * area, self._random)

    def _due_before(self, time: float) -> int:
        """Return how many passes of an even schedule are due before a time."""
        # The first is due at 0, and one that is due at `time` is not due before it.
        return max(math.ceil(self._rate * self._shape.integral(time) - self._rate * PRECISION), 0)


def _poisson(mean: float, random: Random) -> int:
    """Return a random number with a Poisson distribution; for a large mean, the normal one stands in."""
    if mean > _LARGE:
        return max(round(random.gauss(mean, math.sqrt(mean))), 0)
    number, sum_of_gaps = 0, random.expovariate(1.0)
    while sum_of_gaps < mean:
        number += 1
        sum_of_gaps += random.expovariate(1.0)
    return number
