"""The supervisor's judgement: when a pool needs more threads, and when some may leave."""

import socket
import time
from typing import TYPE_CHECKING

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
"""Share of one core above which the process is held to be busy, not blocked."""

_SATURATED = 0.75
"""Share of one core above which threads are taken away."""

_WINDOW = 0.25
"""Seconds after which it is decided how many threads may leave, or are missing from the reserve."""


class Watch:
    """The supervisor's memory: decides from what it sees when threads are started and when some may leave."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._waiting_since: tuple[float, float] | None = None
        self._served = 0
        self._calm_looks = 0
        self._fewest_idle = 0
        self._window_began = time.monotonic()
        self._window_cpu = time.process_time()
        self._window_served: dict[Worker, int] = {}
        self.calm = True

    def look(self, listener: socket.socket) -> None:
        """Start threads where connections have waited for some time and more threads would help."""
        clocks = (time.monotonic(), time.process_time())
        idle = self._pool.idle
        self._calm_looks = self._calm_looks + 1 if idle else 0
        self.calm = self._calm_looks >= _CALM
        if not waits(listener):
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = clocks
            self._served = self._all_served()
        elif (waited := clocks[0] - self._waiting_since[0]) >= _PATIENCE:
            busy = clocks[1] - self._waiting_since[1] >= _BUSY * waited
            if not busy:
                self._pool.grow(max(RESERVE, queue_length(listener)))
            elif self._all_served() == self._served:
                self._pool.grow(RESERVE)
            self._waiting_since = None
        self._look_for_excess(idle, clocks)

    def look_at_rest(self) -> None:
        """Let threads leave that nobody needed."""
        self._look_for_excess(self._pool.idle, (time.monotonic(), time.process_time()))

    def _all_served(self) -> int:
        return sum(worker.served for worker in self._pool.workers)

    def _look_for_excess(self, idle: int, clocks: tuple[float, float]) -> None:
        self._fewest_idle = min(self._fewest_idle, idle)
        if (length := clocks[0] - self._window_began) < _WINDOW:
            return
        workers = self._pool.workers
        if clocks[1] - self._window_cpu >= _SATURATED * length:
            # Threads that turn over only wait for the interpreter then, and switching between them costs more
            # than a connection does. Held ones are needed; of the others a single one is fastest.
            turning = sum(self._window_served.get(worker) != worker.served for worker in workers)
            self._pool.shrink(turning - 1)
        else:
            self._pool.shrink(self._fewest_idle - RESERVE)
            self._pool.grow(RESERVE - idle)
        self._window_began, self._window_cpu = clocks
        self._window_served = {worker: worker.served for worker in workers}
        self._fewest_idle = idle
