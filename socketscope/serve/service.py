"""What the library does for one server: its life, from the first client to the end of the last.

It stands beside the server, which keeps it in one private attribute, and calls the server's hooks as the
standard library does.
"""

import os
import socketserver
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from socketscope.observe.adoption import prepare
from socketscope.observe.record import Served
from socketscope.observe.totals import Capacity, Totals
from socketscope.serve import queue
from socketscope.serve.hooks import Hooks, complain, guard
from socketscope.serve.loop import Loop
from socketscope.serve.options import Options
from socketscope.serve.paths import Held
from socketscope.serve.threads import Elastic, Inline, Job, PerClient, refuse_gevent
from socketscope.views.context import enter
from socketscope.views.metrics import view_of

if TYPE_CHECKING:
    from socketscope.views.log import Log  # structlog takes a while, and not every program has this log

ACCEPT_PAUSE = 0.1
"""Seconds without accepting after the kernel had no descriptor, no memory or no thread for a connection."""

UNSTOPPED = 1.0
"""Seconds for which the queue is served at the end where the kernel cannot keep new clients out of it."""

HANDSHAKE = 0.1
"""Seconds that a handshake which was under way when arrivals were stopped has to complete."""

LOOK = 0.02
"""Seconds between looks at what is still being served."""

_ASKED_TO_STOP, _HAS_STOPPED = "_BaseServer__shutdown_request", "_BaseServer__is_shut_down"
"""What the standard library's own `shutdown` sets and waits for. It was called before the server became an
observed one, or is called by its name."""

LONGEST = 1e6
"""Seconds between two calls of `service_actions` where none were asked for: 12 days, which the kernel can
wait for."""

TELL = 0.5
"""Seconds for which the log lines of what has ended are waited for; a hook of the user's may come before."""


