"""The threads that serve: pooled ones, or a new one for each client."""

import itertools
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from typing import Any

STAY = 5.0
"""Seconds without work after which a pooled thread leaves."""

RESERVE = 4
"""Threads without work beside which one more stays; above that only as many stay as are at work."""

COMING = 2
"""Pooled threads that may have a job and not have begun with it; the next job waits until one has."""

SOON = 0.001
"""Seconds after which even one of them keeps the next job back: it has no core, or not the interpreter."""

LATE = 1.0
"""Seconds after which a thread that has not begun is no longer waited for."""

Job = Callable[[], Any]
"""What serves a client. Whoever does it runs it in a context of its own: a thread serves many."""

_numbers = itertools.count(1)
"""Of threads: a program may take a thread's name for what tells its clients apart."""


class PerClient:
    """A new thread for each client, as the standard library has it; each one asks if it is a daemon."""

    def __init__(self, name: str, is_daemon: Callable[[], bool]) -> None:
        self._name = name
        self._is_daemon = is_daemon
        self._busy: set[threading.Thread] = set()

    @property
    def counts(self) -> tuple[int, int]:
        """How many threads are idle and busy."""
        return 0, len(self._busy)

    def run(self, job: Job) -> bool:
        """Have a job done at once, which raises nothing.

        Raises:
            RuntimeError: No thread can be started.
        """
        thread = threading.Thread(
            target=self._work, args=(job,), name=_next(self._name), daemon=self._is_daemon()
        )
        self._busy.add(thread)
        try:
            thread.start()
        except BaseException:
            self._busy.discard(thread)
            raise
        return True

    def _work(self, job: Job) -> None:
        try:
            Context().run(job)
        finally:
            self._busy.discard(threading.current_thread())


class Elastic:
    """Threads that serve one client after the other: as many as there are clients at once, and a few more."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []  # the one that became idle last has the next job
        self._alive = 0
        self._pending: deque[Job] = deque()
        self._coming: deque[float] = deque()  # when the threads that have not begun were given a job
        self._begun = threading.Condition(self._lock)
        self._closed = False

    @property
    def counts(self) -> tuple[int, int]:
        """How many threads are idle and busy."""
        with self._lock:
            idle = len(self._idle)
            return idle, self._alive - idle

    def run(self, job: Job) -> bool:
        """Have a job done, which raises nothing; return whether at once, or by the next thread that is free.

        May wait until threads that were given jobs have begun, as `Thread.start` does for one.

        Raises:
            RuntimeError: There is no thread, and none can be started.
        """
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                self._alive += 1
        if worker is not None:
            self._give(worker, job)
            return True
        try:
            _Worker(self, self._name, job).start()
        except (RuntimeError, MemoryError):
            with self._lock:
                self._alive -= 1
                if not self._alive:
                    raise
                self._pending.append(job)
                if not self._idle:
                    return False
                # A worker became idle meanwhile, and knows nothing of this job.
                worker, job = self._idle.pop(), self._pending.popleft()
            self._give(worker, job)
            return False
        return True

    def _give(self, worker: "_Worker", job: Job) -> None:
        """Give a job to a thread, once those that were given one before have begun, or may do so soon.

        Where many compute, all would be at work at once otherwise, and the first would wait for the last. A
        new thread is waited for by `Thread.start`.
        """
        try:
            with self._begun:
                if not self._begun.wait_for(self._may_another_come, LATE):
                    self._coming.clear()
                self._coming.append(monotonic())
        finally:  # also where it is interrupted
            worker.give(job)

    def _may_another_come(self) -> bool:
        coming = self._coming
        return not coming or (len(coming) < COMING and monotonic() - coming[0] < SOON)

    def close(self) -> None:
        """Let threads without work leave; those that serve do so when they are done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._alive -= len(idle)
        for worker in idle:
            worker.give(None)

    def abandon(self) -> None:
        """Take no more jobs, in a child: the one thread that the fork has copied leaves when it is done."""
        self._lock = threading.Lock()
        self._begun = threading.Condition(self._lock)
        self._idle, self._alive, self._closed = [], 0, True
        self._pending.clear()
        self._coming.clear()

    def open(self) -> None:
        """Keep threads again."""
        self._closed = False

    def next_job(self, worker: "_Worker") -> Job | None:
        """Return what a thread that is done does next: another job, or None, which is to leave."""
        with self._lock:
            if self._pending:
                return self._pending.popleft()
            busy = self._alive - len(self._idle)
            if self._closed or len(self._idle) > max(RESERVE, busy):
                self._alive -= 1
                return None
            self._idle.append(worker)
        if (given := worker.wait(STAY)) is not None:
            with self._begun:
                if self._coming:  # else it came late, and is waited for no more
                    self._coming.popleft()
                self._begun.notify()
        return given

    def lose(self) -> None:
        """Count a thread no more that an error of its job has ended after all."""
        with self._lock:
            self._alive -= 1

    def leave(self, worker: "_Worker") -> bool:
        """Return whether a thread that has waited long may leave; else it was given a job just now."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            self._alive -= 1
            return True


class _Worker(threading.Thread):
    def __init__(self, pool: Elastic, name: str, job: Job) -> None:
        super().__init__(name=_next(name), daemon=True)
        self._pool = pool
        self._job: Job | None = job
        self._given = threading.Lock()
        self._given.acquire()

    def give(self, job: Job | None) -> None:
        self._job = job
        self._given.release()

    def wait(self, seconds: float) -> Job | None:
        if not self._given.acquire(timeout=seconds) and not self._pool.leave(self):
            self._given.acquire()
        job, self._job = self._job, None
        return job

    def run(self) -> None:
        job, self._job = self._job, None
        try:
            while job is not None:
                Context().run(job)
                job = None  # what it holds must not outlive it
                job = self._pool.next_job(self)
        except BaseException:
            self._pool.lose()
            raise


def _next(name: str) -> str:
    return f"{name}-{next(_numbers)}"
