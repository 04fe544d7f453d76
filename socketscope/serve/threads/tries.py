"""When one thread tries again to serve all clients, after a try that kept others waiting.

Whoever is served alone keeps others waiting, so a try is made only where those who are handed to threads of
their own have become quick: one of them is looked at after each pause.
"""

from math import inf
from time import monotonic

from socketscope.serve.threads.executors import Job

SHORTEST = 0.05
LONGEST = 10.0
"""Seconds from a try, or from a client that was not quick, to the next one who is looked at. A try that fails
keeps others waiting for some tens of milliseconds, which each 2 s would be one in a hundred of them."""

GROWTH = 4
"""How many times as long as the pause before it one is, after a try that failed soon."""

WORTH = 10
"""How many times as long as the pause before it a try has to last to be no failure."""

LONG = 0.002
"""Seconds after which a client who was handed over is not quick. With 64 at once on two cores that others use
too, a client of the service of `server/` takes 0.3 ms, and more than this once in a hundred."""


class Tries:
    """What is remembered from try to try. Times are seconds on the monotonic clock."""

    def __init__(self) -> None:
        self._pause = SHORTEST
        self._from = 0.0  # when the next client is looked at
        self._sample: _Sample | None = None
        self._is_first = True

    def due(self, now: float) -> bool:
        """Return whether it is time for a try; the first needs no client to tell."""
        if self._sample is None:
            return self._is_first
        if min(self._sample.ended, now) - self._sample.began >= LONG:
            self._pause_from(now)
            return False
        return self._sample.ended <= now

    def note(self, began: float, ended: float) -> None:
        """Note a try, in which others had to wait in the end."""
        self._is_first = False
        failed = ended - began < WORTH * self._pause
        self._pause = min(GROWTH * self._pause, LONGEST) if failed else SHORTEST
        self._pause_from(ended)

    def seen(self, job: Job, now: float) -> Job:
        """Return a job that is to be handed over, or one that does it and tells how long that took."""
        if self._sample is not None or now < self._from:
            return job
        self._sample = _Sample(job, now)
        return self._sample

    def _pause_from(self, now: float) -> None:
        self._from, self._sample = now + self._pause, None


class _Sample:
    """A client who is looked at.

    Attributes:
        began: When it was about to be handed over, on the monotonic clock.
        ended: When its thread was done; infinite before.
    """

    def __init__(self, job: Job, now: float) -> None:
        self._job = job
        self.began, self.ended = now, inf

    def __call__(self) -> None:
        job = self._job
        del self._job  # what it holds must not outlive it
        try:
            job()
        finally:
            self.ended = monotonic()
