"""HTTP requests to the endpoint that has /metrics: whole ones, and bent ones."""

import re
from random import Random

from .bending import bent, pieces
from .streams import connected

STATUSES = frozenset({100, 200, 400, 404, 405, 413, 431, 501, 503})
"""What it may answer; anything else is a fault of its own."""

_PATHS = (
    "/healthz", "/readyz", "/healthz/", "/", "//", "/nothing", "/healthz?x=1", "/%68ealthz", "/../healthz",
    "*", "http://localhost/healthz", "/healthz#f", "/\u00e9", "/%", "/%00", "/" + "a" * 3000,
)  # fmt: skip
_SCRAPES = (
    "/metrics?name[]=socketserver_draining", "/metrics?name[]=", "/metrics?name[]=%ff&name[]=up", "/metrics",
)  # fmt: skip
_METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X" * 40)
_HEADERS = (
    "Host: localhost", "Accept: application/openmetrics-text;version=1.0.0", "Accept: */*;q=x", "Accept:",
    "Accept-Encoding: gzip", "Accept-Encoding: identity;q=0", "Connection: keep-alive",
    "X-Forwarded-For: a, b", "Expect: 100-continue", "Cookie: " + "c" * 2000, "Authorization: Basic ====",
    "Range: bytes=0-1", "Upgrade: websocket", "If-None-Match: *",
)  # fmt: skip
_BODIES = (
    ("", ""), ("", ""), ("", ""), ("Content-Length: 0", ""), ("Content-Length: 5", "hello"),
    ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
)  # fmt: skip
_ODD = (
    b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 5\r\n" * 2,
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"Transfer-Encoding: gzip\r\n", b" folded\r\n",
    b"No colon\r\n", b": empty\r\n", b"Host : a\r\n", b"\r\nffffffffffffffff\r\n", b"\r\n-5\r\n",
    b"Host: a\0b\r\n",
)  # fmt: skip

_SCRAPED = 0.005
"""Share of requests that have the metrics made, which takes milliseconds."""

_FILLING = b"\r\n\r\n" + b"x" * 9000
"""Ends a head, and is a body or a head of more bytes than are allowed: then the endpoint has to answer."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")


def http(address: tuple[str, int], random: Random) -> int:
    """Play a connection of some whole requests and a bent one; return how many.

    Raises:
        AssertionError: An answer is none, or one that must not be.
        OSError: It was not answered.
    """
    with connected(address) as sock:
        whole = [_whole(random) for _ in range(random.choice((0, 1, 4, 12)))]
        received = b""
        try:
            for request in whole:
                sock.sendall(request)
            if random.random() < 0.5:
                sock.sendall(_bent(random) + _FILLING)
            else:
                for piece in pieces(random, _bent(random)):
                    sock.sendall(piece)
                sock.sendall(_FILLING)
            while data := sock.recv(1 << 16):
                received += data
        except (ConnectionResetError, BrokenPipeError):
            pass  # it has closed before all was read
    _check(received)
    return len(whole) + 1


def _whole(random: Random) -> bytes:
    path = random.choice(_SCRAPES if random.random() < _SCRAPED else _PATHS)
    length, body = random.choice(_BODIES)
    headers = random.sample(_HEADERS, random.randint(0, 4))
    head = [f"{random.choice(_METHODS)} {path} HTTP/1.1", *headers, *([length] if length else [])]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def _bent(random: Random) -> bytes:
    request = _whole(random)
    if random.random() < 0.3:
        line, _, rest = request.partition(b"\r\n")
        request = line + b"\r\n" + random.choice(_ODD) + rest
    return bent(random, [request])


def _check(received: bytes) -> None:
    """See that what came begins with an answer, and has none that must not be."""
    if not received:
        return  # a reset has overtaken it
    assert _STATUS.match(received), f"{received[:80]!r} is no answer"
    statuses = {int(status) for status in _STATUS.findall(received)}
    assert statuses <= STATUSES, f"answered {sorted(statuses - STATUSES)}: {received[:200]!r}"
