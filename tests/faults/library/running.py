"""Observed servers in this process, each in a registry of its own, and what a scrape finds of them."""

import contextlib
import os
import re
import socket
import socketserver
import ssl
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

import socketscope
from socketscope import Limits, ThreadingTCPServer, ThreadingUDPServer
from socketscope.serve.mixin import service_of
from tests.faults.server.process import PATIENCE, reset, udp_client, wait_for
from tests.threads import in_a_thread

__all__ = ["PATIENCE", "reset", "udp_client", "wait_for"]  # whoever takes a server from here needs them too

HOST = ("127.0.0.1", 0)


class Echo(socketserver.BaseRequestHandler):
    """Gives back whatever comes."""

    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)


class Lines(socketserver.StreamRequestHandler):
    """The same, a line at a time."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class Reply(socketserver.DatagramRequestHandler):
    """The same for datagrams."""

    def handle(self):
        self.wfile.write(self.rfile.read())


def handling(handle: Callable[[Any], Any]) -> type[socketserver.BaseRequestHandler]:
    """Return a handler that does something with its request."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            handle(self.request)

    return Handler


class Told:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.errors: list[str | None] = []
        self.received: list[int] = []
        self.sent: list[int] = []

    def served(self, event: str, record: Any, outcome: str, _seconds: float) -> None:
        self.lines.append((event, outcome))
        self.errors.append(record.error)
        self.received.append(record.received)
        self.sent.append(record.sent)

    def repeated(self, event: str, **fields: str) -> None:
        self.lines.append((event, fields.get("reason") or fields["error"]))


def logged(server: Any, log: Any = None) -> Any:
    """Give a server a log, as `run` does."""
    log = Told() if log is None else log
    service_of(server).log = log
    return log


def subclass(base: type, **options: Any) -> Any:
    """Return a subclass with options of the library's, in a registry of its own; `limits` are keywords."""
    if "limits" in options:
        options["limits"] = Limits(**options["limits"])
    return types.new_class(base.__name__, (base,), {"registry": CollectorRegistry(), **options})


def make(handler: Any = Echo, base: type | None = None, address: Any = HOST, **limits: Any) -> Any:
    """Return a server, bound, with these limits."""
    if base is None:
        datagrams = issubclass(handler, socketserver.DatagramRequestHandler)
        base = ThreadingUDPServer if datagrams else ThreadingTCPServer
    return subclass(base, limits=limits)(address, handler)


def observed(server: Any, **options: Any) -> Any:
    """Have a server of somebody else's observed, in a registry of its own; `limits` are keywords."""
    if "limits" in options:
        options["limits"] = Limits(**options["limits"])
    return socketscope.observe(server, **{"registry": CollectorRegistry(), **options})


@contextlib.contextmanager
def running(server: Any, context: ssl.SSLContext | None = None) -> Iterator[Any]:
    """Serve from a thread; leave with the server closed."""
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = in_a_thread(server.serve_forever)
    try:
        with server:
            yield server
            server.shutdown()
    finally:
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def serving(
    handler: Any = Echo, base: type | None = None, address: Any = HOST, **limits: Any
) -> Iterator[Any]:
    """Make a server and serve."""
    with running(make(handler, base, address, **limits)) as server:
        yield server


def threads(before: Sequence[threading.Thread] = ()) -> list[threading.Thread]:
    """Return the threads of all servers, but for those of before: one of another test's may never leave.

    Where two processes share a listener, and the other is faster, it is stuck in accepting.
    """
    own = re.compile(".*-worker-.*|deadlines|linger")
    return [thread for thread in threading.enumerate() if own.fullmatch(thread.name) and thread not in before]


def descriptors() -> int:
    """Return how many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def connect(server: Any) -> socket.socket:
    address = server.server_address
    if isinstance(address, tuple):
        return socket.create_connection(address[:2], timeout=PATIENCE)
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    try:
        client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def secured(server: Any, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect under TLS, as a peer that is strict: an end without TLS' own goodbye is an error."""
    return context.wrap_socket(connect(server), server_hostname="localhost", suppress_ragged_eofs=False)


@contextlib.contextmanager
def asked(server: Any, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Connect under TLS, and have an answer."""
    with secured(server, context) as client:
        client.sendall(b"x")
        assert client.recv(100) == b"x"
        yield client


def ask(server: Any, data: bytes = b"x") -> bytes:
    """Return the first that comes back, on a connection of its own."""
    with connect(server) as client:
        client.sendall(data)
        return client.recv(100)


def ask_datagram(server: Any) -> bytes:
    """Return what comes back for a datagram."""
    with udp_client() as client:
        client.sendto(b"x", server.server_address)
        return client.recv(100)


def abstract_name() -> str:
    """Return an address for a Unix server that is no path."""
    return f"\0{os.urandom(8).hex()}"


def stop(server: Any) -> float:
    """Stop and close; return how many seconds it took."""
    began = time.monotonic()
    server.shutdown()
    server.server_close()
    return time.monotonic() - began


def count(server: Any, name: str, **labels: str) -> float:
    """Return a sample of a server's as a scrape finds it."""
    service = service_of(server)
    labels = {"listener": service.name, **labels}
    value = service.options.registry.get_sample_value(f"socketserver_{name}", labels)  # type: ignore[union-attr]
    assert value is not None, name
    return value


def figures(server: Any) -> Any:
    return service_of(server).totals.snapshot()


def outcomes(server: Any) -> dict[str, int]:
    """Return how many clients have ended in which way."""
    seen = figures(server)
    ends = seen.closed if service_of(server).event == "connection" else seen.outcomes
    return {outcome: number for outcome, number in ends.items() if number}


def ended(server: Any, outcome: str, number: int = 1) -> None:
    """Wait until so many clients have ended, all of them in this way."""
    wait_for(lambda: sum(outcomes(server).values()) >= number, "the end of a client")
    assert outcomes(server) == {outcome: number}
