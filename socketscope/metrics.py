"""The metrics view: a collector that renders the totals of all listeners, each as one consistent snapshot."""

import platform
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, count
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from socketscope import __version__, instruments
from socketscope.backlog import queue
from socketscope.instruments import BUCKETS, Instrument
from socketscope.totals import DatagramFigures, Distribution, Figures

if TYPE_CHECKING:
    from socketscope.base import ObservedServer
    from socketscope.log import Log

_F = TypeVar("_F", Figures, DatagramFigures)

_views: "weakref.WeakKeyDictionary[CollectorRegistry, MetricsView]" = weakref.WeakKeyDictionary()
_views_lock = threading.Lock()


def view(registry: CollectorRegistry | None) -> "MetricsView":
    """Return the one view of a registry, None being prometheus-client's default one."""
    registry = REGISTRY if registry is None else registry
    with _views_lock:
        if registry not in _views:
            _views[registry] = MetricsView()
            registry.register(_views[registry])
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
        yield _counter(instruments.DATAGRAMS, _by(datagrams, lambda f: f.outcomes))
        yield from _queue_families(live)
        yield from self._process_families(live)

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: the registry need not collect to register."""
        return ()

    def _process_families(self, servers: "list[ObservedServer]") -> Iterator[Metric]:
        threads = _gauge(instruments.THREADS)
        both = [server.threads for server in servers]
        threads.add_metric(["idle"], sum(idle for idle, _ in both))
        threads.add_metric(["busy"], sum(busy for _, busy in both))
        yield threads
        limit = _gauge(instruments.LIMIT)
        limit.add_metric([], sum({id(s.capacity): s.capacity.limit for s in servers}.values()))
        yield limit
        if self.log is not None:
            yield _counter(instruments.LOG_LINES, [((), self.log.writer.written)])
            yield _counter(instruments.LOG_DROPPED, [((), self.log.writer.dropped)])
        else:
            yield _counter(instruments.LOG_LINES, [((), 0)])
            yield _counter(instruments.LOG_DROPPED, [((), 0)])
        draining = _gauge(instruments.DRAINING)
        draining.add_metric([], int(self.draining))
        yield draining
        build = InfoMetricFamily(instruments.BUILD.family, instruments.BUILD.help)
        build.add_metric([], {"version": __version__, "python": platform.python_version()})
        yield build


def _stream_families(figures: dict[str, Figures]) -> Iterator[Metric]:
    each = figures.items()
    yield _counter(instruments.ACCEPTED, [((name,), f.accepted) for name, f in each])
    yield _counter(instruments.CLOSED, _by(figures, lambda f: f.closed))
    yield _counter(instruments.REJECTED, _by(figures, lambda f: f.rejected))
    opened = _gauge(instruments.OPEN)
    for name, f in each:
        opened.add_metric([name], f.open)
    yield opened
    yield _histogram(instruments.RESPONSE, {name: f.response for name, f in each})
    yield _counter(instruments.ACCEPT_ERRORS, _by(figures, lambda f: f.accept_errors))


def _common_families(figures: Mapping[str, Figures | DatagramFigures]) -> Iterator[Metric]:
    each = figures.items()
    yield _counter(instruments.RECEIVED, [((name,), f.received) for name, f in each])
    yield _counter(instruments.SENT, [((name,), f.sent) for name, f in each])
    yield _counter(instruments.EXCHANGES, [((name,), f.exchanges) for name, f in each])
    yield _histogram(instruments.HANDLE, {name: f.handle for name, f in each})


def _queue_families(servers: "list[ObservedServer]") -> Iterator[Metric]:
    length, limit = _gauge(instruments.QUEUE_LENGTH), _gauge(instruments.QUEUE_LIMIT)
    for server in servers:
        if server.kind == "tcp":
            try:
                waiting, room = queue(server.socket)
            except OSError:
                continue  # closed meanwhile
            length.add_metric([server.name], waiting)
            limit.add_metric([server.name], room)
    yield length
    yield limit


def _by(figures: dict[str, _F], pick: Callable[[_F], dict[str, int]]) -> list[tuple[tuple[str, ...], int]]:
    return [((name, value), n) for name, f in figures.items() for value, n in pick(f).items()]


def _counter(instrument: Instrument, samples: list[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(instrument.family, instrument.help, labels=instrument.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _gauge(instrument: Instrument) -> GaugeMetricFamily:
    return GaugeMetricFamily(instrument.name, instrument.help, labels=instrument.labels)


def _histogram(instrument: Instrument, distributions: dict[str, Distribution]) -> Metric:
    family = HistogramMetricFamily(instrument.name, instrument.help, labels=instrument.labels)
    edges = [*map(str, BUCKETS), "+Inf"]
    for name, distribution in distributions.items():
        buckets = list(zip(edges, accumulate(distribution.counts), strict=True))
        family.add_metric([name], buckets, sum_value=distribution.sum)
    return family
