"""What observed stream and datagram servers share: their life, their threads and their hooks."""

import socket
import socketserver
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from errno import ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM
from math import inf
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry

from socketscope import backlog, metrics
from socketscope.backlog import waits
from socketscope.limits import Limits
from socketscope.log import Log
from socketscope.pool import Pool
from socketscope.sockets import TICK, set_kernel_timeout
from socketscope.totals import Capacity, Totals

ACCEPT_PAUSE = 0.1
"""Seconds without accepting after the kernel had no descriptor or no memory for a connection."""

UNSTOPPED = 1.0
"""Seconds for which the queue is served at the end where the kernel cannot keep new clients out of it."""

_ACCEPT_ERRORS = {
    EMFILE: "fd_limit",
    ENFILE: "fd_limit",
    ENOBUFS: "no_buffers",
    ENOMEM: "no_buffers",
    ECONNABORTED: "aborted",
}

_SERIAL_HOOKS = ("get_request", "verify_request", "process_request")
"""Hooks that the standard library calls from one thread; what they do was written for that."""

_OWN_MODULES = frozenset(
    {"socketserver", "socketscope.base", "socketscope.streams", "socketscope.datagrams", "socketscope.paths"}
)


Received = tuple[Any, Any]
"""A request and its client's address, as `get_request` returns them."""


