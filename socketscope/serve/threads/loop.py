"""Which threads take clients from a listener, and which serve them.

One thread at a time waits for clients. While they are quick, it serves them itself as well: nobody else
would be faster, as threads of one interpreter take turns anyway, and handing over costs more than such a
client does. Where they do not take turns, as many threads as there are cores take and serve in this way.

Whether clients are quick shows while others wait: where the thread is with one of them for three looks, or
on average with each for more than `SHORT`, or asleep for each for more than `ASLEEP`, they are not. Then
`SEVERAL` threads take and serve, which is best for clients who are waited for, but not for long; now and
then one tries to be enough. Where others wait for all of these as well, judged in the same way, each client
is handed to a thread of its own, as the standard library does it, until one who was handed over shows that
they have become quick (`serve/threads/tries.py`).

Why a client takes long does not matter: its handler may sleep, wait for somebody, compute, or not get the
interpreter. Only waits for a core are not counted, as more threads would have those too. So the judgement
costs a server of slow clients their beginning; one of mixed clients, or of those who sleep for less than a
look lasts, some tens of milliseconds each 10 s; and one of quick clients 200 looks a second.
"""

import errno
import select
import threading
from collections.abc import Callable
from functools import partial
from math import inf
from time import monotonic
from typing import Any

from socketscope.interpreter import AT_ONCE, FREE_THREADED
from socketscope.serve.threads.executors import Elastic, Job
from socketscope.serve.threads.impatience import ASLEEP, ASLEEP_OF_SEVERAL, Impatience
from socketscope.serve.threads.stint import Stint
from socketscope.serve.threads.tries import Tries
from socketscope.serve.threads.waker import Waker

SEVERAL = 8
"""Threads that take and serve where others wait for one. Where clients close at once, eight serve 1.6 times
as many as one, six 1.45 and four 1.35 times; where they are quick, on a Unix socket, 0.7 times."""

SPELL = 3.0
"""Seconds for which they do. Then one tries to be enough; that it is not shows in 0.1 to 0.2 s."""

CALM = 50
"""Looks that find nobody served and nobody waiting, after which the supervisor sleeps until one comes."""

STUCK = 0.5
"""Seconds after which a thread is given up that does not come back from accepting: another process, which
shares the listener, took the client that it was told of."""

PROMPT = 5e-6
"""Seconds within which the kernel tells of a client who was there before it was asked."""

TURN = 1.0 if FREE_THREADED else None
"""Seconds after which a thread that waits for a client wakes. Without an interpreter's lock, what another
thread drops, as a client that a hook has handed on, is freed only when the thread that made it runs again."""