class Service(ABC):
    """One server's life.

    Attributes:
        options: What its author chose.
        kind: Of the listener: ``tcp``, ``udp``, ``unix`` or ``unixgram``.
        name: The listener's name, unique in its registry.
        totals: What all of its clients did.
        listener: The server's socket.
        held: The path of a Unix listener that was bound by this process.
        log: Where its log lines go, if anywhere.
        serving: Set while clients are taken.
        hooks: The server's, as they are called.
        draining: Whether it has been asked to stop.
        drain_by: When what has not ended is forced, on the monotonic clock; may be set earlier at any time.
        forced: How many were forced.
        is_run: Whether `run` looks after it.
        untold: What is counted as ended, and whose log line is about to be written.
    """

    totals: Totals

    def __init__(self, server: socketserver.BaseServer, options: Options, kind: str) -> None:
        self.options = options
        self.kind = kind
        self.name = ""
        self.listener: Any = None
        self.held: Held | None = None
        self._bound_by = os.getpid()
        self._make_threads: Callable[[], Elastic | PerClient] | None = None
        self.is_run = False
        if isinstance(server, socketserver.ThreadingMixIn):
            per_client = partial(PerClient, daemon=server.daemon_threads)
            make = Elastic if options.threads == "elastic" else per_client
            self._make_threads = partial(make, f"{kind}-worker")
        self.begin()
        _all.add(self)

    def begin(self) -> None:
        """Make what is this process' own: a child has none of its parent's threads and held locks."""
        self.log: Log | None = None
        self.serving = threading.Event()
        self.draining = False
        self.drain_by = inf
        self.forced = 0
        self._ended = threading.Event()
        self._ended.set()
        self._stopping = False
        self._supervisor: threading.Thread | None = None
        self._loop: Loop | None = None
        self._has_served = False
        self.capacity = Capacity(self.options.limits.max_connections)
        self.hooks = Hooks(threaded=self._make_threads is not None)
        self.untold: set[Served] = set()
        self.threads = None if self._make_threads is None else self._make_threads()

    def abandon(self) -> None:
        """Have the thread that has forked take no client in the child: they are the parent's."""
        if self._loop is not None:
            self._loop.abandon()
        if isinstance(self.threads, Elastic):
            self.threads.abandon()

    # The life of a server

    def show(self, server: Any) -> None:
        """Show the listener's metrics."""
        self.listener = getattr(server, "socket", None)
        prepare(self.listener)
        view_of(self.options.registry).add(self)

    def forget(self) -> None:
        """Show nothing of it any more: another takes its place."""
        view_of(self.options.registry).remove(self)

    def share(self, capacity: Capacity) -> None:
        """Count against a limit that other listeners count against too; before serving."""
        self.capacity = self.totals.capacity = capacity

    def serve(self, server: Any, poll_interval: float | None) -> None:
        """Serve until `shutdown`.

        Args:
            server: Whose service this is.
            poll_interval: Longest time between two calls of `service_actions`, seconds; None is as long as
                nobody comes, as a selector has it.

        Raises:
            RuntimeError: Not one thread can be started, or gevent stands in for them.
            OSError: The listener is closed.
        """
        refuse_gevent()
        self._supervisor = threading.current_thread()
        self._ended.clear()
        stopped = vars(server).setdefault(_HAS_STOPPED, threading.Event())
        stopped.clear()
        try:
            self.hooks.find(server)
            self.show(server)
            self.draining = self._stopping
            self.drain_by = inf
            if isinstance(self.threads, Elastic):
                self.threads.open()
            self._loop = loop = Loop(
                server, partial(self.receive, server), self.threads or Inline(), self._hand
            )
            loop.stopping = self._stopping
            self._has_served = True
            try:
                tick = partial(self._tick, server)
                loop.run(
                    LONGEST if poll_interval is None else poll_interval,
                    tick,
                    alone=isinstance(self.threads, Elastic),
                )
            finally:
                loop.stopping = True
                loop.wake()
                self.serving.clear()
                self._loop = None
        finally:
            self._supervisor = None
            self._stopping = False
            self._ended.set()
            vars(server)[_ASKED_TO_STOP] = False
            stopped.set()

    def _tick(self, server: Any) -> None:
        self.serving.set()
        if vars(server).get(_ASKED_TO_STOP):
            self.stop()
        guard(server.service_actions)

    def stop(self) -> None:
        """Have `serve` end, without waiting for it; safe in a signal's handler."""
        self._stopping = self.draining = True
        if (loop := self._loop) is not None:
            loop.stopping = True
            loop.wake()

    def shutdown(self) -> None:
        """Have `serve` end; wait for that, unless called by the thread that serves."""
        self.stop()
        if threading.current_thread() is not self._supervisor:
            self._ended.wait()

    def handle_one(self, server: Any) -> None:
        """Take one client, who waits, and have it served."""
        self.hooks.find(server)
        self.show(server)
        if (job := self.receive(server)) is not None:
            self._hand(job)

    def close(self, server: Any, close_listener: Callable[[], None]) -> None:
        """Serve who waits in the listener's queue, close it, let what is being served end, force the rest."""
        if not self._ended.is_set():
            self.shutdown()
        self.draining = True
        self.drain_by = min(self.drain_by, monotonic() + self.options.limits.drain_timeout)
        waits = getattr(server, "block_on_close", True)
        shared, closed = self._is_shared(), False
        try:
            if self._has_served and not shared:
                self._empty_queue(server)
            self._has_served = False
            if self.closes_first:
                closed = True
                close_listener()
            if waits:
                self.forced += self.drain()
                self._wait_for_log()
        finally:
            self.look()
            if not closed:
                close_listener()
            if self.held is not None:
                self.held.release(remove=not shared)
            view_of(self.options.registry).retire(self)
            if self.threads is not None:
                self.threads.close()

    def _empty_queue(self, server: Any) -> None:
        """Serve who has come before this; where others share the listener, they do."""
        began = monotonic()
        stopped = queue.stop_arrivals(self.listener)
        if self.held is not None:
            self.held.release(remove=True)
            stopped = True  # by that path nobody finds it any more
        while (now := monotonic()) < (self.drain_by if stopped else min(self.drain_by, began + UNSTOPPED)):
            if not queue.waits(server, LOOK):
                if now >= began + HANDSHAKE:
                    break
            elif (job := self.receive(server)) is not None:
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

    def _wait_for_log(self) -> None:
        until = monotonic() + TELL
        while self.untold and monotonic() < until:
            sleep(LOOK)

    def _is_shared(self) -> bool:
        try:
            return self._bound_by != os.getpid() or queue.is_shared(self.listener)
        except (AttributeError, OSError):
            return True  # it is closed, or there is none

    @property
    def wanted(self) -> str:
        """The listener's name if it were alone."""
        return self.options.listener or self.kind

    @property
    def processors(self) -> Sequence[Callable[..., Any]]:
        """structlog's, for the lines of its clients."""
        return self.options.processors

    @property
    def thread_counts(self) -> tuple[int, int]:
        """How many threads are idle and busy."""
        if self.threads is None:
            return 0, 0
        idle, busy = self.threads.counts
        waits = (loop := self._loop) is not None and loop.waits
        return idle + waits, max(busy - waits, 0)

    # What differs between connections and datagrams

    closes_first = True
    """Whether the listener is closed before its clients have been served."""

    @abstractmethod
    def look(self) -> tuple[int, int] | None:
        """Ask the kernel what it counts; return length and limit of the accept queue, if there is one."""

    @abstractmethod
    def drain(self) -> int:
        """Return when nothing is being served: how much had to be forced at `drain_by`."""

    @abstractmethod
    def release_idle(self, since: float) -> None:
        """Hang up on clients who ask for nothing, on a stop that began then."""

    @abstractmethod
    def receive(self, server: Any) -> Job | None:
        """Take a client, who waits; return what serves it, or None where there is nothing to serve."""

    @abstractmethod
    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler and record how it ended."""

    @abstractmethod
    def hand(self, server: Any, request: Any, client_address: Any) -> None:
        """Have a request handled that a hook of the server's hands on."""

    # What is the same for both

    @staticmethod
    def serve_elsewhere(server: Any, request: Any, client_address: Any, served: Served | None) -> None:
        """Have a request handled in another thread, whose context knows what it is counted for."""
        if served is not None:
            enter(served)
        try:
            server.process_request_thread(request, client_address)
        except BaseException:  # noqa: BLE001 - a thread of the pool outlives whatever happens to a client
            complain()

    def note_not_taken(self, error: BaseException) -> None:
        """Deal with what `get_request` raised: nobody is there, there is no room, or the hook is wrong."""
        match error:
            case BlockingIOError() | TimeoutError() | InterruptedError():
                pass
            case OSError():
                kind = queue.accept_error(error)
                self.note_accept_error(kind)
                if kind != "aborted":
                    sleep(ACCEPT_PAUSE)
            case _:
                if not self.hooks.outlives(error):
                    raise error
                complain()
                self.note_accept_error("other")

    def note_accept_error(self, kind: str) -> None:
        """Log a failed accept."""
        if self.log is not None:
            self.log.repeated("accept_error", self.processors, listener=self.name, error=kind)


_all: "weakref.WeakSet[Service]" = weakref.WeakSet()


def _begin_all() -> None:
    for service in list(_all):
        service.abandon()
        service.begin()


os.register_at_fork(after_in_child=_begin_all)