class ObservedServer(socketserver.BaseServer, ABC):
    """A socketserver whose clients are served by an elastic pool, and whose shutdown loses none of them.

    `shutdown` returns when the listener's queue has been emptied, and may be called from any thread at any
    time. `server_close` waits for what is being served, at most `limits.drain_timeout`, also with
    `daemon_threads` set; with `block_on_close` unset it does not wait.

    Attributes:
        limits: What clients are allowed.
        registry: Where the metrics are shown; None is prometheus-client's default registry.
        listener: The name in labels and log lines; None is the kind of listener.
        log: Where the log lines go, if anywhere.
        name: The listener's name, unique in its registry; empty until it is shown there.
        totals: What all of its clients did.
        serving: Set while there are threads to serve with.
        drain_by: When what has not ended is forced, on the monotonic clock; may be set earlier at any time.
        forced: How many were forced by `server_close`.
        close_first: Whether the listener is closed before its clients have been served.
    """

    limits = Limits()
    registry: CollectorRegistry | None = None
    listener: str | None = None
    kind: str
    totals: Totals
    socket: socket.socket
    log: Log | None = None
    name = ""
    forced = 0
    close_first = True
    block_on_close = True

    def __init__(
        self,
        server_address: Any,
        RequestHandlerClass: Callable[..., socketserver.BaseRequestHandler],  # noqa: N803 - the base's name
        bind_and_activate: bool = True,
    ) -> None:
        # Of the standard library's concrete class, which stands between this one and BaseServer.
        super().__init__(server_address, RequestHandlerClass, bind_and_activate=False)  # type: ignore[call-arg]
        self.prepare()
        if bind_and_activate:
            try:
                self.server_bind()  # type: ignore[attr-defined]  # of the same class
                self.server_activate()
            except BaseException:
                self.server_close()
                raise

    def prepare(self) -> None:
        """Set up what the constructor of the standard library's class does not."""
        self.capacity = Capacity(self.limits.max_connections)
        self.drain_by = inf
        self._pool: Pool | None = None
        self._supervisor: threading.Thread | None = None
        self._stopping = False
        self.serving = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self._hooks = threading.Lock()
        self._handed = threading.local()
        self._find_overrides()

    def server_activate(self) -> None:
        """Listen, and show the listener's metrics.

        Raises:
            ValueError: The registry has a metric of the same name.
        """
        super().server_activate()
        set_kernel_timeout(self.socket, socket.SO_RCVTIMEO, TICK)
        metrics.view(self.registry).add(self)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown`, then what waits in the listener's queue.

        Args:
            poll_interval: Longest time between two calls of `service_actions`, seconds.

        Raises:
            RuntimeError: Not one thread can be started.
        """
        self._supervisor = threading.current_thread()
        self._ended.clear()
        try:
            self._open()
            self._serve_until_stopped(poll_interval)
        finally:
            self._supervisor = None
            self._stopping = False
            self._ended.set()

    def share(self, capacity: Capacity) -> None:
        """Count against a limit that other listeners count against too; before serving."""
        self.capacity = self.totals.capacity = capacity

    def stop(self) -> None:
        """Have `serve_forever` end, without waiting for it."""
        self._stopping = True
        if self._pool is not None:
            self._pool.wake()

    def shutdown(self) -> None:
        """Have `serve_forever` end; wait for that, unless called by the thread that runs it."""
        self.stop()
        if threading.current_thread() is not self._supervisor:
            self._ended.wait()

    def server_close(self) -> None:
        """Close the listener and let what is being served end; force the rest at the deadline."""
        if not self._ended.is_set():
            self.shutdown()
        if not self.close_first:
            self._drain_in_time()
        super().server_close()
        if self.close_first:
            self._drain_in_time()
        if self.name:
            metrics.view(self.registry).retire(self)

    @abstractmethod
    def drain(self) -> int:
        """Return when nothing is being served: how much had to be forced at `drain_by`."""

    def stop_arrivals(self) -> bool:
        """Let no new client into the listener's queue; return whether that could be done."""
        return backlog.stop_arrivals(self.socket)

    @property
    def threads(self) -> tuple[int, int]:
        """How many threads are idle and busy."""
        if self._pool is None:
            return 0, 0
        idle = self._pool.idle
        return idle, max(len(self._pool.workers) - idle, 0)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have the request handled by this thread once every override of this hook has returned."""
        self._handed.request = (request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback, as the base class does, unless the log tells of the error."""
        if self.log is None:
            super().handle_error(request, client_address)

    def _open(self) -> None:
        """Make the listener ready to be served; it may be another one than at the activation."""
        self.drain_by = inf
        self._find_overrides()
        self.socket.setblocking(True)
        backlog.allow_arrivals(self.socket)
        set_kernel_timeout(self.socket, socket.SO_RCVTIMEO, TICK)

    def _serve_until_stopped(self, poll_interval: float) -> None:
        most = self.limits.max_connections + 1  # one more, to refuse with
        self._pool = pool = Pool(self.socket, self._receive, self._serve, most, self.name)
        pool.on_start_failed = lambda: self._note_accept_error("other")
        try:
            pool.start()
            self.serving.set()
            pool.supervise(poll_interval, lambda: self._guard(self.service_actions), lambda: self._stopping)
        finally:
            self.serving.clear()
            self._set_deadline()
            give_up_at = inf if self.stop_arrivals() else monotonic() + UNSTOPPED
            pool.drain(lambda: min(self.drain_by, give_up_at))
            pool.stop(self.drain_by)

    def _handle_request_noblock(self) -> None:
        # What handle_request of the base class calls when a client waits.
        with suppress(BlockingIOError):
            if (received := self._receive()) is not None and self._admit(received):
                threading.Thread(target=self._process, args=(received,), daemon=True).start()

    def _receive(self) -> Received | None:
        try:
            return self._take()
        except (BlockingIOError, TimeoutError):
            raise BlockingIOError from None
        except OSError as error:
            kind = _ACCEPT_ERRORS.get(error.errno or 0, "other")
            self._note_accept_error(kind)
            if kind != "aborted" and self._pool is not None:
                self._pool.pause(ACCEPT_PAUSE)
        except BaseException:  # noqa: BLE001 - a hook of the user's must not end the service
            complain()
            self._note_accept_error("other")
        return None

    def _take(self) -> Received:
        if "get_request" not in self._overridden:
            return self.get_request()
        # Waited for without the lock, which other hooks need meanwhile.
        if waits(self.socket, TICK):
            with self._hooks:
                if waits(self.socket):
                    return self.get_request()
        raise BlockingIOError

    def _serve(self, received: Received) -> None:
        try:
            if self._admit(received):
                self._process(received)
        except BaseException:  # noqa: BLE001 - a thread of the pool outlives whatever happens to a client
            complain()
            self._end(received[0])

    @abstractmethod
    def _admit(self, received: Received) -> bool:
        """Decide on a client and begin its record."""

    @abstractmethod
    def _abandon(self, request: Any, client_address: Any, error: BaseException) -> None:
        """Count a request whose `process_request` raised, and close it."""

    @abstractmethod
    def _end(self, request: Any) -> None:
        """Complete the record of a request and close it."""

    @abstractmethod
    def _note_accept_error(self, kind: str) -> None:
        """Count a failed accept."""

    def _process(self, received: Received) -> None:
        if "process_request" in self._overridden:
            # The hook runs in one thread at a time, as ever; the handler after it, in many.
            self._handed.request = None
            try:
                with self._hooks:
                    self.process_request(*received)
            except BaseException as error:  # noqa: BLE001 - the hook's client alone has the damage
                self._abandon(*received, error)
                return
            if (handed := self._handed.request) is None:
                return
            received = handed
        self.process_request_thread(*received)

    @abstractmethod
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run the handler and record how it ended."""

    def _verified(self, received: Received) -> bool:
        if "verify_request" not in self._overridden:
            return True
        try:
            with self._hooks:
                return self.verify_request(*received)
        except BaseException:  # noqa: BLE001 - a hook of the user's; who cannot be verified is refused
            complain()
            return False

    def _is_busy(self) -> bool:
        """Return whether another thread has a client, be it one not admitted, or not told of, yet."""
        if self._pool is None:
            return False
        return self.threads[1] > (threading.current_thread() in self._pool.workers)

    def _drain_in_time(self) -> None:
        if self.block_on_close:
            self._set_deadline()
            self.forced = max(self.forced, self.drain())

    def _set_deadline(self) -> None:
        self.drain_by = min(self.drain_by, monotonic() + self.limits.drain_timeout)

    def _find_overrides(self) -> None:
        """Find the hooks that are the user's: those are called from one thread at a time."""
        self._overridden = frozenset(
            hook for hook in _SERIAL_HOOKS if getattr(self, hook).__module__ not in _OWN_MODULES
        )

    @staticmethod
    def _guard(hook: Callable[..., Any], *args: Any) -> None:
        try:
            hook(*args)
        except Exception:  # noqa: BLE001 - whatever a hook raises, the service goes on
            complain()


def complain() -> None:
    """Print the exception being handled, unless even that fails."""
    with suppress(Exception):
        traceback.print_exc(file=sys.stderr)
