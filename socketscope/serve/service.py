"""What the library does for one server: its life, from the first client to the end of the last.

It stands beside the server, which keeps it in one private attribute, and calls the server's hooks as the
standard library does.
"""

import sys
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from time import monotonic, sleep
from typing import Any

from socketscope.observe.record import Served, current
from socketscope.serve import queue
from socketscope.serve.holders import is_shared
from socketscope.serve.hooks import complain
from socketscope.serve.loop import Loop
from socketscope.serve.state import State
from socketscope.serve.theirs import ASKED_TO_STOP, HAS_STOPPED, shut_down
from socketscope.serve.threads import Elastic, Inline, Job, refuse_green_threads
from socketscope.views.context import enter, leave
from socketscope.views.metrics import view_of

ACCEPT_PAUSE = 0.1
"""Seconds without accepting after the kernel had no descriptor, no memory or no thread for a connection."""

UNSTOPPED = 1.0
"""Seconds for which the queue is served at the end where the kernel cannot keep new clients out of it."""

LOOK = 0.02
"""Seconds between looks at what is still being served."""

LONGEST = 10.0
"""Seconds between two calls of `service_actions` where none were asked for: what was dropped ends then."""

TELL = 0.5
"""Seconds that hooks and log lines of what has ended have at a drain's deadline."""


