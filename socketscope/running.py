"""Running servers as a program: endpoint, log, signals and the drain."""

import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from types import FrameType
from typing import Literal

from prometheus_client import REGISTRY

from socketscope import metrics as metrics_view
from socketscope.addresses import Address, format_host_port, parse_host_port
from socketscope.base import ObservedServer
from socketscope.endpoint import Endpoint
from socketscope.limits import Limits
from socketscope.log import Log
from socketscope.pool import waits
from socketscope.totals import Capacity

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

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
    """Serve until SIGTERM or SIGINT, then let what is under way end; a second signal forces it.

    Call it from the main thread. A stop signal that the thread has blocked (`signal.pthread_sigmask`) is taken
    once the handlers are in place, so none that came while the servers were bound is lost.

    Args:
        servers: Bound and not yet serving. They share one connection limit.
        metrics: ``HOST:PORT`` of the endpoint with ``/metrics``, ``/healthz`` and ``/readyz``; None for none.
        log: Form of the log on standard output; None for none.
        log_level: The least severe level that is logged.
        limits: For all of the servers; None leaves those of their classes.

    Returns:
        The exit status: 0, or `FORCED` where something did not end by `Limits.drain_timeout`.

    Raises:
        OSError: The endpoint's address cannot be bound.
        RuntimeError: No thread can be started.
        ValueError: An argument makes no sense.
    """
    limits = servers[0].limits if limits is None else limits
    view = metrics_view.view(servers[0].registry)
    with _stop_signals() as stop:
        output = Log(log, log_level) if log is not None else None
        view.log = output
        _configure(servers, limits, output)
        endpoint = None
        try:
            if metrics is not None:
                registry = servers[0].registry or REGISTRY
                endpoint = Endpoint(
                    *parse_host_port(metrics), registry, lambda: not (stop.count or view.draining)
                )
            return _serve(servers, limits, stop, output, endpoint, view)
        finally:
            for server in servers:
                server.server_close()
            if output is not None:
                output.close()
            if endpoint is not None:
                endpoint.close()


def listening_on(server: ObservedServer) -> str:
    """Return the URL that a server is bound to."""
    address = server.server_address
    if isinstance(address, tuple):
        return f"{server.kind}://{format_host_port(str(address[0]), int(address[1]))}"
    return str(Address(server.kind, path=str(address)))


class _Stop:
    """Counts stop signals; to wait for one is to wait for its socket."""

    def __init__(self) -> None:
        self.count = 0
        self.reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def note(self, _number: int, _frame: FrameType | None) -> None:
        # In a handler nothing may take a lock that the interrupted code could hold.
        self.count += 1
        with suppress(OSError):
            self._writer.send(b"\0")

    def wait(self, seconds: float) -> None:
        if waits(self.reader, max(seconds, 0)):
            self.reader.recv(64)

    def close(self) -> None:
        self.reader.close()
        self._writer.close()


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.signal(number, stop.note) for number in STOP_SIGNALS}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()


def _configure(servers: Sequence[ObservedServer], limits: Limits, log: Log | None) -> None:
    capacity = Capacity(limits.max_connections)
    for server in servers:
        server.limits = limits
        server.log = log
        server.share(capacity)


def _serve(
    servers: Sequence[ObservedServer],
    limits: Limits,
    stop: _Stop,
    log: Log | None,
    endpoint: Endpoint | None,
    view: metrics_view.MetricsView,
) -> int:
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=_serve_one, args=(server, failures), name=f"{server.name}-supervisor")
        for server in servers
    ]
    for thread in threads:
        thread.start()
    if log is not None:
        urls = {server.name: listening_on(server) for server in servers}
        log.event("server_started", always=True, listeners=urls, metrics=endpoint and endpoint.url)
    while not stop.count and all(thread.is_alive() for thread in threads):
        stop.wait(_LOOK)

    view.draining = True
    began = monotonic()
    if log is not None:
        log.event("drain_started")
    while stop.count == 1 and (left := began + limits.drain_delay - monotonic()) > 0:
        stop.wait(left)
    for server in servers:
        server.stop()
    while any(thread.is_alive() for thread in threads):
        if stop.count > 1:
            for server in servers:
                server.drain_by = 0.0
        stop.wait(_LOOK)
    forced = sum(server.forced for server in servers)
    if log is not None:
        log.event("drain_finished", forced=forced, seconds=round(monotonic() - began, 6))
    if failures:
        raise failures[0]
    return FORCED if forced else 0


def _serve_one(server: ObservedServer, failures: list[BaseException]) -> None:
    try:
        server.serve_forever()
    except BaseException as error:  # noqa: BLE001 - told by the thread that called run
        failures.append(error)
    finally:
        server.server_close()
