"""An event loop: tasks are generators, which yield what they wait for."""

import heapq
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from math import inf
from queue import SimpleQueue
from typing import Any, TypeVar

_BATCH = 64
"""The most events that are handled between two looks at the timers."""

_FINE = 2e-3
"""Seconds. epoll waits whole milliseconds; shorter waits are left to `select`, which waits microseconds."""

_LONGEST = 1.0
"""The longest wait, seconds. Python handles signals between two instructions, so one that comes right before
a wait is handled after it."""

_HELPERS = 16
"""The most threads for calls that block."""

_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

HANGUP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""epoll's flags for a connection that has ended; there may be bytes to read before the end."""


@dataclass(frozen=True, slots=True)
class Until:
    """A wait until a time, whatever happens on the connection; seconds on the loop's clock."""

    time: float


NEXT_TURN = Until(0.0)
"""A wait that only lets the other tasks have their turn."""

Wait = float | Until
"""What a task waits for. A bare number waits for an event on the task's connection, answered by epoll's
flags, or until that time, answered by 0. The event may turn out to be of no use to the task."""

Task = Generator[Wait, int, Any]
"""A task; if the loop ends first, it is closed, which raises GeneratorExit in it."""

_Returned = TypeVar("_Returned")


class _Runner:
    """A task and what it waits for."""

    __slots__ = ("deadline", "missed", "send", "task", "waits", "watched")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.send: Callable[[int], Wait] = self._begin
        self.waits = False  # for its connection
        self.missed = 0  # events on its connection while it waited for a time
        self.deadline = inf
        self.watched = inf  # its time in `Loop._deadlines`; infinity if it is not in there

    def _begin(self, _: int) -> Wait:
        self.send = self.task.send
        return next(self.task)


