"""The supervisor's judgement: when a pool needs more threads, and when some may leave."""

import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from socketscope.backlog import queue_length, waits

if TYPE_CHECKING:
    from socketscope.pool import Pool, Worker

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

_MOST_READ = 64
"""Threads of which the kernel is asked how long they wanted a core."""


class _Moment(NamedTuple):
    """What can be told of the threads at one moment; two of them tell what happened in between.

    Attributes:
        time: Of the monotonic clock, seconds.
        spent: Time on a core, of all threads of the process, seconds.
        served: How many connections each thread has served.
        delays: For how long each was ready to run while other processes had the cores, seconds.
    """

    time: float
    spent: float
    served: dict["Worker", int]
    delays: dict["Worker", float]

    def was_busy(self, now: "_Moment") -> bool:
        """Return whether the interpreter has been in use since then: more threads would contend for it."""
        delayed = sum(now.delays.get(worker, delay) - delay for worker, delay in self.delays.items())
        return now.spent - self.spent + delayed >= _BUSY * (now.time - self.time)

    def turned(self, now: "_Moment") -> int:
        """Return how many threads have served a connection since then."""
        return sum(served != self.served.get(worker) for worker, served in now.served.items())


class Watch:
    """The supervisor's memory: decides from what it sees when threads are started and when some may leave."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._waiting_since: _Moment | None = None
        self._calm_looks = 0
        self._window_began = self._moment()
        self.calm = True

    def look(self, listener: socket.socket) -> None:
        """Start threads where connections have waited for some time and more threads would help."""
        idle = self._pool.idle
        self._calm_looks = self._calm_looks + 1 if idle else 0
        self.calm = self._calm_looks >= _CALM
        if not waits(listener):
            self._waiting_since = None
        elif (since := self._waiting_since) is None:
            self._waiting_since = self._moment()
        elif time.monotonic() - since.time >= _PATIENCE:
            now = self._moment()
            if not since.was_busy(now):
                self._pool.grow(max(RESERVE, queue_length(listener)))
            elif not since.turned(now):
                self._pool.grow(RESERVE)
            self._waiting_since = now
        self._look_for_excess(idle)

    def look_at_rest(self) -> None:
        """Fill up the reserve, while nobody waits."""
        self._look_for_excess(self._pool.idle)

    def _moment(self) -> _Moment:
        workers = self._pool.workers
        return _Moment(
            time.monotonic(),
            time.process_time(),
            {worker: worker.served for worker in workers},
            {worker: told for worker in workers[:_MOST_READ] if (told := _delay(worker)) is not None},
        )

    def _look_for_excess(self, idle: int) -> None:
        if time.monotonic() - self._window_began.time < _WINDOW:
            return
        now = self._moment()
        if self._window_began.was_busy(now):
            # Threads that turn over only wait for the interpreter then, and switching between them costs more
            # than a connection does. Held ones are needed; of the others a single one is fastest.
            self._pool.shrink(self._window_began.turned(now) - 1)
        else:
            self._pool.shrink(0)
            self._pool.grow(RESERVE - idle)
        self._window_began = now


def _delay(worker: "Worker") -> float | None:
    """Return for how long a thread was ready to run and had no core, seconds, if that is told.

    A kernel may not count it; and to ask takes a descriptor, which may be what there is none left of.
    """
    try:
        # <linux>/Documentation/scheduler/sched-stats.rst: ns on a core, ns waiting for one, turns.
        told = Path(f"/proc/self/task/{worker.native_id}/schedstat").read_bytes()
        return int(told.split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