class Loop:
    """Takes clients until stopped.

    Attributes:
        stopping: Whether it is to end; `wake` has it looked at.
    """

    def __init__(
        self,
        listener: Any,
        receive: Callable[[], Job | None],
        try_to_receive: Callable[[], Job | None],
        hand: Callable[[Job], None],
    ) -> None:
        """Begin.

        Args:
            listener: What has a descriptor that is readable while a client waits.
            receive: Takes a client who waits and returns what serves it, or None where there is nothing to
                serve.
            try_to_receive: Does the same at once, and returns None where nobody waits. It is called in place
                of `poll` after a client who did not have to be waited for: under load the next one is there.
            hand: Has a client served by another thread.
        """
        self.stopping = False
        self._listener = listener
        self._receive = receive
        self._try_to_receive = try_to_receive
        self._queued = False  # the last client was there before it was waited for
        self._hand = hand
        self._taking = threading.Lock()  # held by the thread that waits for a client, until it is taken
        self._idle = 0.0  # seconds that threads have waited for a client, or for their turn to
        self._has_begun = False  # a thread of the pool could be started
        self._stint: Stint | None = None
        self._waker, self._alarm = Waker(), Waker()  # for the thread that waits; for the supervisor
        self._arrivals, self._events, self._look = select.poll(), select.poll(), select.poll()
        for poll in (self._arrivals, self._events, self._look):
            poll.register(listener, select.POLLIN)
        self._arrivals.register(self._waker.descriptor, select.POLLIN)
        self._events.register(self._alarm.descriptor, select.POLLIN)
        self._one_waits = [(listener.fileno(), select.POLLIN)]  # what `_arrivals` tells of a client alone

    def wake(self) -> None:
        """Have all threads look at `stopping`; safe from any thread and from a signal's handler."""
        self._waker.wake()
        self._alarm.wake()

    @property
    def waiting(self) -> int:
        """How many threads of the pool wait for a client."""
        stint = self._stint
        return 0 if stint is None or stint.ended else sum(not turn.busy for turn in stint.turns)

    def run(self, interval: float, tick: Callable[[], None], pool: Elastic | None) -> None:
        """Take clients until `stopping`.

        Args:
            interval: Longest time between two calls of `tick`, seconds.
            tick: Called from this thread, for the first time when clients are taken.
            pool: Whose threads take and serve while clients are quick; None has each client handed over.

        Raises:
            RuntimeError: Not one thread can be started.
            OSError: The listener was closed.
            BaseException: As `receive` does.
        """

        def look_and_tick() -> None:
            if self._listener.fileno() < 0:  # a `poll` of it would wait on
                raise _closed()
            tick()

        tries = Tries()
        ticker = _Ticker(interval, look_and_tick)
        while not self.stopping:
            if pool is not None and tries.due(began := monotonic()):
                try:
                    self._have_few_serve(pool, ticker)
                except (RuntimeError, MemoryError):  # no thread can be started
                    if not self._has_begun:
                        raise
                tries.note(began, monotonic())
            else:
                ticker.tick_if_due()
                if (job := self._take(ticker.next - monotonic())) is not None:
                    self._hand(job if pool is None else tries.seen(job, monotonic()))
                job = None  # what it holds must not outlive it

    def abandon(self) -> None:
        """Have the threads that take and serve come to an end: one of them was copied into a child."""
        if self._stint is not None:
            self._stint.ended = True

    def _take(self, seconds: float | None, stint: Stint | None = None) -> Job | None:
        if self._queued and not self.stopping:
            if (job := self._try_to_receive()) is not None:
                return job
            self._queued = False
        began = monotonic()
        with self._taking:
            if stint is not None and stint.ended:  # since it looked; nobody would wake it again
                return None
            ready = self._arrivals.poll(None if seconds is None else max(seconds, 0) * 1000)
            waited = monotonic() - began
            self._idle += waited
            if self.stopping and stint is not None:
                stint.ended = True  # or it would come back at once, until the supervisor sees it
            if not ready or self.stopping:
                return None
            if ready != self._one_waits:
                for descriptor, events in ready:
                    if descriptor == self._waker.descriptor:
                        self._waker.clear()
                        return None
                    if events & select.POLLNVAL:
                        raise _closed()
            job = self._receive()
            self._queued = job is not None and waited < PROMPT
            return job

    def _have_few_serve(self, pool: Elastic, ticker: "_Ticker") -> None:
        """Have one thread take and serve, or several, until this is to stop or others wait for them all."""
        while self._watch(AT_ONCE, ASLEEP, inf, pool, ticker) and AT_ONCE < SEVERAL:
            if self._watch(SEVERAL, ASLEEP_OF_SEVERAL, monotonic() + SPELL, pool, ticker):
                break

    def _watch(self, threads: int, asleep: float, until: float, pool: Elastic, ticker: "_Ticker") -> bool:
        """Have threads take and serve for a time; return whether others had to wait, or soon would have.

        Args:
            threads: How many.
            asleep: Seconds that each client may have them sleep.
            until: When to end.
            pool: Whose they are.
            ticker: What is to be called meanwhile.

        Raises:
            BaseException: What has ended one of these threads, if that ends the service.
        """
        self._stint = stint = Stint(partial(self._take, TURN), self._alarm)
        impatience, calm_looks, served = Impatience(asleep), 0, 0
        others_wait = partial(self._others_wait, stint)
        try:
            stint.begin(pool, threads)
            self._has_begun = True
            while not self.stopping and not stint.ended and (now := monotonic()) < until:
                ticker.tick_if_due()
                if calm_looks >= CALM:
                    if not self._sleep(min(ticker.next, until)):
                        continue
                    calm_looks = 0
                self._alarm.wait(min(impatience.pause, ticker.next - now))
                before, served = served, stint.served
                calm = not stint.busy or (served == before and not others_wait())
                calm_looks = calm_looks + 1 if calm else 0
                if impatience.grows(stint.threads, served, self._idle, others_wait):
                    return True
            # Threads that stay busy will keep later clients waiting, if not these.
            return monotonic() >= until and sum(turn.busy for turn in stint.turns) > stint.served
        finally:
            stint.ended = True
            if not stint.busy:
                self._waker.wake()
                stint.wait_until_nobody_takes(STUCK)  # one that is stuck in accepting is given up
            self._waker.clear()
            self._stint = None  # it holds the loop, and the loop the server
            if stint.raised is not None:
                raise stint.raised

    def _others_wait(self, stint: Stint) -> bool:
        """Return whether a client waits whom nobody is left to take."""
        return stint.busy and bool(self._look.poll(0))

    def _sleep(self, until: float) -> bool:
        """Wait until a client waits or a thread ends, or until then; return whether that is so."""
        woken = bool(self._events.poll(max(until - monotonic(), 0) * 1000))
        self._alarm.clear()
        return woken


def _closed() -> OSError:
    return OSError(errno.EBADF, "the listener was closed")


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
