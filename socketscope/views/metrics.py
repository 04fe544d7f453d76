"""The metrics view: a collector that renders the totals of all listeners, each as one consistent snapshot."""

import platform
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from socketscope.forks import OfProcess
from socketscope.observe.totals import Capacity, DatagramFigures, Figures, Totals
from socketscope.version import __version__
from socketscope.views import instruments
from socketscope.views.families import described, family

if TYPE_CHECKING:
    from socketscope.views.log import Log  # structlog takes a while, and not every program has this log

_F = TypeVar("_F", Figures, DatagramFigures)

_views: "weakref.WeakKeyDictionary[CollectorRegistry, MetricsView]" = weakref.WeakKeyDictionary()
# It guards all of this, and is reentrant, as a finalizer that runs under it may close a server.
_lock = OfProcess(threading.RLock)


def view_of(registry: CollectorRegistry | None) -> "MetricsView":
    """Return the only view of a registry; None is prometheus-client's default registry.

    Raises:
        ValueError: The registry has a metric of the same name.
    """
    registry = REGISTRY if registry is None else registry
    with _lock.own:
        if registry not in _views:
            new = MetricsView()
            try:
                registry.register(new)
            except ValueError as error:
                raise ValueError(f"the server's metrics have no room in the registry: {error}") from error
            _views[registry] = new
        return _views[registry]


class Shown(Protocol):
    """What is shown of a server."""

    kind: str
    name: str
    totals: Totals
    capacity: Capacity
    draining: bool

    @property
    def expiry(self) -> float | None:
        """When its certificate expires, in seconds since 1970, if that is known."""

    @property
    def wanted_name(self) -> str:
        """Its name, unless another one has it."""

    @property
    def thread_counts(self) -> tuple[int, int]:
        """How many of its threads are idle, and how many busy."""

    def ask_kernel(self) -> tuple[int, int] | None:
        """Ask the kernel what it counts; return length and limit of the accept queue, if there is one."""


class MetricsView(Collector):
    """Shows listeners under names of their own, for as long as their servers live.

    Attributes:
        log: The log whose lines are counted, if there is one.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Show nothing, or nothing from before."""
        # New dictionaries: a thread that a forked child lacks may have been iterating over the old ones.
        self.log: Log | None = None
        self._numbers = count()  # a weak set would not know which listener of a name is the latest
        self._listeners: weakref.WeakValueDictionary[int, Shown] = weakref.WeakValueDictionary()
        self._closed: weakref.WeakSet[Shown] = weakref.WeakSet()

    def add(self, listener: Shown) -> None:
        """Show a listener; a name in use gets a number, and that of a closed listener is continued."""
        with _lock.own:
            shown = self._shown()
            if shown.get(listener.name) is not listener:
                for number in count(1):
                    name = listener.wanted_name if number == 1 else f"{listener.wanted_name}-{number}"
                    earlier = shown.get(name)
                    if earlier is None or earlier in self._closed:
                        break
                of_its_kind = earlier if earlier is not None and earlier.kind == listener.kind else None
                listener.totals.resume(of_its_kind and of_its_kind.totals)  # type: ignore[arg-type]
                listener.name = name
                self._listeners[next(self._numbers)] = listener
            self._closed.discard(listener)

    def retire(self, listener: Shown) -> None:
        """Free the name of a listener that has closed; its figures stay, unless another has the name."""
        with _lock.own:
            self._closed.add(listener)

    def remove(self, listener: Shown) -> None:
        """Show a listener no more."""
        with _lock.own:
            for number, each in list(self._listeners.items()):
                if each is listener:
                    del self._listeners[number]

    def _shown(self) -> dict[str, Shown]:
        """Return the latest listener of each name."""
        # A copy: a server that is dropped meanwhile changes the dictionary.
        references = self._listeners.valuerefs()
        return {each.name: each for reference in references if (each := reference()) is not None}

    def collect(self) -> Iterable[Metric]:
        """Render one snapshot of each listener, and what the process has once."""
        with _lock.own:
            listeners = self._shown()
            live = [listener for listener in listeners.values() if listener not in self._closed]
        queues = {listener.name: queue for listener in live if (queue := listener.ask_kernel()) is not None}
        figures = {name: listener.totals.snapshot() for name, listener in listeners.items()}
        yield from _stream_families({n: f for n, f in figures.items() if isinstance(f, Figures)})
        yield from _common_families(figures)
        datagrams = {n: f for n, f in figures.items() if isinstance(f, DatagramFigures)}
        yield family(instruments.DATAGRAMS, _by(datagrams, lambda f: f.outcomes))
        lost = [((name,), f.lost) for name, f in datagrams.items() if listeners[name].kind == "udp"]
        yield family(instruments.DATAGRAMS_LOST, lost)
        yield family(instruments.QUEUE_LENGTH, [((name,), length) for name, (length, _) in queues.items()])
        yield family(instruments.QUEUE_LIMIT, [((name,), limit) for name, (_, limit) in queues.items()])
        expiries = [((each.name,), end) for each in live if (end := each.expiry) is not None]
        yield family(instruments.CERTIFICATE_EXPIRY, expiries)
        # A process that has stopped all its servers shows their last state.
        yield from self._process_families(live or list(listeners.values()))

    def describe(self) -> Iterable[Metric]:
        """Name the families, so that a registry finds them, and refuses others of the same name."""
        return map(described, instruments.INSTRUMENTS)

    def _process_families(self, listeners: list[Shown]) -> Iterator[Metric]:
        both = [listener.thread_counts for listener in listeners]
        idle, busy = sum(idle for idle, _ in both), sum(busy for _, busy in both)
        yield family(instruments.THREADS, [(("idle",), idle), (("busy",), busy)])
        limits = {id(listener.capacity): listener.capacity.limit for listener in listeners}
        yield family(instruments.LIMIT, [((), sum(limits.values()))])
        writer = None if self.log is None else self.log.writer
        yield family(instruments.LOG_LINES, [((), writer.written if writer else 0)])
        yield family(instruments.LOG_DROPPED, [((), writer.dropped if writer else 0)])
        yield family(instruments.DRAINING, [((), any(listener.draining for listener in listeners))])
        yield family(instruments.BUILD, [((__version__, platform.python_version()), None)])


def _stream_families(figures: dict[str, Figures]) -> Iterator[Metric]:
    each = figures.items()
    yield family(instruments.ACCEPTED, [((name,), f.accepted) for name, f in each])
    yield family(instruments.CLOSED, _by(figures, lambda f: f.closed))
    yield family(instruments.REJECTED, _by(figures, lambda f: f.rejected))
    yield family(instruments.OPEN, [((name,), f.open) for name, f in each])
    yield family(instruments.RESPONSE, [((name,), f.response) for name, f in each])
    yield family(instruments.ACCEPT_ERRORS, _by(figures, lambda f: f.accept_errors))


def _common_families(figures: Mapping[str, Figures | DatagramFigures]) -> Iterator[Metric]:
    each = figures.items()
    yield family(instruments.RECEIVED, [((name,), f.received) for name, f in each])
    yield family(instruments.SENT, [((name,), f.sent) for name, f in each])
    yield family(instruments.EXCHANGES, [((name,), f.exchanges) for name, f in each])
    yield family(instruments.HANDLE, [((name,), f.handle) for name, f in each])


def _by(figures: dict[str, _F], pick: Callable[[_F], dict[str, int]]) -> list[tuple[tuple[str, ...], int]]:
    return [((name, value), n) for name, f in figures.items() for value, n in pick(f).items()]
