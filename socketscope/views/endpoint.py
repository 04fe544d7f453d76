"""The HTTP endpoint beside a program: ``/metrics``, ``/healthz`` and ``/readyz``."""

import contextlib
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import Any

import waitress
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import choose_encoder
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer
from waitress.utilities import BadRequest

from socketscope import binding
from socketscope.addresses import format_host_port
from socketscope.excerpt import in_words
from socketscope.forks import in_each_child

SCRAPES = 4
"""Most scrapes that are under way or wait for their turn; one more is told to try again."""

TURNS = 2
"""Scrapes that are under way at once. Each takes time from the threads that serve."""

LIMITS = {
    "threads": SCRAPES + 1,  # one is left for /healthz and /readyz
    "connection_limit": 64,
    "channel_timeout": 10,  # seconds without traffic
    "cleanup_interval": 2,  # seconds
    "max_request_header_size": 8192,  # bytes
    "max_request_body_size": 8192,  # bytes
    "asyncore_use_poll": True,  # select would end the endpoint at the first descriptor above 1023
}
"""Bounds on what a bad client of the endpoint can take. A scrape every few seconds needs far less."""

ACCEPT_PAUSE = 0.1
"""Seconds until the next try if the kernel had no descriptor or no memory for a client."""

SOON = 0.2
"""Seconds that a client has for a request, after its connect or a reply, before it may lose its place."""

_PLAIN = frozenset({"text/plain", "text/*", "*/*"})
_QUALITY = re.compile(r";\s*q=(\d+(?:\.\d*)?|\.\d+)\s*(?:;|$)")

Reply = tuple[str, list[tuple[str, str]], bytes]
"""Status, headers and body."""


