"""How a server ends: its queue is served, it closes, and what is being served finishes or is forced."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from math import inf
from time import monotonic, sleep
from typing import Any

from socketscope.observe.outcomes import accept_error
from socketscope.observe.served import Served, get_current
from socketscope.serve.listeners import arrivals, queue
from socketscope.serve.listeners.holders import is_shared
from socketscope.serve.serving import ACCEPT_PAUSE, Serving
from socketscope.serve.theirs import ASKED_TO_STOP
from socketscope.serve.threads.executors import Elastic
from socketscope.views.metrics import view_of

UNSTOPPED = 1.0
"""Seconds for which the queue is served at the end if the kernel cannot keep new clients out of it."""

LOOK = 0.02
"""Seconds between looks at what is still being served."""

LEAST = 0.1
"""The least seconds that idle clients and lingering sockets have to leave at a drain."""

TELL = 0.5
"""Seconds that the hooks and log lines of what has ended have at a drain's deadline."""


class Service(Serving):
    """What the library does for one server, from its first client to the end of the last.

    The server keeps it in one private attribute; it calls the server's hooks as the standard library does.
    """

    def begin(self) -> None:
        """Make what is of this process alone."""
        super().begin()
        self._emptying = threading.RLock()

    def close(self, server: Any, close_listener: Callable[[], None]) -> None:
        """Serve clients who wait in the queue, close it, let those being served finish, force the rest."""
        self.drain_by = min(self.drain_by, monotonic() + self.options.limits.drain_timeout)
        self.draining = True
        if self._supervisor is not None:
            self._end_serving()
        marks = not vars(server).get(ASKED_TO_STOP)  # otherwise whoever has set it resets it
        vars(server)[ASKED_TO_STOP] = True  # handlers that are waited for may look at it
        waits = self.is_run or getattr(server, "block_on_close", True)
        shared, closed = True, False
        own = get_current()
        if own in self.totals.records or own in self.untold:
            self._closing.add(own)
        try:
            shared = self._is_shared()
            self._serve_queue(server, shared=shared)
            if self.closes_first:
                closed = True
                close_listener()
            if waits:
                self.force()
        finally:
            self._closing.discard(own)
            if marks:
                vars(server)[ASKED_TO_STOP] = False
            self.ask_kernel()
            if not closed:
                close_listener()
            if self.held is not None:
                self.held.release(remove=not shared)
            view_of(self.options.registry).retire(self)
            if isinstance(self.threads, Elastic):
                self.threads.close()

    def force(self) -> None:
        """Let what is being served finish, and force what has not by `drain_by`."""
        self._forced.update(served.connection_id for served in self.drain())

    def _end_serving(self) -> None:
        """Have `serve` end, and wait for that until `drain_by`: it may be in a hook, or in a handler."""
        ended = self._ended
        self.stop()
        if threading.current_thread() is not self._supervisor:
            began = monotonic()
            while not ended.wait(min(LOOK, self._time_to_drain())) and self._time_to_drain():
                self.release_idle(began)  # without threads, the serving one may wait for one of these

    def _serve_queue(self, server: Any, *, shared: bool) -> None:
        """Serve who waits in the queue, unless others share it or the server never served."""
        # One thread at a time, as two would see the same client wait; but it may stay in a hook.
        if not self._emptying.acquire(timeout=self._time_to_drain()):
            return
        try:
            if self._has_served and not shared and queue.exists(self.listener):
                with self._looked_after():
                    self._empty_queue(server)
            self._has_served = False
        finally:
            self._emptying.release()

    @contextmanager
    def _looked_after(self) -> Iterator[None]:
        """Let another thread hang up on idle clients, and force all at `drain_by`, while this one serves.

        Without threads this one runs handlers, which may wait for a client.
        """
        if self.threads is not None:
            yield
            return
        began, over = monotonic(), threading.Event()

        def look_after() -> None:
            while not over.wait(LOOK):
                if not self._time_to_drain():
                    self.force()
                    return
                self.release_idle(began)

        # In this context, so that a handler which has asked for the stop is not waited for.
        thread = threading.Thread(target=copy_context().run, args=(look_after,), name="drain", daemon=True)
        try:
            with suppress(RuntimeError, MemoryError):  # clients are served without it, too
                thread.start()
            yield
        finally:
            over.set()
            if thread.is_alive():
                thread.join()

    def _time_to_drain(self) -> float:
        return max(self.drain_by - monotonic(), 0)

    def _empty_queue(self, server: Any) -> None:
        """Serve what has come so far, and let nothing else come."""
        began = monotonic()
        # Without its path nobody can find it, and senders get an error, unless it was renamed.
        gone = self.held is not None and self.held.release(remove=True)
        stopped = arrivals.stop(self.listener) or gone
        patience = 0 if stopped else LOOK
        until = inf if stopped else began + UNSTOPPED
        # A handler that this thread runs may close the server itself: then the queue is empty.
        while self._has_served and monotonic() < min(self.drain_by, until):
            if not queue.waits(server, patience):
                # A client who came during that look may be there now.
                if arrivals.expected(self.listener, monotonic() - began):
                    queue.waits(server, LOOK)
                elif not queue.waits(server):
                    break
            else:
                self._serve_next(server, began)
        # The queue may still have clients who kept coming, or found the path before it was gone.
        if arrivals.refuse_at_last(self.listener):
            with suppress(OSError):
                while monotonic() < self.drain_by and queue.unix_length(self.listener):
                    self._serve_next(server, began)

    def _serve_next(self, server: Any, began: float) -> None:
        """Serve a client of the queue as soon as there is room; the stop began at `began`."""
        if (job := self.take(server)) is not None:
            self._hand(job)
        else:
            self.release_idle(began)  # they may have taken the room

    def wait_for_ends(self) -> list[Served]:
        """Wait for the hooks and log lines of what has ended; return what is not done in time."""
        until = monotonic() + TELL
        while untold := self.but_for_closing(self.untold.copy()):
            if monotonic() >= max(until, self.drain_by):
                break
            sleep(LOOK)
        return untold

    def _is_shared(self) -> bool:
        began = monotonic()
        while True:
            is_last = not (self.others() and self._time_to_drain())
            try:
                return is_shared(self.listener)
            except AttributeError:
                return True  # there is none
            except OSError as error:
                # Looking takes a descriptor; if there is none, a client that is being served may free one.
                if is_last or accept_error(error) != "fd_limit":
                    return True  # it is closed
            self.release_idle(began)
            sleep(ACCEPT_PAUSE)
