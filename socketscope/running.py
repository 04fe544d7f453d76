"""Running servers as a program: endpoint, log and signals."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from socketserver import BaseServer
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from prometheus_client import REGISTRY, CollectorRegistry

from socketscope.addresses import format_host_port, format_peer, parse_host_port
from socketscope.draining import LOOK, REST, Running, drain
from socketscope.limits import Limits
from socketscope.observe.totals import Capacity
from socketscope.serve.mixin import service_of
from socketscope.serve.observing import observe
from socketscope.serve.options import checked
from socketscope.serve.service import Service
from socketscope.signals import Stop, stop_signals
from socketscope.views.lines.printed import printed_lines
from socketscope.views.metrics import MetricsView, view_of

if TYPE_CHECKING:
    from socketscope.views.log import Log

FORCED = 3
"""What `run` returns if something had to be forced."""

_START = 2.0
"""Seconds to wait for servers to serve: one with a loop of its own does not say that it does."""


def run(
    *servers: BaseServer,
    metrics: str | None = "127.0.0.1:9464",
    log: Literal["json", "console"] | None = "json",
    log_level: str = "info",
    limits: Limits | None = None,
    processors: Sequence[Callable[..., Any]] = (),
) -> int:
    """Serve until SIGTERM, SIGINT, SIGQUIT or SIGHUP, then let what is under way end.

    A second signal, more than half a second after the first, forces it. If a server has `TLS`, SIGHUP has its
    files read again, and stops nothing; otherwise an ignored SIGHUP stays ignored. Call this in the main
    thread. Stop signals that it has blocked (`signal.pthread_sigmask`) are handled once the handlers are in
    place, so none that comes while servers are bound is lost.

    Args:
        servers: Bound and not yet serving. They share one connection limit, the lowest of theirs.
        metrics: ``HOST:PORT`` of the endpoint with ``/metrics``, ``/healthz`` and ``/readyz``; None for none.
        log: Form of the log on standard output; None for none. What handlers log by structlog or `logging`
            comes in this form too, unless the program has configured structlog by itself. Whatever else is
            written there meanwhile becomes lines as well, unless it is a terminal.
        log_level: The least severe level that is logged; ``debug`` adds whole tracebacks.
        limits: For all of the servers; None leaves each the limits of its class.
        processors: structlog's; each line passes them in this order before it is rendered.

    Returns:
        The exit status: 0, or `FORCED` if something did not end by `Limits.drain_timeout`.

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
    place = None if metrics is None else parse_host_port(metrics)
    services = [service_of(observe(server)) for server in servers]
    registry, *others = {service.options.registry or REGISTRY for service in services}
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
            # A server may also have been shut down by a handler, and its listener is closed then.
            return not (stop.asked or any(service.draining for service in services))

        with _closing(servers) as close, _endpoint(place, registry, ready) as url:
            urls = {service_of(server).name: listening_on(server) for server in servers}
            with _serving(servers, stop, close) as running:
                if output is not None:
                    output.started(listeners=urls, metrics=url)
                while not (stop.asked or stop.ended):
                    stop.wait(REST)
                    _renew(renewable, stop, output)
                forced = drain(running, stop, output)
    return FORCED if forced else 0


def _renew(services: Sequence[Service], stop: Stop, output: "Log | None") -> None:
    """Read certificates again if that was asked for; a bad one leaves the previous one in use."""
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


def listening_on(server: BaseServer) -> str:
    """Return the URL that an observed server is bound to."""
    scheme = service_of(server).scheme
    match server.server_address:
        case host, int(port), *_:
            return f"{scheme}://{format_host_port(str(host), port)}"
        case address:
            return f"{scheme}://{format_peer(address)}"


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
    from socketscope.views.log import Log  # noqa: PLC0415 - only if wanted

    view.log = output = Log(form, level, processors=processors)
    try:
        with printed_lines(output.printed):
            output.lead_loggers(threads=True)
            output.writer.hold()  # so that `started` comes before all other lines
            yield output
    finally:
        output.close()


@contextmanager
def _endpoint(
    place: tuple[str, int] | None, registry: CollectorRegistry, ready: Callable[[], bool]
) -> Iterator[str | None]:
    if place is None:
        yield None
        return
    from socketscope.views.endpoint import Endpoint  # noqa: PLC0415 - only if wanted

    try:
        endpoint = Endpoint(*place, registry, ready)
    except OSError as error:
        # A server may raise one, too.
        address = format_host_port(*place)
        raise OSError(error.errno, f"cannot serve metrics on {address}: {error.strerror or error}") from error
    try:
        yield endpoint.url
    finally:
        endpoint.close()


@contextmanager
def _closing(servers: Sequence[BaseServer]) -> Iterator[Callable[[BaseServer], None]]:
    """Yield a function that closes a server, but only once; at the end, close those that are still open."""
    open_ones = {id(server): server for server in servers}

    def close(server: BaseServer) -> None:
        if open_ones.pop(id(server), None) is not None:
            server.server_close()

    with ExitStack() as at_end:  # which goes on if one of them raises
        for server in reversed(servers):
            at_end.callback(close, server)
        yield close


@contextmanager
def _serving(
    servers: Sequence[BaseServer], stop: Stop, close: Callable[[BaseServer], None]
) -> Iterator[list[Running]]:
    failures: list[BaseException] = []

    def serve(server: BaseServer) -> None:
        for step in (server.serve_forever, partial(close, server)):
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - raised by the thread that called run
                failures.append(error)
        # Noted here, as this thread is still alive when the waiting one wakes.
        stop.ended = True
        stop.wake()

    def thread_of(server: BaseServer) -> threading.Thread:
        # A daemon: what a second signal has forced must not keep the process alive; the rest is waited for.
        return threading.Thread(target=serve, args=(server,), name=service_of(server).name, daemon=True)

    running = [Running(server, service_of(server), [thread_of(server)]) for server in servers]
    for each in running:
        each.thread.start()
    until = monotonic() + _START
    for each in running:
        while each.thread.is_alive() and monotonic() < until and not each.service.serving.wait(LOOK):
            pass
    if not failures:
        yield running
    if failures:
        raise failures[0]
