"""What is known of a server and its clients, in one process."""

import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from socketserver import BaseServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any

from socketscope.forks import in_each_child
from socketscope.observe.adoption import prepare
from socketscope.observe.served import Served, get_current
from socketscope.observe.totals import Capacity, Totals
from socketscope.serve.hooks import Hooks
from socketscope.serve.listeners.encryption import Encryption
from socketscope.serve.listeners.paths import Held
from socketscope.serve.options import Options, declared, overrides
from socketscope.serve.threads.executors import Elastic, Job, PerClient
from socketscope.serve.threads.loop import Loop
from socketscope.views.metrics import view_of

if TYPE_CHECKING:
    from socketscope.views.log import Log  # structlog takes a while, and not every program has this log

FREE = 0.01
"""Seconds to wait for the lock of the totals: by then, any other thread has released it."""


class State(ABC):
    """What is known of one server.

    Attributes:
        options: What its author chose.
        encryption: TLS, if its connections have that.
        kind: The kind of listener: ``tcp``, ``udp``, ``unix`` or ``unixgram``.
        name: The listener's name, unique in its registry.
        totals: What all of its clients did.
        event: The event of a client's log line.
        closes_first: Whether the listener is closed before its clients have been served.
        listener: The server's socket.
        held: The path of a Unix listener, if this process has bound it.
        log: Where its log lines go, if anywhere.
        hooks: The server's hooks, and how to call them.
        draining: Whether it has been asked to stop.
        drain_by: When what has not ended is forced, on the monotonic clock; may become earlier at any time.
        is_run: Whether `run` looks after it.
        threads: Those that serve; None if the thread that takes a client serves it.
        untold: What is counted as ended, while its hooks are called and its log line is made.
    """

    totals: Totals
    event: str
    closes_first: bool

    def __init__(self, server: BaseServer, options: Options, kind: str) -> None:
        self.options = options
        self.encryption = Encryption(options.tls)
        self.kind = kind
        self.name = ""
        self.listener: Any = None
        self.held: Held | None = None
        self.is_run = False
        self._server = weakref.ref(server)  # which refers to this
        self.begin()
        _all.add(self)

    def __reduce__(self) -> Any:
        """Become a new one, with the options of its class, when a server is pickled for another process."""
        return _begin_anew, (type(self), self._server(), self.kind)

    def begin(self) -> None:
        """Make what is this process' own: a child must not have its parent's threads and held locks."""
        self.log: Log | None = None
        self.draining = False
        self.drain_by = inf
        self._forced: set[str] = set()
        self.capacity = Capacity(self.options.limits.max_connections)
        self.threads = self._make_threads()
        self.hooks = Hooks(threaded=self.threads is not None)
        self.untold: set[Served] = set()
        self._dropped: deque[Served] = deque()
        self._closing: set[Served | None] = set()  # those whose handlers are in `close`
        self._loops: set[Loop] = set()  # one for each thread that is in `serve_forever`

    def _make_threads(self) -> Elastic | PerClient | None:
        server, name = self._server(), f"{self.kind}-worker"
        if not overrides(type(server), ThreadingMixIn):
            return None
        if self.options.threads == "elastic":
            return Elastic(name)
        is_daemon = partial(getattr, weakref.proxy(server), "daemon_threads")  # asked for each thread
        return PerClient(name, is_daemon)

    def abandon(self) -> None:
        """Keep the thread that has forked from taking clients in the child: they are the parent's."""
        for loop in self._loops:
            loop.abandon()
        if isinstance(self.threads, Elastic):
            self.threads.abandon()

    # Its metrics

    def show(self, server: Any) -> None:
        """Show the listener's metrics; if it is another one than before, a stop of that one is over.

        Raises:
            ValueError: It cannot have TLS as asked for, or the registry has metrics of the same names.
        """
        listener = getattr(server, "socket", None)
        if listener is not self.listener:
            self.listener, self.draining, self.drain_by = listener, False, inf
        self.encryption.prepare(self.listener)
        prepare(self.listener)
        view_of(self.options.registry).add(self)

    def take_over(self, earlier: "State") -> None:
        """Replace another that has not served: that is no longer shown; what it bound stays bound."""
        view_of(earlier.options.registry).remove(earlier)
        self.held = earlier.held

    def share(self, capacity: Capacity) -> None:
        """Share a connection limit with other listeners; to be called before serving."""
        self.capacity = self.totals.capacity = capacity

    @property
    def wanted_name(self) -> str:
        """The listener's name, unless another one has it."""
        return self.options.listener or self.scheme

    @property
    def scheme(self) -> str:
        """What its address begins with."""
        return "tls" if self.options.tls is not None and self.kind == "tcp" else self.kind

    @property
    def expiry(self) -> float | None:
        """When its certificate expires, in seconds since 1970, if that is known."""
        return self.encryption.expiry

    @property
    def processors(self) -> Sequence[Callable[..., Any]]:
        """structlog's, for the lines of its clients."""
        return self.options.processors

    @property
    def thread_counts(self) -> tuple[int, int]:
        """How many threads are idle, and how many busy."""
        if self.threads is None:
            return 0, 0
        idle, busy = self.threads.counts
        waiting = sum(loop.waiting for loop in tuple(self._loops))
        return idle + waiting, max(busy - waiting, 0)

    # Who is served

    @property
    def forced(self) -> int:
        """How many were forced."""
        return len(self._forced)

    def others(self) -> list[Any]:
        """Return what is being served, except what the caller must not wait for."""
        self.settle()
        with self.capacity.lock:
            return self.but_for_closing(self.totals.records)

    def but_for_closing(self, served: Iterable[Any]) -> list[Any]:
        """Leave out those whose handlers close the server, if one of them asks: both would wait for ever."""
        waiting = self._closing if get_current() in self._closing else ()
        return [each for each in served if each not in waiting]

    def note_dropped(self, served: Served) -> None:
        """Note that nothing refers any more to what a hook has handed on; `settle` ends it.

        A finalizer calls this, which the interpreter may run anywhere, even in code that holds a lock.
        """
        if served in self.totals.records:
            self._dropped.append(served)

    def note_closed(self, served: Served) -> None:
        """End what a hook has handed on and somebody has closed, at once if possible.

        A finalizer may have closed it, while this thread holds the lock of the totals.
        """
        if self.capacity.lock.acquire(timeout=FREE):
            self.capacity.lock.release()
            self.end(served)
        else:
            self.note_dropped(served)

    def settle(self) -> bool:
        """End what was dropped; return whether there was anything."""
        settled = False
        while self._dropped:
            with suppress(IndexError):  # another thread was faster
                self.end(self._dropped.popleft())
                settled = True
        return settled

    def _tell(self, served: Served, closed: tuple[str, float] | None) -> None:
        """Log the outcome and the seconds of what was just counted as ended; None logs nothing."""
        try:
            if self.log is not None and closed is not None:
                outcome, seconds = closed
                self.log.served(self.event, served, outcome, seconds)
        finally:
            served.raised = None  # its traceback would keep frames alive, and those the record
            self.untold.discard(served)

    # What went wrong

    def note_accept_error(self, kind: str) -> None:
        """Log a failed accept."""
        if self.log is not None:
            self.log.repeated("accept_error", processors=self.processors, listener=self.name, error=kind)

    # What differs between connections and datagrams

    @abstractmethod
    def receive(self, server: Any) -> Job | None:
        """Take a waiting client; return what serves it, or None if there is nothing to serve."""

    @abstractmethod
    def try_to_receive(self, server: Any) -> Job | None:
        """Take a client if one waits; return None also if that cannot be tried without waiting."""

    @abstractmethod
    def handle(self, server: Any, request: Any, client_address: Any) -> None:
        """Run the handler, and record how it ended; without threads, the caller ends the request.

        Raises:
            BaseException: What the handler raises, if there are no threads.
        """

    @abstractmethod
    def _is_anothers(self, request: Any) -> bool:
        """Return whether a request is another client's than this thread's: a hook may hand on several."""

    @abstractmethod
    def finish(self, request: Any, client_address: Any, run: Callable[[], Any]) -> Any:
        """Run the handler, also of a request that was handed on or wrapped; return what it returns."""

    @staticmethod
    @abstractmethod
    def _fail(served: Any, error: BaseException) -> None:
        """Note what a handler raised."""

    @abstractmethod
    def end_request(self, server: Any, request: Any) -> None:
        """Do what the server's `shutdown_request` is to do."""

    @abstractmethod
    def close_for_good(self, request: Any) -> None:
        """Do what is left after the server's `close_request`."""

    @abstractmethod
    def end(self, served: Any) -> None:
        """Count something as ended, and log it, unless that was done before."""

    @abstractmethod
    def drain(self) -> Sequence[Served]:
        """Wait until nothing else is being served; return what has not ended by `drain_by`."""

    @abstractmethod
    def release_idle(self, since: float) -> None:
        """Hang up on clients who ask for nothing; the stop began at `since`."""

    @abstractmethod
    def ask_kernel(self) -> tuple[int, int] | None:
        """Ask the kernel what it counts; return length and limit of the accept queue, if there is one."""


def _begin_anew(service: type[State], server: BaseServer, kind: str) -> State:
    return service(server, declared(type(server)), kind)


def _begin_child(state: State) -> None:
    state.abandon()
    state.begin()


_all = in_each_child(_begin_child)
