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

from socketscope.backlog import waits
from socketscope.sockets import TICK
from socketscope.watch import RESERVE, Watch

WATCH = 0.002
"""Seconds between looks at the backlog while every thread is busy."""

Receive = Callable[[], Any]
Serve = Callable[[Any], None]


class Worker(threading.Thread):
    """One thread of a pool.

    Attributes:
        accepting: Whether it is, or is about to be, in the listener's accept.
        served: How many it has served.
    """

    def __init__(self, pool: "Pool", name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.pool = pool
        self.accepting = False
        self.served = 0

    def run(self) -> None:
        """Accept and serve until told to leave."""
        self.pool.work(self)


class Pool:
    """Elastic threads that take from one listener.

    Attributes:
        workers: Those alive.
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
        self.workers: tuple[Worker, ...] = ()
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
        self._grow_from = -math.inf
        self._stopped = threading.Event()
        self._excess = 0
        self.on_start_failed: Callable[[], None] = lambda: None

    @property
    def idle(self) -> int:
        """Threads that wait for something to serve."""
        return sum(worker.accepting for worker in self.workers)

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
        while any(worker.accepting for worker in self.workers) or waits(self._listener):
            if time.monotonic() >= until() or not (self.workers or self._start_if_possible()):
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
        while any(worker.accepting for worker in self.workers) and time.monotonic() < until:
            time.sleep(WATCH)
        self._wake_reader.close()
        self._wake_writer.close()

    def wake(self) -> None:
        """Have the supervisor look around now; safe from any thread and from signal handlers."""
        # It may be full, so that a wake-up is on its way; or closed, and nobody sleeps.
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def pause(self, seconds: float) -> None:
        """Keep the calling worker from accepting for so long, and the pool from growing, unless it stops."""
        # Others could not accept either: one is enough to try again, and growth waits until it has.
        now = time.monotonic()
        if now < self._grow_from:
            self._excess = max(self._excess, 0) + 1
        self._grow_from = now + 2 * seconds
        self._stopped.wait(seconds)

    def work(self, worker: Worker) -> None:
        """Accept and serve, as one of the threads."""
        try:
            while not (self._excess and self._may_leave()):
                worker.accepting = True
                if self._stopped.is_set():
                    break
                try:
                    received = self._receive()
                except BlockingIOError:
                    if time.monotonic() >= self._leave_from:
                        break
                    continue
                finally:
                    worker.accepting = False
                if received is not None:
                    if self._asleep and not any(other.accepting for other in self.workers):
                        self._asleep = False
                        self.wake()
                    self._serve(received)
                    worker.served += 1
        finally:
            worker.accepting = False
            with self._lock:
                self.workers = tuple(other for other in self.workers if other is not worker)

    def grow(self, wanted: int) -> None:
        """Start so many threads, as far as the pool may grow and the system has them."""
        if time.monotonic() < self._grow_from:
            return
        for _ in range(min(wanted, self._most - len(self.workers))):
            if not self._start_if_possible():
                break

    def shrink(self, excess: int) -> None:
        """Let so many threads leave as they become free."""
        self._excess = excess

    def _start(self) -> None:
        worker = Worker(self, f"{self._name}-worker")
        with self._lock:
            self.workers += (worker,)
        try:
            worker.start()
        except BaseException:
            with self._lock:
                self.workers = tuple(other for other in self.workers if other is not worker)
            raise

    def _start_if_possible(self) -> bool:
        try:
            self._start()
        except (RuntimeError, MemoryError):
            self.on_start_failed()
            return False
        return True

    def _may_leave(self) -> bool:
        with self._lock:
            if self._excess <= 0 or len(self.workers) == 1:
                return False
            self._excess -= 1
            return True

    def _sleep(self, watch: "Watch", seconds: float) -> None:
        """Sleep for so long, or watch the backlog once where nobody is idle."""
        if watch.calm:
            self._asleep = True
            # Who became busy before it saw the flag is seen here, later ones wake us.
            if any(worker.accepting for worker in self.workers):
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