class Service(State):
    """One server's life.

    Attributes:
        serving: Set while clients are taken.
    """

    def begin(self) -> None:
        """Make what is of this process alone."""
        super().begin()
        self.serving = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self._stopping = False
        self._supervisor: threading.Thread | None = None
        self._has_served = False
        self._emptying = threading.RLock()

    # The life of a server

    def serve(self, server: Any, poll_interval: float | None) -> None:
        """Serve until `shutdown`.

        Args:
            server: Whose service this is.
            poll_interval: Longest time between two calls of `service_actions`, seconds; None is `LONGEST`.

        Raises:
            RuntimeError: Not one thread can be started, or gevent or eventlet stands in for them.
            OSError: The listener is closed.
        """
        refuse_green_threads()
        self._supervisor = threading.current_thread()
        # Of this serving alone: who waits for its end may be woken when the next one has begun.
        ended = self._ended = threading.Event()
        stopped = vars(server).setdefault(HAS_STOPPED, threading.Event())
        stopped.clear()
        try:
            self.hooks.find(server)
            self.show(server)
            self.draining = self._is_to_stop(server)
            if isinstance(self.threads, Elastic):
                self.threads.open()
            loop = Loop(
                server,
                partial(self._take_next, server),
                partial(self.receive_next, server),
                self.threads or Inline(),
                self._hand if self.threads is not None else partial(self._hand_and_heed, server),
            )
            self._loops.add(loop)
            if self._is_to_stop(server):
                loop.stopping = True
            self._has_served = True
            try:
                tick = partial(self._tick, server)
                loop.run(
                    LONGEST if poll_interval is None else poll_interval,
                    tick,
                    # What the user's `service_actions` touches may be of this thread alone.
                    alone=isinstance(self.threads, Elastic) and not self.hooks.acts,
                )
            finally:
                loop.stopping = True
                loop.wake()
                self.serving.clear()
                self._loops.discard(loop)  # in a child it is none of these
        finally:
            self._supervisor = None
            self._stopping = False
            ended.set()
            vars(server)[ASKED_TO_STOP] = False
            stopped.set()

    def _tick(self, server: Any) -> None:
        self.serving.set()
        self._heed(server)
        self.settle()
        self.hooks.find(server)
        self.hooks.act(server)

    def _is_to_stop(self, server: Any) -> bool:
        return self._stopping or bool(vars(server).get(ASKED_TO_STOP))

    def _heed(self, server: Any) -> None:
        """Stop if that was asked for as programs do it that have no other thread to call `shutdown` from."""
        if vars(server).get(ASKED_TO_STOP):
            self.stop()

    def _hand_and_heed(self, server: Any, job: Job) -> None:
        self._hand(job)
        self._heed(server)

    def stop(self) -> None:
        """Have `serve` end, without waiting for it; safe in a signal's handler."""
        self._stopping = self.draining = True
        for loop in tuple(self._loops):
            loop.stopping = True
            loop.wake()

    def shutdown(self, server: Any) -> None:
        """Have `serve` end; wait for that, unless called by the thread that serves."""
        ended = self._ended
        serves = not ended.is_set()  # before it may end by this, and need no telling any more
        self.stop()
        if not serves:
            shut_down(server)
            self._stopping = False  # the server's own mark has it, until a loop ends by that
        elif threading.current_thread() is not self._supervisor:
            ended.wait()

    def _take_next(self, server: Any) -> Job | None:
        """Call `service_actions`, as between any two clients; then take one, unless that has ended it."""
        if self.hooks.acts:
            self.hooks.act(server)
            self._heed(server)
            if self._stopping:
                return None
        return self.take(server)

    def take(self, server: Any) -> Job | None:
        """Take a client who waits; return what serves it, unless the program takes clients in its own way."""
        if not self.hooks.takes:
            return self.receive(server)
        server._handle_request_noblock()  # noqa: SLF001 - as the standard library's loop calls it
        return None

    def handle_one(self, server: Any) -> None:
        """Take one client, who waits, and have it served."""
        self.settle()
        self.hooks.find(server)
        self.show(server)
        if (job := self.receive(server)) is not None:
            self._hand(job)

    def close(self, server: Any, close_listener: Callable[[], None]) -> None:
        """Serve who waits in the listener's queue, close it, let what is being served end, force the rest."""
        self.drain_by = min(self.drain_by, monotonic() + self.options.limits.drain_timeout)
        self.draining = True
        if not self._ended.is_set():
            self._end_serving()
        waits = self.is_run or getattr(server, "block_on_close", True)
        shared, closed = True, False
        own = current.get()
        if own in self.totals.records or own in self.untold:
            self._closing.add(own)
        try:
            shared = self._is_shared()
            # By one at a time, as who waits there is another's the moment after; one may stay in a hook.
            if self._emptying.acquire(timeout=self._time_to_drain()):
                try:
                    if self._has_served and not shared and queue.is_kept(self.listener):
                        self._empty_queue(server)
                    self._has_served = False
                finally:
                    self._emptying.release()
            if self.closes_first:
                closed = True
                close_listener()
            if waits:
                self.force()
        finally:
            self._closing.discard(own)
            self.look()
            if not closed:
                close_listener()
            if self.held is not None:
                self.held.release(remove=not shared)
            view_of(self.options.registry).retire(self)
            if self.threads is not None:
                self.threads.close()

    def force(self) -> None:
        """Let what is being served end, and force what has not at `drain_by`."""
        self._forced.update(served.connection_id for served in self.drain())

    def _end_serving(self) -> None:
        """Have `serve` end, and wait for that until `drain_by`: it may be in a hook, or in a handler."""
        ended = self._ended
        self.stop()
        if threading.current_thread() is not self._supervisor:
            began = monotonic()
            while not ended.wait(min(LOOK, self._time_to_drain())) and self._time_to_drain():
                self.release_idle(began)  # without threads, who serves may wait for one of these

    def _time_to_drain(self) -> float:
        return max(self.drain_by - monotonic(), 0)

    def _empty_queue(self, server: Any) -> None:
        """Serve who has come before this; where others share the listener, they do."""
        began = monotonic()
        stopped = queue.stop_arrivals(self.listener)
        if self.held is not None:
            self.held.release(remove=True)
            stopped = True  # by that path nobody finds it any more
        patience = 0 if stopped else LOOK
        while monotonic() < (self.drain_by if stopped else min(self.drain_by, began + UNSTOPPED)):
            if not queue.waits(server, patience):
                # Who came while that was looked for is there now.
                if queue.expects(self.listener, monotonic() - began):
                    queue.waits(server, LOOK)
                elif not queue.waits(server):
                    break
            elif (job := self.take(server)) is not None:
                self._hand(job)
            else:
                self.release_idle(began)  # it may be for want of their room

    def _hand(self, job: Job) -> None:
        """Have a client served as soon as there is a thread for it; at a stop it is forced with the rest."""
        executor = self.threads or Inline()
        while True:
            try:
                at_once = executor.run(job)
            except (RuntimeError, MemoryError):
                self.note_accept_error("other")
                if self._stopping or monotonic() >= self.drain_by:
                    return
                sleep(ACCEPT_PAUSE)
            else:
                if not at_once:
                    self.note_accept_error("other")
                return

    def wait_for_ends(self) -> list[Served]:
        """Return when the hooks and log lines of what has ended are over, or what is still there."""
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
                # To look takes a descriptor. Where there is none, those who are being served may free one.
                if is_last or queue.accept_error(error) != "fd_limit":
                    return True  # it is closed
            self.release_idle(began)
            sleep(ACCEPT_PAUSE)

    # What differs between connections and datagrams

    closes_first = True
    """Whether the listener is closed before its clients have been served."""

    @abstractmethod
    def drain(self) -> Sequence[Served]:
        """Return when nothing else is being served: what had to be forced at `drain_by`."""

    @abstractmethod
    def release_idle(self, since: float) -> None:
        """Hang up on clients who ask for nothing, on a stop that began then."""

    @abstractmethod
    def receive(self, server: Any) -> Job | None:
        """Take a client, who waits; return what serves it, or None where there is nothing to serve."""

    def receive_next(self, server: Any) -> Job | None:  # noqa: ARG002
        """Do the same where nobody may be waiting, if that can be tried without waiting for somebody."""
        return None

    @abstractmethod
    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler and record how it ended."""

    @abstractmethod
    def hand(self, server: Any, request: Any, client_address: Any) -> None:
        """Have a request handled that a hook of the server's hands on."""

    # What is the same for both

    def _context(self, served: Served) -> Callable[..., Any]:
        """Return what calls who serves a client: in a context of its own, without threads in this one."""
        return Context().run if self.threads is not None else partial(_call_for, served)

    @staticmethod
    def serve_elsewhere(server: Any, request: Any, client_address: Any, served: Served | None) -> None:
        """Have a request handled in another thread, whose context knows what it is counted for."""
        if served is not None:
            enter(served)
        try:
            server.process_request_thread(request, client_address)
        except BaseException:  # noqa: BLE001 - a thread of the pool outlives whatever happens to a client
            complain()

    def note_handled(self) -> None:
        """Note the exception that is being handled as the end of who is served here."""
        served, error = current.get(), sys.exception()
        if served is not None and served.listener is self and error is not None:
            self._fail(served, error)

    @staticmethod
    @abstractmethod
    def _fail(served: Any, error: BaseException) -> None:
        """Note what a handler raised."""

    def note_not_taken(self, error: BaseException) -> None:
        """Deal with what `get_request` raised: nobody is there, there is no room, or the hook is wrong."""
        match error:
            case BlockingIOError() | TimeoutError() | InterruptedError():
                pass
            case OSError():
                kind = queue.accept_error(error)
                self.note_accept_error(kind)
                if kind != "aborted" and not (kind == "other" and self.hooks.refused(error)):
                    sleep(ACCEPT_PAUSE)
            case _:
                if not self.hooks.outlives(error):
                    raise error
                complain()
                self.note_accept_error("other")


def _call_for(served: Served, serve: Callable[..., Any], *args: Any) -> None:
    entered = enter(served)
    try:
        serve(*args)
    finally:
        leave(entered)
