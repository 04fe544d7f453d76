"""When one thread tries again to serve all clients, after a try that kept others waiting.

A client who is served by the only thread keeps others waiting, so a try is made only once clients with
threads of their own have become quick: one of them is watched after each pause.
"""

from math import inf
from time import monotonic

from socketscope.serve.threads.executors import Job

SHORTEST = 0.05
LONGEST = 10.0
"""Seconds from a try, or from a client who was not quick, to the next one who is watched. A failed try keeps
others waiting for some tens of milliseconds; every 2 s, that would be one client in a hundred."""

GROWTH = 4
"""How many times longer a pause is than the one before, after a try that failed soon."""

WORTH = 10
"""How many times the pause before it a try must last so as not to count as failed."""

LONG = 0.002
"""Seconds after which a client who was handed over is not quick. With 64 clients at once on two cores that
others use too, one of the timestamp service takes 0.3 ms, and one in a hundred takes longer than this."""


class Tries:
    """What is remembered from try to try. Times are seconds on the monotonic clock."""

    def __init__(self) -> None:
        self._pause = SHORTEST
        self._from = 0.0  # when the next client is watched
        self._sample: _Sample | None = None
        self._is_first = True

    def due(self, now: float) -> bool:
        """Return whether it is time for a try; the first one does not wait for a client."""
        if self._sample is None:
            return self._is_first
        if min(self._sample.ended, now) - self._sample.began >= LONG:
            self._pause_from(now)
            return False
        return self._sample.ended <= now

    def note(self, began: float, ended: float) -> None:
        """Note a try that has ended, as others had to wait."""
        self._is_first = False
        failed = ended - began < WORTH * self._pause
        self._pause = min(GROWTH * self._pause, LONGEST) if failed else SHORTEST
        self._pause_from(ended)

    def seen(self, job: Job, now: float) -> Job:
        """Return a job that is to be handed over, or one that does the same and is timed."""
        if self._sample is not None or now < self._from:
            return job
        self._sample = _Sample(job, now)
        return self._sample

    def _pause_from(self, now: float) -> None:
        self._from, self._sample = now + self._pause, None


class _Sample:
    """A client who is watched.

    Attributes:
        began: When it was about to be handed over, on the monotonic clock.
        ended: When its thread was done; infinite before.
    """

    def __init__(self, job: Job, now: float) -> None:
        self._job = job
        self.began, self.ended = now, inf

    def __call__(self) -> None:
        job = self._job
        del self._job  # what it refers to must not outlive it
        try:
            job()
        finally:
            self.ended = monotonic()
