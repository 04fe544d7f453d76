"""The threads of a server: few while connections are short, one a connection while they are long.

A few idle threads block in the listener's accept and serve what they accept, so a short connection starts no
thread and changes none. The thread in `Pool.supervise` sees to it that there are enough. It sleeps while
somebody is idle. While nobody is, it looks every `WATCH` whether connections wait, and starts threads for
them, unless the process is merely busy: then more threads would only contend for the interpreter.
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from socketscope.observe.sockets import TICK
from socketscope.serve.backlog import waits
from socketscope.serve.watch import RESERVE, Watch

WATCH = 0.002
"""Seconds between looks at the backlog while every thread is busy."""

CALM = 3
"""Ticks without a connection after which a thread leaves, if there are enough others."""

ENOUGH = 64
"""Idle threads beside which one that has served leaves at once. Where thousands are let go in one moment,
their ticks would keep everybody else, the supervisor too, from the interpreter."""

Receive = Callable[[], Any]
Serve = Callable[[Any], None]


class Worker(threading.Thread):
    """One thread of a pool."""

    def __init__(self, pool: "Pool", name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.pool = pool

    def run(self) -> None:
        """Accept and serve until told to leave."""
        self.pool.work(self)


class Pool:
    """Elastic threads that take from one listener.

    Attributes:
        served: How many were served; of two counted at once one is lost, so only a change tells anything.
        turned: Threads alive that have served one since this set was last exchanged for an empty one.
    """

    def __init__(self, listener: socket.socket, receive: Receive, serve: Serve, most: int, name: str) -> None:
        """Prepare; `start` and `supervise` run it.

        Args:
            listener: What is watched for waiting connections.
            receive: Takes one from the listener. Raises BlockingIOError where none came for a while, and
                returns None where there is nothing to serve.
            serve: Serves what was received; raises nothing.
            most: Upper bound of threads.
            name: What the threads' names begin with.
        """
        # These change in one step, without a lock; who walks through one takes a copy in one step.
        self._alive: dict[Worker, None] = {}  # the oldest first
        self._idle: set[Worker] = set()
        self.turned: set[Worker] = set()
        self.served = 0
        self._listener = listener
        self._receive = receive
        self._serve = serve
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_writer.setblocking(False)
        self._asleep = False
        self._leave_from = math.inf
        self._paused_until = -math.inf
        self._stopped = threading.Event()
        self._excess = 0
        self.on_start_failed: Callable[[], None] = lambda: None

    @property
    def workers(self) -> list[Worker]:
        """Threads alive, the oldest first."""
        return list(self._alive)

    @property
    def idle(self) -> int:
        """How many of them are, or are about to be, in the listener's accept."""
        return len(self._idle)

    def start(self) -> None:
        """Start the first threads.

        Raises:
            RuntimeError: Not one can be started.
        """
        self._start()
        self.grow(RESERVE - 1)

    def supervise(self, interval: float, tick: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """See to it that there are enough threads, until asked to stop.

        Args:
            interval: Longest time between two calls of `tick`, seconds.
            tick: Called from this thread.
            stopping: Whether to stop; `wake` has it looked at once.
        """
        watch = Watch(self)
        next_tick = time.monotonic()
        while not stopping():
            if (now := time.monotonic()) >= next_tick:
                tick()
                next_tick = now + interval
            self._sleep(watch, next_tick - now)

    def drain(self, until: Callable[[], float]) -> None:
        """Serve what waits in the listener's queue; return when nothing does, or at that time."""
        # A handshake that was under way when arrivals were stopped has a full accept's time to complete.
        self._leave_from = time.monotonic() + TICK
        watch = Watch(self)
        while self._idle or waits(self._listener):
            if time.monotonic() >= until() or not (self._alive or self._start_if_possible()):
                break
            time.sleep(WATCH)
            watch.look(self._listener)

    def stop(self, until: float) -> None:
        """Return when no thread accepts any more; those that serve go on, and leave then.

        Args:
            until: When one that does not come back from accepting is given up, on the monotonic clock.
        """
        self._stopped.set()
        until = max(until, time.monotonic() + 5 * TICK)
        while self._idle and time.monotonic() < until:
            time.sleep(WATCH)
        self._wake_reader.close()
        self._wake_writer.close()

    def wake(self) -> None:
        """Have the supervisor look around now; safe from any thread and from signal handlers."""
        # It may be full, so that a wake-up is on its way; or closed, and nobody sleeps.
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def pause(self, seconds: float) -> None:
        """Keep the calling worker from accepting for so long, or until the pool stops."""
        # Others could not accept either: one is enough to try again.
        now = time.monotonic()
        if now < self._paused_until:
            self._excess = max(self._excess, 0) + 1
        self._paused_until = now + seconds
        self._stopped.wait(seconds)

    def work(self, worker: Worker) -> None:
        """Accept and serve, as one of the threads."""
        idle, idle_ticks = self._idle, 0
        try:
            while not (self._excess and self._may_leave()):
                idle.add(worker)
                if self._stopped.is_set():
                    break
                try:
                    received = self._receive()
                except BlockingIOError:
                    idle_ticks += 1
                    if time.monotonic() >= self._leave_from or (idle_ticks >= CALM and self._spare(worker)):
                        break
                    continue
                finally:
                    idle.discard(worker)
                idle_ticks = 0
                if received is not None:
                    if self._asleep and not idle:
                        self._asleep = False
                        self.wake()
                    self._serve(received)
                    self.served += 1
                    self.turned.add(worker)
                    if len(idle) >= ENOUGH:
                        break
        finally:
            idle.discard(worker)
            self.turned.discard(worker)
            self._alive.pop(worker, None)

    def grow(self, wanted: int) -> None:
        """Start so many threads, as far as the pool may grow and the system has them."""
        for _ in range(min(wanted, self._most - len(self._alive))):
            if not self._start_if_possible():
                break

    def shrink(self, excess: int) -> None:
        """Let so many threads leave as they become free."""
        self._excess = max(excess, 0)

    def _start(self) -> None:
        worker = Worker(self, f"{self._name}-worker")
        self._alive[worker] = None
        try:
            worker.start()
        except BaseException:
            self._alive.pop(worker, None)
            raise

    def _start_if_possible(self) -> bool:
        try:
            self._start()
        except (RuntimeError, MemoryError):
            self.on_start_failed()
            return False
        return True

    def _spare(self, worker: Worker) -> bool:
        """Return whether enough others are idle; then it is not counted as idle any more, and leaves."""
        with self._lock:
            if len(self._idle) <= RESERVE:
                return False
            self._idle.discard(worker)
            return True

    def _may_leave(self) -> bool:
        with self._lock:
            if self._excess <= 0 or len(self._alive) == 1:
                return False
            self._excess -= 1
            return True

    def _sleep(self, watch: "Watch", seconds: float) -> None:
        """Sleep for so long, or watch the backlog once where nobody is idle."""
        if watch.calm:
            self._asleep = True
            # Who became busy before it saw the flag is seen here, later ones wake us.
            if self._idle:
                self._wait(seconds)
                if self._asleep:
                    watch.look_at_rest()
                    return
            self._asleep = False
            watch.calm = False
        self._wait(min(WATCH, max(seconds, 0)))
        watch.look(self._listener)

    def _wait(self, seconds: float) -> None:
        if waits(self._wake_reader, max(seconds, 0)):
            self._wake_reader.recv(4096)
