"""A server of the library in this process, with a registry of its own."""

import contextlib
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from socketscope import Limits, ThreadingTCPServer

PATIENCE = 20.0


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
        give_up_at = time.monotonic() + PATIENCE
        while not sum(self.totals.snapshot().closed.values()):
            assert time.monotonic() < give_up_at
            time.sleep(0.01)
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
