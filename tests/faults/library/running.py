"""A server of the library in this process, with a registry of its own."""

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from socketscope import Limits, ThreadingTCPServer
from tests.faults.server.process import PATIENCE, wait_for

__all__ = ["PATIENCE", "Server", "running", "wait_for"]


class Server(ThreadingTCPServer):
    def __init__(self, handler: type[socketserver.BaseRequestHandler], **limits: Any) -> None:
        self.registry = self.own = CollectorRegistry()
        self.limits = Limits(**limits)
        super().__init__(("127.0.0.1", 0), handler)

    def count(self, name: str, **labels: str) -> float:
        value = self.own.get_sample_value(f"socketserver_{name}", {"listener": "tcp", **labels})
        assert value is not None
        return value

    def ended(self, outcome: str) -> None:
        """Wait until a connection has ended, in this way."""
        wait_for(lambda: sum(self.totals.snapshot().closed.values()), "the end of a connection")
        assert self.totals.snapshot().closed[outcome] == 1


AnyServer = TypeVar("AnyServer", bound=Server)


@contextlib.contextmanager
def running(server: AnyServer, context: ssl.SSLContext | None = None) -> Iterator[AnyServer]:
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with server:
            yield server
            server.shutdown()
    finally:
        server.shutdown()
        thread.join()
