"""The supervisor's judgement: when a pool needs more threads, and when some may leave."""

import math
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from socketscope.serve.backlog import queue_length, waits

if TYPE_CHECKING:
    from socketscope.serve.pool import Pool, Worker

RESERVE = 4
"""Idle threads that stay while the process is not busy: so many slow clients at once meet a thread."""

_PATIENCE = 0.01
"""Seconds that connections have waited when it is decided whether more threads would help them."""

_CALM = 50
"""Looks with an idle thread after which the supervisor sleeps again."""

_BUSY = 0.6
"""Share of one core from which on threads are held to be busy, not blocked."""

_WINDOW = 0.25
"""Seconds after which it is decided how many threads contend, or are missing from the reserve."""

_BLOCKED = 0.15
"""Share of a window from which on a thread that had work all the time was blocked by its clients."""

_SEVERAL = 8
"""Threads that turn over where a single one is blocked by its clients at times."""

_RETRY = 30.0
"""Seconds after which a single one is tried again."""

_MOST_READ = 64
"""Threads that turn over, of which the kernel is asked how long they wanted a core."""


class _Moment(NamedTuple):
    """What can be told of the threads at one moment; two of them tell what happened in between.

    Attributes:
        time: Of the monotonic clock, seconds.
        spent: Time on a core, of all threads of the process, seconds.
        served: How many connections the pool has served.
        ran: For how long each thread was on a core, seconds.
        delayed: For how long each was ready to run while others had the cores, seconds.
    """

    time: float
    spent: float
    served: int
    ran: dict["Worker", float]
    delayed: dict["Worker", float]

    def was_busy(self, now: "_Moment") -> bool:
        """Return whether the interpreter has been in use since then: more threads would contend for it."""
        delayed = _sum_of_changes(self.delayed, now.delayed)
        return now.spent - self.spent + delayed >= _BUSY * (now.time - self.time)

    def was_blocked(self, now: "_Moment") -> bool:
        """Return whether one thread alone has turned over, and has waited since then, not for a core."""
        wanted = _sum_of_changes(self.ran, now.ran) + _sum_of_changes(self.delayed, now.delayed)
        alone = len(self.ran) == 1 and self.ran.keys() == now.ran.keys()
        return alone and wanted < (1 - _BLOCKED) * (now.time - self.time)


class Watch:
    """The supervisor's memory: decides from what it sees when threads are started and when some may leave."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._waiting_since: _Moment | None = None
        self._calm_looks = 0
        self._turned: set[Worker] = set()  # in the window before this one
        self._waited_throughout = True  # connections, in this window
        self._several_until = -math.inf
        self._window_began = self._moment()
        self.calm = True

    def look(self, listener: socket.socket) -> None:
        """Start threads where connections have waited for some time and more threads would help."""
        idle = self._pool.idle
        self._calm_looks = self._calm_looks + 1 if idle else 0
        self.calm = self._calm_looks >= _CALM
        if not waits(listener):
            self._waiting_since = None
            self._waited_throughout = False
        elif (since := self._waiting_since) is None:
            self._waiting_since = self._moment()
        elif time.monotonic() - since.time >= _PATIENCE:
            now = self._moment()
            if not since.was_busy(now):
                self._pool.grow(max(RESERVE, queue_length(listener)))
            elif now.served == since.served:
                self._pool.grow(RESERVE)
            self._waiting_since = now
        self._look_for_excess(idle)

    def look_at_rest(self) -> None:
        """Fill up the reserve, while nobody waits."""
        self._waited_throughout = False
        self._look_for_excess(self._pool.idle)

    def _moment(self) -> _Moment:
        # After a rest nothing has turned over yet: then it is the newest that are about to.
        turning = self._turned | self._pool.turned or self._pool.workers[-RESERVE:]
        asked = sorted(turning, key=id)[:_MOST_READ]  # the same ones again, where there are more
        told = {worker: times for worker in asked if (times := _times(worker)) is not None}
        return _Moment(
            time.monotonic(),
            time.process_time(),
            self._pool.served,
            {worker: ran for worker, (ran, _) in told.items()},
            {worker: delayed for worker, (_, delayed) in told.items()},
        )

    def _look_for_excess(self, idle: int) -> None:
        began = self._window_began
        if time.monotonic() - began.time < _WINDOW:
            return
        now = self._moment()
        self._turned, self._pool.turned = self._pool.turned, set()
        if began.was_busy(now):
            # Threads that turn over only wait for the interpreter then, and switching between them costs more
            # than a connection does. Held ones are needed; of the others a single one is fastest, unless it
            # waits for its clients again and again, who then wait for it.
            if self._waited_throughout and began.was_blocked(now):
                self._several_until = now.time + _RETRY
                self._pool.grow(_SEVERAL - 1)
            enough = _SEVERAL if now.time < self._several_until else 1
            self._pool.shrink(len(self._turned) - enough)
        else:
            self._pool.shrink(0)
            self._pool.grow(RESERVE - idle)
        self._waited_throughout = True
        self._window_began = now


def _sum_of_changes(before: dict["Worker", float], after: dict["Worker", float]) -> float:
    return sum(after.get(worker, seconds) - seconds for worker, seconds in before.items())


def _times(worker: "Worker") -> tuple[float, float] | None:
    """Return for how long a thread had a core, and was ready to run and had none, seconds, if that is told.

    A kernel may not count it; and to ask takes a descriptor, which may be what there is none left of.
    """
    try:
        # <linux>/Documentation/scheduler/sched-stats.rst: ns on a core, ns waiting for one, turns.
        ran, delayed, _ = Path(f"/proc/self/task/{worker.native_id}/schedstat").read_bytes().split()
        return int(ran) / 1e9, int(delayed) / 1e9
    except (OSError, ValueError):
        return None
