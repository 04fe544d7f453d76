"""What the library does for one server: its life, from the first client to the end of the last.

It stands beside the server, which keeps it in one private attribute, and calls the server's hooks as the
standard library does.
"""

import os
import socketserver
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from errno import ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTCONN
from functools import partial
from math import inf
from ssl import SSLError
from time import monotonic, sleep
from typing import Any

from socketscope.observe.adoption import prepare
from socketscope.observe.record import Served
from socketscope.observe.totals import Capacity, Totals
from socketscope.serve import queue
from socketscope.serve.loop import Loop
from socketscope.serve.options import Options
from socketscope.serve.paths import Held
from socketscope.serve.threads import Elastic, Job, PerClient
from socketscope.views.log import Log
from socketscope.views.metrics import view_of

ACCEPT_PAUSE = 0.1
"""Seconds without accepting after the kernel had no descriptor or no memory for a connection."""

UNSTOPPED = 1.0
"""Seconds for which the queue is served at the end where the kernel cannot keep new clients out of it."""

HANDSHAKE = 0.1
"""Seconds that a handshake which was under way when arrivals were stopped has to complete."""

LOOK = 0.02
"""Seconds between looks at what is still being served."""

TELL = 0.5
"""Seconds for which the log lines of what has ended are waited for; a hook of the user's may come before."""

