"""Running servers as a program: endpoint, log, signals and the drain."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Literal

from prometheus_client import REGISTRY, CollectorRegistry

from socketscope import metrics as metrics_view
from socketscope.addresses import Address, format_host_port, parse_host_port
from socketscope.base import ObservedServer
from socketscope.endpoint import Endpoint
from socketscope.limits import Limits
from socketscope.log import Log
from socketscope.printed import printed_lines
from socketscope.signals import Stop, stop_signals
from socketscope.totals import Capacity

FORCED = 3
"""What `run` returns when something had to be forced."""

_LOOK = 0.1
"""Seconds between looks for a server that has ended by itself."""


def run(
    *servers: ObservedServer,
    metrics: str | None = "127.0.0.1:9464",
    log: Literal["json", "console"] | None = "json",
    log_level: str = "info",
    limits: Limits | None = None,
) -> int:
    """Serve until SIGTERM, SIGINT, SIGQUIT or SIGHUP, then let what is under way end.

    A second signal, more than half a second after the first, forces it. SIGHUP is left alone where it is
    ignored. Call it from the main thread. A stop signal that the thread has blocked
    (`signal.pthread_sigmask`) is taken once the handlers are in place, so none that came while the servers
    were bound is lost.

    Args:
        servers: Bound and not yet serving. They share one connection limit, and need one registry.
        metrics: ``HOST:PORT`` of the endpoint with ``/metrics``, ``/healthz`` and ``/readyz``; None for none.
        log: Form of the log on standard output; None for none. What else is written there meanwhile goes the
            same way, a line at a time, unless it is a terminal.
        log_level: The least severe level that is logged.
        limits: For all of the servers; None leaves those of their classes.

    Returns:
        The exit status: 0, or `FORCED` where something did not end by `Limits.drain_timeout`.

    Raises:
        OSError: The endpoint's address cannot be bound.
        RuntimeError: No thread can be started.
        ValueError: An argument makes no sense, or the servers have several registries.
    """
    registry, *others = {server.registry or REGISTRY for server in servers}
    if others:
        raise ValueError("servers that run together share one endpoint: give them the same registry")
    limits = servers[0].limits if limits is None else limits
    view = metrics_view.view(registry)
    with stop_signals() as stop, _output(log, log_level, view) as output:
        capacity = Capacity(limits.max_connections)
        for server in servers:
            server.limits, server.log = limits, output
            server.share(capacity)
        try:
            with _endpoint(metrics, registry, lambda: not stop.asked) as url:
                urls = {server.name: listening_on(server) for server in servers}
                with _serving(servers) as threads:
                    if output is not None:
                        output.event("server_started", always=True, listeners=urls, metrics=url)
                    while not stop.asked and all(thread.is_alive() for thread in threads):
                        stop.wait(_LOOK)
                    view.draining = True
                    forced = _drain(servers, threads, limits, stop, output)
        finally:
            for server in servers:
                server.server_close()
    return FORCED if forced else 0


def listening_on(server: ObservedServer) -> str:
    """Return the URL that a server is bound to."""
    address = server.server_address
    if isinstance(address, tuple):
        return f"{server.kind}://{format_host_port(str(address[0]), int(address[1]))}"
    return str(Address(server.kind, path=str(address)))


@contextmanager
def _output(
    form: Literal["json", "console"] | None, level: str, view: metrics_view.MetricsView
) -> Iterator[Log | None]:
    if form is None:
        yield None
        return
    view.log = output = Log(form, level)
    try:
        with printed_lines(output.writer.put):
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
    endpoint = Endpoint(*parse_host_port(address), registry, ready)
    try:
        yield endpoint.url
    finally:
        endpoint.close()


@contextmanager
def _serving(servers: Sequence[ObservedServer]) -> Iterator[list[threading.Thread]]:
    failures: list[BaseException] = []

    def serve(server: ObservedServer) -> None:
        try:
            server.serve_forever()
        except BaseException as error:  # noqa: BLE001 - raised by the thread that called run
            failures.append(error)
        finally:
            server.server_close()

    threads = [threading.Thread(target=serve, args=(server,), name=server.name) for server in servers]
    for thread in threads:
        thread.start()
    for server, thread in zip(servers, threads, strict=True):
        while thread.is_alive() and not server.serving.wait(_LOOK):
            pass
    if not failures:
        yield threads
    if failures:
        raise failures[0]


def _drain(
    servers: Sequence[ObservedServer],
    threads: list[threading.Thread],
    limits: Limits,
    stop: Stop,
    output: Log | None,
) -> int:
    """Return how many had to be forced when all servers have ended."""
    began = monotonic()
    if output is not None:
        output.event("drain_started")
    while not stop.insists and (left := began + limits.drain_delay - monotonic()) > 0:
        stop.wait(left)
    for server in servers:
        server.stop()
    while any(thread.is_alive() for thread in threads):
        if stop.insists:
            for server in servers:
                server.drain_by = 0.0
        stop.wait(_LOOK)
    forced = sum(server.forced for server in servers)
    if output is not None:
        output.event("drain_finished", forced=forced, seconds=round(monotonic() - began, 6))
    return forced
