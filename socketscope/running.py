"""Running servers as a program: endpoint, log, signals and the drain."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from socketserver import BaseServer
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from prometheus_client import REGISTRY, CollectorRegistry

from socketscope.addresses import format_host_port, format_peer, parse_host_port
from socketscope.limits import Limits
from socketscope.observe.totals import Capacity
from socketscope.serve.mixin import Observed, service_of
from socketscope.serve.observing import observe
from socketscope.serve.options import checked
from socketscope.serve.service import Service
from socketscope.signals import Stop, stop_signals
from socketscope.views.metrics import MetricsView, view_of
from socketscope.views.printed import printed_lines

if TYPE_CHECKING:
    from socketscope.views.log import Log

FORCED = 3
"""What `run` returns when something had to be forced."""

_LOOK = 0.1
"""Seconds between looks at servers that start or end."""

_START = 2.0
"""Seconds for which servers are waited for to serve: one that has a loop of its own does not tell."""

_GIVE_UP = 3.0
"""Seconds after the deadline of a drain for servers that come back from it by themselves, as forcing what is
left takes one or two; a server that is in a hook which waits does not."""

_REST = 10.0
"""Longest wait between two looks at servers that serve; one that ends wakes who waits."""


def run(
    *servers: BaseServer,
    metrics: str | None = "127.0.0.1:9464",
    log: Literal["json", "console"] | None = "json",
    log_level: str = "info",
    limits: Limits | None = None,
    processors: Sequence[Callable[..., Any]] = (),
) -> int:
    """Serve until SIGTERM, SIGINT, SIGQUIT or SIGHUP, then let what is under way end.

    A second signal, more than half a second after the first, forces it. Where a server has `TLS`, SIGHUP has
    its files read again and stops nothing; else it is left alone where it is ignored. Call it from the main
    thread. A stop signal that the thread has blocked (`signal.pthread_sigmask`) is taken once the handlers
    are in place, so none that came while the servers were bound is lost.

    Args:
        servers: Bound and not yet serving. They share one connection limit, the lowest that one of them has.
        metrics: ``HOST:PORT`` of the endpoint with ``/metrics``, ``/healthz`` and ``/readyz``; None for none.
        log: Form of the log on standard output; None for none. What handlers log by structlog or `logging`
            comes in this form too, unless the program has configured structlog by itself. What else is
            written there meanwhile goes the same way, a line at a time, unless it is a terminal.
        log_level: The least severe level that is logged; ``debug`` tells whole tracebacks.
        limits: For all of the servers; None leaves each those of its class.
        processors: structlog's, in their order, that each line passes before it is rendered.

    Returns:
        The exit status: 0, or `FORCED` where something did not end by `Limits.drain_timeout`.

    Raises:
        OSError: The endpoint's address cannot be bound.
        RuntimeError: No thread can be started.
        TypeError: A processor cannot be called.
        ValueError: An argument makes no sense, the log has no output, or this is not the main thread.
    """
    if not servers:
        raise ValueError("run() needs a server")
    if len(set(map(id, servers))) < len(servers):
        raise ValueError("run() was given one server twice")
    processors = checked(processors)
    services = [service_of(observe(server)) for server in servers]
    registry, *others = {id(each): each for each in map(_registry, services)}.values()
    if others:
        raise ValueError("the servers have more than one registry, and the endpoint shows one")
    renewable = [service for service in services if service.options.tls]
    with (
        stop_signals(renews=bool(renewable)) as stop,
        _output(log, log_level, processors, view_of(registry)) as output,
    ):
        if limits is not None:
            for service in services:
                service.options = replace(service.options, limits=limits)
        capacity = Capacity(min(service.options.limits.max_connections for service in services))
        for service in services:
            service.log = output
            service.is_run = True
            service.share(capacity)

        def ready() -> bool:
            # A server may have been shut down by its handler, and its listener is closed then.
            return not (stop.asked or any(service.draining for service in services))

        with _closing(servers) as close, _endpoint(metrics, registry, ready) as url:
            urls = {
                service.name: listening_on(server, service)
                for server, service in zip(servers, services, strict=True)
            }
            with _serving(servers, services, stop, close) as threads:
                if output is not None:
                    output.event("server_started", always=True, listeners=urls, metrics=url)
                while not (stop.asked or stop.ended):
                    stop.wait(_REST)
                    _renew(renewable, stop, output)
                forced = _drain(servers, services, threads, stop, output)
    return FORCED if forced else 0


def _renew(services: Sequence[Service], stop: Stop, output: "Log | None") -> None:
    """Read certificates again if that was asked for; one that is bad leaves the one before."""
    if not stop.renew:
        return
    stop.renew = False
    for service in services:
        try:
            service.encryption.read()
        except ValueError as error:
            if output is not None:
                output.event("certificate_kept", "warning", listener=service.name, error=str(error))
        else:
            if output is not None:
                output.event("certificate_read", listener=service.name, expiry=_date(service.expiry))


def _date(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def listening_on(server: BaseServer, service: Service) -> str:
    """Return the URL that a server is bound to."""
    match server.server_address:
        case host, int(port), *_:
            return f"{service.scheme}://{format_host_port(str(host), port)}"
        case address:
            return f"{service.scheme}://{format_peer(address)}"


def _registry(service: Service) -> CollectorRegistry:
    return service.options.registry or REGISTRY


@contextmanager
def _output(
    form: Literal["json", "console"] | None,
    level: str,
    processors: Sequence[Callable[..., Any]],
    view: MetricsView,
) -> Iterator["Log | None"]:
    if form is None:
        yield None
        return
    from socketscope.views.log import Log  # noqa: PLC0415 - for who wants it

    view.log = output = Log(form, level, processors=processors)
    try:
        with printed_lines(output.printed):
            output.lead_loggers(threads=True)
            yield output
    finally:
        output.close()


@contextmanager
def _endpoint(
    address: str | None, registry: CollectorRegistry, ready: Callable[[], bool]
) -> Iterator[str | None]:
    if address is None:
        yield None
        return
    from socketscope.views.endpoint import Endpoint  # noqa: PLC0415 - for who wants it

    try:
        endpoint = Endpoint(*parse_host_port(address), registry, ready)
    except OSError as error:
        # As a server may raise one, too.
        raise OSError(error.errno, f"cannot serve metrics on {address}: {error.strerror or error}") from error
    try:
        yield endpoint.url
    finally:
        endpoint.close()


@contextmanager
def _closing(servers: Sequence[BaseServer]) -> Iterator[Callable[[BaseServer], None]]:
    """Yield what closes a server, once, whoever calls it; close those that nobody has closed by the end."""
    open_ones = {id(server): server for server in servers}

    def close(server: BaseServer) -> None:
        if open_ones.pop(id(server), None) is not None:
            server.server_close()

    with ExitStack() as at_end:  # which goes on where one of them raises
        for server in reversed(servers):
            at_end.callback(close, server)
        yield close


@contextmanager
def _serving(
    servers: Sequence[BaseServer],
    services: Sequence[Service],
    stop: Stop,
    close: Callable[[BaseServer], None],
) -> Iterator[list[threading.Thread]]:
    failures: list[BaseException] = []

    def serve(server: BaseServer) -> None:
        for step in (server.serve_forever, partial(close, server)):
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - raised by the thread that called run
                failures.append(error)
        # Who is woken by this may look while this thread is still alive.
        stop.ended = True
        stop.wake()

    # What a second signal has forced does not keep the process alive; all others are waited for.
    threads = [
        threading.Thread(target=serve, args=(server,), name=service.name, daemon=True)
        for server, service in zip(servers, services, strict=True)
    ]
    for thread in threads:
        thread.start()
    until = monotonic() + _START
    for service, thread in zip(services, threads, strict=True):
        while thread.is_alive() and not service.serving.wait(_LOOK):
            if monotonic() >= until:
                break
    if not failures:
        yield threads
    if failures:
        raise failures[0]


def _drain(
    servers: Sequence[BaseServer],
    services: Sequence[Service],
    threads: Sequence[threading.Thread],
    stop: Stop,
    output: "Log | None",
) -> int:
    """Return how many had to be forced when all servers have ended."""
    began = monotonic()
    for service in services:
        service.draining = True
    if output is not None:
        output.event("drain_started")
    limits = [service.options.limits for service in services]
    delay = max(each.drain_delay for each in limits)
    while not stop.insists and (left := began + delay - monotonic()) > 0:
        stop.wait(min(left, _REST))  # the kernel takes no more than 24 days at once
    told = [thread for service, thread in zip(services, threads, strict=True) if service.serving.is_set()]
    for service in services:
        service.stop()
    # One of the program's own may wait for as long as the server serves.
    ends = [[thread] for thread in threads]
    for server, of_it in zip(servers, ends, strict=True):
        if of_it[0].is_alive() and _ends_in_its_own_way(server):
            of_it.append(threading.Thread(target=server.shutdown, daemon=True))
            of_it[1].start()
    _wait_for([*chain(*ends)], told, services, stop)
    forced = sum(map(_forced, services, ends))
    if output is not None:
        output.event("drain_finished", forced=forced, seconds=round(monotonic() - began, 6))
    return forced


def _forced(service: Service, threads: Sequence[threading.Thread]) -> int:
    """Return how many clients of a server were forced, and one for a method of the program's that stays."""
    stuck = any(thread.is_alive() for thread in threads)
    # Without threads that method is the handler of a client that was forced.
    return service.forced + stuck if service.threads is not None else max(service.forced, stuck)


def _ends_in_its_own_way(server: Any) -> bool:
    kind = type(server)
    return kind.shutdown is not Observed.shutdown or kind.serve_forever is not Observed.serve_forever


def _wait_for(
    threads: Sequence[threading.Thread],
    told: Sequence[threading.Thread],
    services: Sequence[Service],
    stop: Stop,
) -> None:
    """Wait until all threads have ended, or those that have not are in methods of the program's."""
    began = monotonic()
    until = began + max(service.options.limits.drain_timeout for service in services)
    while alive := [thread for thread in threads if thread.is_alive()]:
        if stop.insists:
            until = min(until, monotonic())
        late = monotonic() - until
        if late >= (_GIVE_UP if set(alive) & set(told) else 0):
            return
        # The one thread of a server without threads may be in a handler.
        for service in services:
            if late >= 0:
                service.drain_by = 0.0
                service.force()
            elif service.threads is None:
                service.release_idle(began)
        stop.wait(_LOOK)