_ACCEPT_ERRORS = {
    EMFILE: "fd_limit",
    ENFILE: "fd_limit",
    ENOBUFS: "no_buffers",
    ENOMEM: "no_buffers",
    ECONNABORTED: "aborted",
    ENOTCONN: "aborted",
}


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
        draining: Whether it has been asked to stop.
        drain_by: When what has not ended is forced, on the monotonic clock; may be set earlier at any time.
        forced: How many were forced.
        untold: What is counted as ended, and whose log line is about to be written.
    """

    totals: Totals

    def __init__(self, server: socketserver.BaseServer, options: Options, kind: str) -> None:
        self.options = options
        self.kind = kind
        self.name = ""
        self.listener: Any = None
        self.held: Held | None = None
        self.log: Log | None = None
        self.capacity = Capacity(options.limits.max_connections)
        self.serving = threading.Event()
        self.draining = False
        self.drain_by = inf
        self.forced = 0
        self.hooks = threading.Lock()
        self.untold: set[Served] = set()
        self.threads: Elastic | PerClient | None = None
        self._handing = threading.local()
        self._ended = threading.Event()
        self._ended.set()
        self._stopping = False
        self._supervisor: threading.Thread | None = None
        self._loop: Loop | None = None
        self._has_served = False
        self._process = os.getpid()
        if isinstance(server, socketserver.ThreadingMixIn):
            name = f"{kind}-worker"
            if options.threads == "elastic":
                self.threads = Elastic(name)
            else:
                self.threads = PerClient(name, daemon=server.daemon_threads)

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

    def serve(self, server: Any, poll_interval: float) -> None:
        """Serve until `shutdown`.

        Args:
            server: Whose service this is.
            poll_interval: Longest time between two calls of `service_actions`, seconds.

        Raises:
            RuntimeError: Not one thread can be started, or gevent stands in for them.
            OSError: The listener is closed.
        """
        _refuse_gevent()
        self._supervisor = threading.current_thread()
        self._ended.clear()
        try:
            self._find_hooks(server)
            self.show(server)
            self.draining = self._stopping
            self.drain_by = inf
            if isinstance(self.threads, Elastic):
                self.threads.open()
            self._loop = loop = Loop(server, partial(self.receive, server), self.threads or _Inline())
            loop.stopping = self._stopping
            self._has_served = True
            self.serving.set()
            try:
                tick = partial(guard, server.service_actions)
                loop.run(poll_interval, tick, alone=isinstance(self.threads, Elastic))
            finally:
                loop.stopping = True
                loop.wake()
                self.serving.clear()
                self._loop = None
        finally:
            self._supervisor = None
            self._stopping = False
            self._ended.set()

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
        self._find_hooks(server)
        self.show(server)
        if (job := self.receive(server)) is not None:
            (self.threads or _Inline()).run(job)

    def close(self, server: Any, close_listener: Callable[[], None]) -> None:
        """Serve who waits in the listener's queue, close it, let what is being served end, force the rest."""
        if not self._ended.is_set():
            self.shutdown()
        self.draining = True
        self.drain_by = min(self.drain_by, monotonic() + self.options.limits.drain_timeout)
        waits = getattr(server, "block_on_close", True)
        closing = Once(close_listener)
        try:
            if self._has_served:
                self._empty_queue(server)
            if self.closes_first:
                closing()
            if waits:
                self.forced += self.drain()
                self._wait_for_log()
        finally:
            self.look()
            closing()
            if self.held is not None:
                self.held.release()
            view_of(self.options.registry).retire(self)
            if self.threads is not None:
                self.threads.close()

    def _empty_queue(self, server: Any) -> None:
        """Serve who has come before this, unless others share the listener: then they do."""
        self._has_served = False
        if self._is_shared():
            return
        began = monotonic()
        if self.held is not None:
            self.held.release()
        stopped = queue.stop_arrivals(self.listener)
        executor = self.threads or _Inline()
        while (now := monotonic()) < (self.drain_by if stopped else min(self.drain_by, began + UNSTOPPED)):
            if not queue.waits(server, LOOK):
                if now >= began + HANDSHAKE:
                    break
            elif (job := self.receive(server)) is not None:
                executor.run(job)

    def _wait_for_log(self) -> None:
        until = monotonic() + TELL
        while self.untold and monotonic() < until:
            sleep(LOOK)

    def _is_shared(self) -> bool:
        try:
            return self._process != os.getpid() or queue.is_shared(self.listener)
        except (AttributeError, OSError):
            return True  # it is closed, or there is none

    @property
    def wanted(self) -> str:
        """The listener's name if it were alone."""
        return self.options.listener or self.kind

    @property
    def thread_counts(self) -> tuple[int, int]:
        """How many threads are idle and busy."""
        return (0, 0) if self.threads is None else self.threads.counts

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
    def receive(self, server: Any) -> Job | None:
        """Take a client, who waits; return what serves it, or None where there is nothing to serve."""

    @abstractmethod
    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler and record how it ended."""

    @abstractmethod
    def hand(self, server: Any, request: Any, client_address: Any) -> None:
        """Have a request handled that a hook of the server's hands on."""

    # What is the same for both

    def get_request(self, take: Callable[[], Any]) -> Any:
        """Return what `take` does, or None where that failed."""
        try:
            return take()
        except (BlockingIOError, TimeoutError, InterruptedError):
            return None
        except OSError as error:
            aborted = isinstance(error, SSLError)
            kind = "aborted" if aborted else _ACCEPT_ERRORS.get(error.errno or 0, "other")
            self.note_accept_error(kind)
            if kind != "aborted":
                sleep(ACCEPT_PAUSE)
        except BaseException as error:
            if not self._outlives(error):
                raise
            complain()
            self.note_accept_error("other")
        return None

    def note_accept_error(self, kind: str) -> None:
        """Log a failed accept."""
        if self.log is not None:
            self.log.repeated("accept_error", listener=self.name, error=kind)

    def verified(self, server: Any, request: Any, client_address: Any) -> bool:
        """Return what the server's hook says of a client."""
        try:
            return bool(server.verify_request(request, client_address))
        except BaseException as error:
            if not self._outlives(error):
                raise
            complain()
            return False  # who cannot be verified is refused

    def _outlives(self, error: BaseException) -> bool:
        """Return whether the service goes on after what a hook has raised."""
        # Where there are threads, a hook may be in any of them, and there SystemExit ends no program.
        return isinstance(error, Exception) or (self.threads is not None and isinstance(error, SystemExit))

    def process(self, server: Any, request: Any, client_address: Any) -> tuple[Any, Any] | None:
        """Call the server's hook; return what it hands on to be handled by this thread, if it does."""
        self._handing.result, self._handing.now = None, True
        try:
            server.process_request(request, client_address)
        finally:
            self._handing.now = False
        handed: tuple[Any, Any] | None = self._handing.result
        return handed

    def hand_here(self, request: Any, client_address: Any) -> bool:
        """Note what the hook that this thread is in hands on; return whether it is in one."""
        if not getattr(self._handing, "now", False):
            return False
        self._handing.result = request, client_address
        return True

    def _find_hooks(self, server: Any) -> None:
        kind = type(server)
        own = vars(server)
        self.verifies = "verify_request" in own or (
            kind.verify_request is not socketserver.BaseServer.verify_request
        )
        self.processes = "process_request" in own or (
            kind.process_request.__module__ not in {"socketscope.serve.mixin", "socketserver"}
        )
        self.gets = "get_request" in own or kind.get_request.__module__ != "socketserver"


def _refuse_gevent() -> None:
    """Refuse to serve on what gevent has put in the place of threads and sockets: all would wait for one.

    Raises:
        RuntimeError: It has.
    """
    if (monkey := sys.modules.get("gevent.monkey")) is None:
        return
    for name in ("threading", "select", "socket"):
        if monkey.is_module_patched(name):
            raise RuntimeError(f"gevent has replaced {name}: socketscope serves by threads of the system's")


class Once:
    """Calls something once."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        """Call it, unless that was done."""
        function, self._function = self._function, None
        if function is not None:
            function()


class _Inline:
    """Has a client served by the thread that took it: the standard library's servers without threads."""

    def run(self, job: Job) -> None:
        job()


def guard(hook: Callable[..., Any], *args: Any) -> None:
    """Call a hook of the user's; whatever it raises, the service goes on."""
    try:
        hook(*args)
    except Exception:  # noqa: BLE001 - the same
        complain()


def complain() -> None:
    """Print the exception being handled, unless even that fails."""
    with suppress(Exception):
        traceback.print_exc(file=sys.stderr)
