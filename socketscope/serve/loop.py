"""Who takes clients from a listener, and who serves them.

One thread at a time takes. While clients are quick, it serves them itself as well: nobody else would be
faster, as threads of one interpreter take turns anyway, and handing over costs more than such a client does.
Whether a client is quick shows when it is not: after `QUICK` seconds with one client, while others wait, the
taking thread is left alone with it. From then on each client is handed to a thread of its own, as the
standard library does it, for as long as `SHORTEST` says. Then a thread tries to serve alone again. Each try
that soon ends the same way doubles that time, up to `LONGEST`; one that lasted resets it. Why a client takes
long, be it that its handler sleeps, waits for somebody, computes, or does not get the interpreter, does not
matter: beside it the others are served, at the latest after `QUICK`. So the judgement costs a server of slow
clients a few milliseconds each `LONGEST`, and a server of quick ones nothing.
"""

import errno
import os
import select
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from socketscope.serve.threads import Job

QUICK = 0.002
"""Seconds with one client after which the thread that takes is left alone with it."""

SHORTEST = 0.05
LONGEST = 2.0
"""Seconds for which clients are handed over until a thread tries to serve alone again."""

WORTH = 10
"""How many times as long as the pause before it a try has to last to be no failure."""

CALM = 50
"""Looks at a thread that waits after which the supervisor sleeps until it is woken."""

STUCK = 0.5
"""Seconds after which a thread is given up that does not come back from accepting: another process, which
shares the listener, took the client that it was told of."""


class Executor(Protocol):
    """Does jobs, be it in another thread."""

    def run(self, job: Job) -> None:
        """Have a job done, which raises nothing."""


class Call:
    """What another thread, or a signal's handler, can wake a waiting one with."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Not before the last who could wake it is gone: who came late would write to whoever has the number.
        weakref.finalize(self, os.close, self.descriptor)
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)

    def wake(self) -> None:
        """Wake who waits, or will wait next."""
        with suppress(OSError):
            os.eventfd_write(self.descriptor, 1)

    def clear(self) -> None:
        """Forget that it was called."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)

    def wait(self, seconds: float) -> None:
        """Wait until called, at most so many seconds."""
        if self._poll.poll(max(seconds, 0) * 1000):
            self.clear()


class Loop:
    """Takes clients until stopped.

    Attributes:
        stopping: Whether it is to end; `wake` has it looked at.
    """

    def __init__(self, listener: Any, receive: Callable[[], Job | None], executor: Executor) -> None:
        """Begin.

        Args:
            listener: What has a descriptor that is readable while a client waits.
            receive: Takes a client who waits and returns what serves it, or None where there is nothing to
                serve.
            executor: What clients are handed to.
        """
        self.stopping = False
        self._receive = receive
        self._executor = executor
        self._taking = threading.Lock()  # held by who waits for a client or takes one
        self._call, self._alarm = Call(), Call()
        self._arrivals = select.poll()
        self._arrivals.register(listener, select.POLLIN)
        self._look = select.poll()
        self._look.register(listener, select.POLLIN)
        self._arrivals.register(self._call.descriptor, select.POLLIN)

    def wake(self) -> None:
        """Have all threads look at `stopping`; safe from any thread and from a signal's handler."""
        self._call.wake()
        self._alarm.wake()

    def run(self, interval: float, tick: Callable[[], None], *, alone: bool) -> None:
        """Take clients until `stopping`.

        Args:
            interval: Longest time between two calls of `tick`, seconds.
            tick: Called from this thread.
            alone: Whether a thread of the executor may take and serve while clients are quick.

        Raises:
            RuntimeError: There is no thread, and none can be started.
        """
        pause, alone_from = SHORTEST, 0.0
        ticker = _Ticker(interval, tick)
        while not self.stopping:
            ticker.tick_if_due()
            began = monotonic()
            if alone and began >= alone_from:
                self._watch_one_serve(ticker)
                lasted = monotonic() - began
                pause = SHORTEST if lasted >= WORTH * pause else min(2 * pause, LONGEST)
                alone_from = began + lasted + pause
            else:
                until = min(ticker.next, alone_from) if alone else ticker.next
                if (job := self._take(until - began)) is not None:
                    self._executor.run(job)

    def take(self) -> Job | None:
        """Take a client, if one waits."""
        return self._take(0)

    def _take(self, seconds: float | None) -> Job | None:
        with self._taking:
            ready = self._arrivals.poll(None if seconds is None else max(seconds, 0) * 1000)
            if not ready or self.stopping:
                return None
            for descriptor, events in ready:
                if descriptor == self._call.descriptor:
                    self._call.clear()
                    return None
                if events & select.POLLNVAL:
                    raise OSError(errno.EBADF, "the listener was closed")
            return self._receive()

    def _watch_one_serve(self, ticker: "_Ticker") -> None:
        """Have a thread take and serve, until this is to stop or others wait for a slow client."""
        stint = _Stint(self)
        self._executor.run(stint.run)
        seen, looks, delayed = -1, 0, None
        try:
            while not self.stopping and not stint.ended:
                ticker.tick_if_due()
                if looks >= CALM:
                    self._sleep(stint, ticker)
                    looks = 0
                self._alarm.wait(min(QUICK, ticker.next - monotonic()))
                if not stint.busy:
                    seen, looks = -1, looks + 1
                elif stint.served != seen:
                    seen, looks, delayed = stint.served, 0, None
                elif self._look.poll(0):
                    # What it waits for a core is not the client's doing, and more threads would wait for it,
                    # too.
                    before, delayed = delayed, _delay(stint.thread)
                    if before is not None and delayed - before < QUICK / 2:
                        break
        finally:
            stint.ended = True
            if not stint.busy:
                self._call.wake()
                # Until it has stopped taking; who is stuck in accepting is given up.
                if self._taking.acquire(timeout=STUCK):
                    self._taking.release()
            self._call.clear()

    def _sleep(self, stint: "_Stint", ticker: "_Ticker") -> None:
        stint.wakes_when_busy = True
        # Who became busy before it saw the flag is seen here.
        if not stint.busy and not self.stopping:
            self._alarm.wait(ticker.next - monotonic())
        stint.wakes_when_busy = False


class _Stint:
    """A thread's time of taking and serving."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.ended = self.busy = self.wakes_when_busy = False
        self.served = self.thread = 0

    def run(self) -> None:
        """Take and serve until ended."""
        self.thread = threading.get_native_id()
        loop = self._loop
        take, alarm = loop._take, loop._alarm  # noqa: SLF001 - a part of it
        try:
            while not self.ended:
                self.busy = False
                if (job := take(None)) is None:
                    continue
                self.busy = True
                if self.wakes_when_busy:
                    alarm.wake()
                job()
                self.served += 1
        except OSError:
            pass  # of the listener; the supervisor will meet it, too
        finally:
            self.ended = True
            alarm.wake()


class _Ticker:
    """Calls something at intervals."""

    def __init__(self, interval: float, tick: Callable[[], None]) -> None:
        self._interval = interval
        self._tick = tick
        self.next = monotonic()

    def tick_if_due(self) -> None:
        """Call it, if it is time."""
        if (now := monotonic()) >= self.next:
            self._tick()
            self.next = now + self._interval


def _delay(thread: int) -> float:
    """Return for how long a thread was ready to run and had no core, seconds; 0 where that is not told."""
    try:
        # <linux>/Documentation/scheduler/sched-stats.rst: ns on a core, ns waiting for one, turns.
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
