"""The metrics view: a collector that renders the totals of all listeners, each as one consistent snapshot."""

import platform
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from socketscope import __version__, instruments
from socketscope.backlog import queue
from socketscope.families import counter, described, gauge, histogram, info
from socketscope.totals import DatagramFigures, Figures

if TYPE_CHECKING:
    from socketscope.base import ObservedServer
    from socketscope.log import Log

_F = TypeVar("_F", Figures, DatagramFigures)

_views: "weakref.WeakKeyDictionary[CollectorRegistry, MetricsView]" = weakref.WeakKeyDictionary()
_views_lock = threading.Lock()


def view(registry: CollectorRegistry | None) -> "MetricsView":
    """Return the one view of a registry, None being prometheus-client's default one.

    Raises:
        ValueError: The registry has a metric of the same name.
    """
    registry = REGISTRY if registry is None else registry
    with _views_lock:
        if registry not in _views:
            new = MetricsView()
            try:
                registry.register(new)
            except ValueError as error:
                raise ValueError(f"the server's metrics have no room in the registry: {error}") from error
            _views[registry] = new
        return _views[registry]


class MetricsView(Collector):
    """Shows listeners under names of their own.

    Attributes:
        draining: Whether the process has been asked to stop.
        log: The log whose lines are counted, if there is one.
    """

    def __init__(self) -> None:
        self.draining = False
        self.log: Log | None = None
        self._lock = threading.Lock()
        self._servers: dict[str, ObservedServer] = {}
        self._retired: set[str] = set()

    def add(self, server: "ObservedServer") -> None:
        """Show a server's listener; a name in use gets a number. One that is free goes on where it was."""
        wanted = server.listener or server.kind
        with self._lock:
            if server in self._servers.values():
                return
            for number in count(1):
                name = wanted if number == 1 else f"{wanted}-{number}"
                if name not in self._servers or name in self._retired:
                    break
            earlier = self._servers.get(name)
            if earlier is not None and earlier.kind == server.kind:
                server.totals.resume(earlier.totals)  # type: ignore[arg-type]  # the same kind, the same class
            self._retired.discard(name)
            self._servers[name] = server
            server.name = name

    def retire(self, server: "ObservedServer") -> None:
        """Free the name of a server that has closed; its figures stay until another takes the name."""
        with self._lock:
            if self._servers.get(server.name) is server:
                self._retired.add(server.name)

    def collect(self) -> Iterable[Metric]:
        """Render one snapshot of each listener, and what the process has once."""
        with self._lock:
            servers = dict(self._servers)
            live = [server for name, server in servers.items() if name not in self._retired]
        figures = {name: server.totals.snapshot() for name, server in servers.items()}
        yield from _stream_families({n: f for n, f in figures.items() if isinstance(f, Figures)})
        yield from _common_families(figures)
        datagrams = {n: f for n, f in figures.items() if isinstance(f, DatagramFigures)}
        yield counter(instruments.DATAGRAMS, _by(datagrams, lambda f: f.outcomes))
        yield from _queue_families(live)
        yield from self._process_families(live)

    def describe(self) -> Iterable[Metric]:
        """Name the families, by which a registry finds them and refuses another of the same name."""
        return map(described, instruments.INSTRUMENTS)

    def _process_families(self, servers: "list[ObservedServer]") -> Iterator[Metric]:
        both = [server.threads for server in servers]
        idle, busy = sum(idle for idle, _ in both), sum(busy for _, busy in both)
        yield gauge(instruments.THREADS, [(("idle",), idle), (("busy",), busy)])
        limits = {id(server.capacity): server.capacity.limit for server in servers}
        yield gauge(instruments.LIMIT, [((), sum(limits.values()))])
        writer = None if self.log is None else self.log.writer
        yield counter(instruments.LOG_LINES, [((), writer.written if writer else 0)])
        yield counter(instruments.LOG_DROPPED, [((), writer.dropped if writer else 0)])
        yield gauge(instruments.DRAINING, [((), self.draining)])
        yield info(instruments.BUILD, {"version": __version__, "python": platform.python_version()})


def _stream_families(figures: dict[str, Figures]) -> Iterator[Metric]:
    each = figures.items()
    yield counter(instruments.ACCEPTED, [((name,), f.accepted) for name, f in each])
    yield counter(instruments.CLOSED, _by(figures, lambda f: f.closed))
    yield counter(instruments.REJECTED, _by(figures, lambda f: f.rejected))
    yield gauge(instruments.OPEN, [((name,), f.open) for name, f in each])
    yield histogram(instruments.RESPONSE, [((name,), f.response) for name, f in each])
    yield counter(instruments.ACCEPT_ERRORS, _by(figures, lambda f: f.accept_errors))


def _common_families(figures: Mapping[str, Figures | DatagramFigures]) -> Iterator[Metric]:
    each = figures.items()
    yield counter(instruments.RECEIVED, [((name,), f.received) for name, f in each])
    yield counter(instruments.SENT, [((name,), f.sent) for name, f in each])
    yield counter(instruments.EXCHANGES, [((name,), f.exchanges) for name, f in each])
    yield histogram(instruments.HANDLE, [((name,), f.handle) for name, f in each])


def _queue_families(servers: "list[ObservedServer]") -> Iterator[Metric]:
    queues = {}
    for server in servers:
        # A listener may close meanwhile.
        with suppress(OSError):
            if server.kind == "tcp":
                queues[server.name] = queue(server.socket)
    yield gauge(instruments.QUEUE_LENGTH, [((name,), length) for name, (length, _) in queues.items()])
    yield gauge(instruments.QUEUE_LIMIT, [((name,), limit) for name, (_, limit) in queues.items()])


def _by(figures: dict[str, _F], pick: Callable[[_F], dict[str, int]]) -> list[tuple[tuple[str, ...], int]]:
    return [((name, value), n) for name, f in figures.items() for value, n in pick(f).items()]