class Endpoint:
    """Serves a registry over HTTP from a thread of its own until closed.

    Attributes:
        url: Where ``/metrics`` is, with the port that was bound.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
        """Bind and start serving.

        Args:
            host: Address or name, of which each address is bound; empty is all of both families.
            port: 0 for any free one.
            registry: What ``/metrics`` shows.
            ready: Asked for ``/readyz``, which is answered 503 if it returns False.

        Raises:
            OSError: The address cannot be bound.
        """
        self._metrics = make_wsgi_app(registry)
        self._ready = ready
        self._room = threading.Semaphore(SCRAPES)
        self._turns = threading.Semaphore(TURNS)
        listeners = binding.bind(host, port)
        self.url = f"http://{format_host_port(*listeners[0].getsockname()[:2])}/metrics"
        self._watched: dict[int, Any] = {}
        self._waking = threading.Lock()
        self._woken = False
        self._ended = False
        server = waitress.create_server(self._respond, self._watched, sockets=listeners, ident=None, **LIMITS)
        self._servers = [each for each in self._watched.values() if isinstance(each, BaseWSGIServer)]
        for each in self._servers:
            each.channel_class = _Channel
            each.accept = partial(_accept, each.socket)
            each.readable = partial(self._takes_clients, each.readable)
            each.pull_trigger = partial(self._wake, each.pull_trigger)
        self._dispatcher = server.task_dispatcher
        # A burst of scrapes is not worth a line on standard error. waitress' own logger stays as it is: the
        # program may serve by waitress, too.
        self._dispatcher.queue_logger = logging.Logger("endpoint", logging.ERROR)  # noqa: LOG001
        self._thread = threading.Thread(target=server.run, name="metrics-endpoint", daemon=True)
        self._thread.start()
        _all.add(self)

    def close(self) -> None:
        """Stop serving, hang up on all clients, and free the port."""
        self._pull(partial(self._servers[0].trigger.pull_trigger, self._end))
        self._thread.join()
        self._dispatcher.set_thread_count(0)

    def leave_behind(self) -> None:
        """Close what a forked process has inherited of it: the port and the clients are the parent's."""
        for each in self._watched.values():
            each.socket.close()

    def _takes_clients(self, ask: Callable[[], bool]) -> bool:
        """Return whether clients are taken, as waitress asks first in each turn of its loop; make room.

        A client that sends a byte now and then, or takes no reply, would keep its place for ever: if few
        places are left, this hangs up on the one that has been without a request for longest.
        """
        self._woken = False  # an answer from here on may be too late for this turn
        if len(self._watched) >= LIMITS["connection_limit"] - len(self._servers):
            waiting = [each for each in self._watched.values() if isinstance(each, _Channel) and each.may_go]
            if waiting:
                silent = min(waiting, key=attrgetter("since"))
                silent.connected = False
                # The loop will close it: before that, no other has its number.
                with contextlib.suppress(OSError):
                    silent.socket.shutdown(socket.SHUT_RDWR)
        return ask()

    def _wake(self, pull: Callable[[], None]) -> None:
        """Wake waitress' loop after an answer, unless it was woken already and has not looked yet."""
        if not self._woken:
            self._woken = True
            self._pull(pull)

    def _pull(self, pull: Callable[[], None]) -> None:
        with self._waking:
            if not self._ended:
                pull()

    def _end(self) -> None:
        # This runs in the thread of waitress' loop, which ends when nothing is left to watch.
        with self._waking:  # waking is by a pipe, whose number may be another file's from now on
            self._ended = True
        for server in self._servers:
            for channel in list(server.active_channels.values()):
                channel.handle_close()
            server.close()

    def _respond(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, headers, body = self._reply(environ)
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _reply(self, environ: dict[str, Any]) -> Reply:
        path = environ["PATH_INFO"].rstrip("/")
        if path not in {"/metrics", "/healthz", "/readyz"}:
            return _plain("404 Not Found", "see /metrics, /healthz and /readyz")
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _plain("405 Method Not Allowed", "use GET or HEAD", ("Allow", "GET, HEAD"))
        match path:
            case "/metrics":
                return self._scrape(environ)
            case "/readyz" if not self._ready():
                return _plain("503 Service Unavailable", "not ready")
            case "/readyz":
                return _plain("200 OK", "ready")
        return _plain("200 OK", "ok")

    def _scrape(self, environ: dict[str, Any]) -> Reply:
        if not self._room.acquire(blocking=False):
            return _plain("503 Service Unavailable", "too many scrapes at once", ("Retry-After", "1"))
        head: list[Any] = []
        # A HEAD is answered as a GET would be.
        asked = {
            **environ,
            "REQUEST_METHOD": "GET",
            "HTTP_ACCEPT": _readable(_wanted(environ.get("HTTP_ACCEPT", ""))),
            "HTTP_ACCEPT_ENCODING": _wanted(environ.get("HTTP_ACCEPT_ENCODING", "")),
        }
        try:
            with self._turns:
                parts = self._metrics(asked, lambda *given: head.extend(given))
        except BaseException as error:
            if isinstance(error, Exception):
                raise
            # waitress only logs any other one, and its client would wait, and keep its place, for ever.
            raise RuntimeError(in_words(error)) from error
        finally:
            self._room.release()
        status, headers = head
        return status, headers, b"".join(parts)


def _accept(listener: socket.socket) -> tuple[socket.socket, Any] | None:
    """Accept a client; without room for it, waitress would try again at once, and log each try."""
    try:
        return listener.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return None
    except OSError:
        time.sleep(ACCEPT_PAUSE)
        return None


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # it ships no types
    """Answers requests that waitress' parser sees no end of, or that make it log an error and hang up."""

    header_plus: bytes  # what has come of a head without its end

    def received(self, data: bytes) -> int:
        try:
            consumed: int = super().received(data)
            if not self.headers_finished and b"\n\n" in self.header_plus:
                # A head that was typed into `nc`: its lines have no carriage returns.
                typed, _, rest = self.header_plus.partition(b"\n\n")
                self.header_plus = b""
                super().received(typed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n")
                consumed -= len(rest)
        except (ParsingError, ValueError) as error:
            self.headers.clear()
            self.parse_header(b"GET / HTTP/1.0\r\n")  # as it does itself for a head that it cannot read
            self.error, self.completed = BadRequest(str(error)), True
            return len(data)
        return consumed


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser

    def __init__(self, *args: Any, **options: Any) -> None:
        self.since = time.monotonic()  # since when it has no request
        super().__init__(*args, **options)

    @property
    def may_go(self) -> bool:
        """Whether its client has had no request for `SOON`, and is still connected."""
        return self.connected and not self.requests and time.monotonic() - self.since >= SOON

    def service(self) -> None:
        """Answer a request."""
        super().service()
        self.since = time.monotonic()

    def handle_expt(self) -> None:
        """Hang up on who sends urgent data, which HTTP lacks: each turn of the loop would report it."""
        self.handle_close()


def _wanted(header: str) -> str:
    """Return what a header accepts, sorted by preference: the encoder takes the first one, whatever its `q`.

    The encoder falls back to plain text, so whatever is wanted less than that is left out.
    """
    accepted = header.split(",")
    plain = (_quality(each) for each in accepted if each.split(";")[0].strip() in _PLAIN)
    least = max(plain, default=0.0)
    wanted = [each for each in accepted if (quality := _quality(each)) and quality >= least]
    return ",".join(sorted(wanted, key=_quality, reverse=True))


def _quality(accepted: str) -> float:
    return float(given[1]) if (given := _QUALITY.search(accepted)) else 1.0


def _readable(accept: str) -> str:
    """Return the header if an encoder can be chosen by it, which fails at a version that is not a number."""
    try:
        choose_encoder(accept)
    except Exception:  # noqa: BLE001 - whatever a client says is no news
        return ""
    return accept


def _plain(status: str, text: str, *headers: tuple[str, str]) -> Reply:
    return status, [("Content-Type", "text/plain; charset=utf-8"), *headers], f"{text}\n".encode()


_all = in_each_child(Endpoint.leave_behind)
