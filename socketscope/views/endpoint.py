"""The HTTP endpoint beside a program: ``/metrics``, ``/healthz`` and ``/readyz``."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import waitress
from prometheus_client import CollectorRegistry, make_wsgi_app

from socketscope.addresses import format_host_port

LIMITS = {
    "threads": 2,
    "connection_limit": 64,
    "channel_timeout": 10,  # seconds without traffic
    "cleanup_interval": 2,  # seconds
    "max_request_header_size": 8192,  # bytes
    "max_request_body_size": 8192,  # bytes
    "asyncore_use_poll": True,  # select would end the endpoint at the first descriptor above 1023
}
"""Bounds on what a bad client of the endpoint can hold. One scraper every few seconds needs far less."""

StartResponse = Callable[..., Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Endpoint:
    """Serves a registry over HTTP from a thread of its own until closed.

    Attributes:
        url: Where ``/metrics`` is, with the port that was bound.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
        """Bind and start serving.

        Args:
            host: Address to bind; empty for all.
            port: 0 for any free one.
            registry: What ``/metrics`` shows.
            ready: Asked by ``/readyz``; false answers 503.

        Raises:
            OSError: The address cannot be bound.
        """
        self._metrics: WsgiApp = make_wsgi_app(registry)
        self._ready = ready
        # A name with several addresses is bound once, to its first.
        family, _, _, _, address = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family)
        self.url = f"http://{format_host_port(*listener.getsockname()[:2])}/metrics"
        self._server = waitress.create_server(self._respond, sockets=[listener], ident=None, **LIMITS)
        self._thread = threading.Thread(target=self._serve, name="metrics-endpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving, hang up on who is connected, and free the port."""
        # The loop may have run it, and closed the trigger's pipe, before the pipe is written to.
        with contextlib.suppress(OSError):
            self._server.trigger.pull_trigger(self._end)
        self._thread.join()

    def _end(self) -> None:
        # In the thread of waitress' loop, which ends when nothing is left to watch.
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()

    def _serve(self) -> None:
        # Closing the listener from another thread ends waitress' loop with an error of select.
        with contextlib.suppress(OSError):
            self._server.run()

    def _respond(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return self._metrics(environ, start_response)
            case "/healthz":
                return _plain(start_response, "200 OK", b"ok\n")
            case "/readyz" if self._ready():
                return _plain(start_response, "200 OK", b"ready\n")
            case "/readyz":
                return _plain(start_response, "503 Service Unavailable", b"not ready\n")
        return _plain(start_response, "404 Not Found", b"see /metrics, /healthz and /readyz\n")


def _plain(start_response: StartResponse, status: str, body: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
