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
"""Idle threads beside which one more may stay; more than that stay only while as many are busy."""

COMING = 2
"""Pooled threads that may have a job without having begun; the next job waits until one has."""

SOON = 0.001
"""Seconds after which even one of them delays the next job: it lacks a core, or the interpreter."""

LATE = 1.0
"""Seconds after which a thread that has not begun is no longer waited for."""

Job = Callable[[], Any]
"""A function that serves a client. It is run in a context of its own, as a thread serves many."""

_numbers = itertools.count(1)
"""Numbers of threads: a program may use a thread's name to tell its clients apart."""


class PerClient:
    """A new thread for each client, as in the standard library; `is_daemon` is asked for each."""

    def __init__(self, name: str, is_daemon: Callable[[], bool]) -> None:
        self._name = name
        self._is_daemon = is_daemon
        self._busy: set[threading.Thread] = set()

    @property
    def counts(self) -> tuple[int, int]:
        """How many threads are idle, and how many busy."""
        return 0, len(self._busy)

    def run(self, job: Job) -> bool:
        """Have a job done at once; it must not raise.

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
    """Threads that serve one client after the other: as many as there are clients at once, plus a few."""

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
        """How many threads are idle, and how many busy."""
        with self._lock:
            idle = len(self._idle)
            return idle, self._alive - idle

    def run(self, job: Job) -> bool:
        """Have a job done, which must not raise; return whether at once, or by the next thread that is free.

        This may wait until threads that were given jobs have begun, as `Thread.start` does.

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
        """Give a job to a thread, once those with earlier jobs have begun, or are about to.

        Otherwise all would compute at once, and the first would wait for the last. `Thread.start` itself
        waits for a new thread.
        """
        try:
            with self._begun:
                if not self._begun.wait_for(self._may_another_come, LATE):
                    self._coming.clear()
                self._coming.append(monotonic())
        finally:  # also if it is interrupted
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
        """Take no more jobs, in a child: the only thread that the fork has copied leaves when it is done."""
        self._lock = threading.Lock()
        self._begun = threading.Condition(self._lock)
        self._idle, self._alive, self._closed = [], 0, True
        self._pending.clear()
        self._coming.clear()

    def open(self) -> None:
        """Keep threads again."""
        self._closed = False

    def next_job(self, worker: "_Worker") -> Job | None:
        """Return the next job of a thread that is done; None tells it to leave."""
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
                if self._coming:  # otherwise it came late, and is no longer waited for
                    self._coming.popleft()
                self._begun.notify()
        return given

    def lose(self) -> None:
        """No longer count a thread that an error of its job has ended after all."""
        with self._lock:
            self._alive -= 1

    def leave(self, worker: "_Worker") -> bool:
        """Return whether a thread that has waited long may leave; otherwise it was just given a job."""
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
