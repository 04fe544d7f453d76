"""Running servers as a program: endpoint, log, signals and the drain."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from socketserver import BaseServer
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from prometheus_client import REGISTRY, CollectorRegistry

from socketscope.addresses import Address, format_host_port, parse_host_port
from socketscope.limits import Limits
from socketscope.observe.totals import Capacity
from socketscope.serve.mixin import service_of
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

    A second signal, more than half a second after the first, forces it. SIGHUP is left alone where it is
    ignored. Call it from the main thread. A stop signal that the thread has blocked
    (`signal.pthread_sigmask`) is taken once the handlers are in place, so none that came while the servers
    were bound is lost.

    Args:
        servers: Bound and not yet serving. They share one connection limit.
        metrics: ``HOST:PORT`` of the endpoint with ``/metrics``, ``/healthz`` and ``/readyz``; None for none.
        log: Form of the log on standard output; None for none. What handlers log by structlog or `logging`
            comes in this form too, unless the program has configured structlog by itself. What else is
            written there meanwhile goes the same way, a line at a time, unless it is a terminal.
        log_level: The least severe level that is logged; ``debug`` tells whole tracebacks.
        limits: For all of the servers; None leaves those of their classes.
        processors: structlog's, in their order, that each line passes before it is rendered.

    Returns:
        The exit status: 0, or `FORCED` where something did not end by `Limits.drain_timeout`.

    Raises:
        OSError: The endpoint's address cannot be bound.
        RuntimeError: No thread can be started.
        TypeError: A processor cannot be called.
        ValueError: An argument makes no sense.
    """
    if not servers:
        raise ValueError("run() needs a server")
    processors = checked(processors)
    services = [service_of(observe(server)) for server in servers]
    if len({id(service.options.registry) for service in services}) > 1:
        raise ValueError("the servers have more than one registry, and the endpoint shows one")
    registry = services[0].options.registry or REGISTRY
    limits = services[0].options.limits if limits is None else limits
    with stop_signals() as stop, _output(log, log_level, processors, view_of(registry)) as output:
        capacity = Capacity(limits.max_connections)
        for service in services:
            service.options = replace(service.options, limits=limits)
            service.log = output
            service.is_run = True
            service.share(capacity)
        try:
            with _endpoint(metrics, registry, lambda: not stop.asked) as url:
                urls = {
                    service.name: listening_on(server, service)
                    for server, service in zip(servers, services, strict=True)
                }
                with _serving(servers, services, stop) as threads:
                    if output is not None:
                        output.event("server_started", always=True, listeners=urls, metrics=url)
                    while not stop.asked and all(thread.is_alive() for thread in threads):
                        stop.wait(_REST)
                    forced = _drain(services, threads, limits, stop, output)
        finally:
            for server in servers:
                server.server_close()
    return FORCED if forced else 0


def listening_on(server: BaseServer, service: Service) -> str:
    """Return the URL that a server is bound to."""
    address = server.server_address
    if isinstance(address, tuple):
        return f"{service.kind}://{format_host_port(str(address[0]), int(address[1]))}"
    return str(Address(service.kind, path=str(address)))


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

    endpoint = Endpoint(*parse_host_port(address), registry, ready)
    try:
        yield endpoint.url
    finally:
        endpoint.close()


@contextmanager
def _serving(
    servers: Sequence[BaseServer], services: Sequence[Service], stop: Stop
) -> Iterator[list[threading.Thread]]:
    failures: list[BaseException] = []

    def serve(server: BaseServer) -> None:
        try:
            server.serve_forever()
        except BaseException as error:  # noqa: BLE001 - raised by the thread that called run
            failures.append(error)
        finally:
            server.server_close()
            stop.wake()

    threads = [
        threading.Thread(target=serve, args=(server,), name=service.name)
        for server, service in zip(servers, services, strict=True)
    ]
    for thread in threads:
        thread.start()
    for service, thread in zip(services, threads, strict=True):
        while thread.is_alive() and not service.serving.wait(_LOOK):
            pass
    if not failures:
        yield threads
    if failures:
        raise failures[0]


def _drain(
    services: Sequence[Service],
    threads: list[threading.Thread],
    limits: Limits,
    stop: Stop,
    output: "Log | None",
) -> int:
    """Return how many had to be forced when all servers have ended."""
    began = monotonic()
    for service in services:
        service.draining = True
    if output is not None:
        output.event("drain_started")
    while not stop.insists and (left := began + limits.drain_delay - monotonic()) > 0:
        stop.wait(left)
    for service in services:
        service.stop()
    while any(thread.is_alive() for thread in threads):
        if stop.insists:
            for service in services:
                service.drain_by = 0.0
        stop.wait(_LOOK)
    forced = sum(service.forced for service in services)
    if output is not None:
        output.event("drain_finished", forced=forced, seconds=round(monotonic() - began, 6))
    return forced