class Loop:
    """Runs tasks until all have ended, a time has come, or it is stopped.

    Attributes:
        now: The clock: monotonic, in seconds.
        waited: Seconds for which there was nothing to do.
        turns: How many turns it has taken.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.waited = 0.0
        self.turns = 0
        self._runners: set[_Runner] = set()
        self._connections: dict[int, _Runner] = {}
        self._sleepers: list[tuple[float, int, _Runner]] = []
        self._deadlines: list[tuple[float, int, _Runner]] = []
        self._order = count()
        self._stopped = False
        self._helped: deque[_Runner] = deque()
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._helpers = 0
        self._epoll = select.epoll()
        self._alarm, self._bell = socket.socketpair()
        self._alarm.setblocking(False)
        self._bell.setblocking(False)
        self._epoll.register(self._alarm, select.EPOLLIN)

    def start(self, task: Task) -> None:
        """Have a task begin in the next turn."""
        runner = _Runner(task)
        self._runners.add(runner)
        heapq.heappush(self._sleepers, (0.0, next(self._order), runner))

    def run(self, until: float = inf) -> None:
        """Run until all tasks have ended, a time has come, or `stop` is called.

        Raises:
            Exception: What a task raised.
        """
        now = self.now()
        while now < until and not self._stopped:
            self.turns += 1
            self.wake(now)
            if not self._runners:
                return
            began = self.now()
            happened = self._poll(max(min(until, self._next_time()) - began, 0.0))
            now = self.now()
            self.waited += now - began
            for descriptor, what in happened:
                if (runner := self._connections.get(descriptor)) is not None:
                    self._happened(runner, what)
                elif descriptor == self._alarm.fileno():
                    self._answer_alarm()

    def complete(self, task: Generator[Wait, int, _Returned]) -> _Returned:
        """Run a task to its end; return what it returns.

        Raises:
            Exception: What it raised.
        """
        answers: list[_Returned] = []

        def keep() -> Task:
            answers.append((yield from task))

        self.start(keep())
        self.run()
        return answers[0]

    def stop(self) -> None:
        """Have `run` return; from any thread or signal handler."""
        self._stopped = True
        self._ring()

    def close(self) -> None:
        """Close the loop, and all tasks that have not ended."""
        for runner in self._runners:
            runner.task.close()
        self._runners.clear()
        self._epoll.close()
        self._alarm.close()
        self._bell.close()

    def watch(self, sock: socket.socket) -> None:
        """Have events on a connection wake the running task, whose only connection it is."""
        self._running.missed = 0
        self._connections[sock.fileno()] = self._running
        self._epoll.register(sock, _EVENTS)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching a connection, before it is closed."""
        self._connections.pop(sock.fileno(), None)

    def call(self, function: Callable[..., Any], *arguments: object, until: float) -> Task:
        """Call a function that blocks in another thread; return what it returns.

        Raises:
            TimeoutError: It did not return in time; its thread goes on.
            Exception: What it raised.
        """
        runner, answers = self._running, list[tuple[Any, BaseException | None]]()

        def answer() -> None:
            try:
                answers.append((function(*arguments), None))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                answers.append((None, error))
            self._helped.append(runner)
            self._ring()

        self._calls.put(answer)
        if self._helpers < _HELPERS:
            self._helpers += 1
            threading.Thread(target=_help, args=(self._calls,), daemon=True).start()
        while not answers:
            if not (yield until):
                raise TimeoutError("no answer in time")
        value, error = answers[0]
        if error is not None:
            raise error
        return value

    def _poll(self, seconds: float) -> Iterable[tuple[int, int]]:
        """Return descriptors and their events; wait at most that long for one."""
        if seconds > _FINE:
            return self._epoll.poll(min(seconds - _FINE / 2, _LONGEST), _BATCH)
        if seconds and not select.select([self._epoll], [], [], seconds)[0]:
            return ()
        return self._epoll.poll(0, _BATCH)

    def _next_time(self) -> float:
        sleeper = self._sleepers[0][0] if self._sleepers else inf
        return min(sleeper, self._deadlines[0][0]) if self._deadlines else sleeper

    def wake(self, now: float) -> None:
        """Resume each task whose time has come, but only once: other tasks, and the end, come next.

        `run` does that; who calls it after a `run` that ended late resumes what was due before the end.
        """
        sleepers, deadlines = self._sleepers, self._deadlines
        due = []
        while sleepers and sleepers[0][0] <= now:
            due.append(heapq.heappop(sleepers)[2])
        for runner in due:
            self._resume(runner, 0)
        while deadlines and deadlines[0][0] <= now:
            time, _, runner = heapq.heappop(deadlines)
            if time != runner.watched:
                continue
            runner.watched = inf
            if runner.waits and runner.deadline <= now:
                self._resume(runner, 0)
            elif runner.waits:
                self._watch_deadline(runner)

    def _happened(self, runner: _Runner, what: int) -> None:
        if runner.waits:
            self._resume(runner, what)
        else:
            runner.missed |= what

    def _resume(self, runner: _Runner, answer: int) -> None:
        """Run a task to its next wait."""
        self._running = runner
        try:
            wait = runner.send(answer)
            while runner.missed and isinstance(wait, float):
                answer, runner.missed = runner.missed, 0
                wait = runner.send(answer)
        except StopIteration:
            runner.waits = False
            self._runners.discard(runner)
            return
        if isinstance(wait, float):
            runner.waits = True
            runner.deadline = wait
            # A deadline moves with each exchange and is seldom reached: the heap has each task at most once.
            if wait < runner.watched:
                self._watch_deadline(runner)
        else:
            runner.waits = False
            heapq.heappush(self._sleepers, (wait.time, next(self._order), runner))

    def _watch_deadline(self, runner: _Runner) -> None:
        runner.watched = runner.deadline
        heapq.heappush(self._deadlines, (runner.deadline, next(self._order), runner))

    def _ring(self) -> None:
        # If it is full, it rings already; if it is closed, the loop has ended.
        with suppress(OSError):
            self._bell.send(b"\0")

    def _answer_alarm(self) -> None:
        self._alarm.recv(4096)
        while self._helped:
            self._happened(self._helped.popleft(), select.EPOLLIN)


def _help(calls: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        calls.get()()
