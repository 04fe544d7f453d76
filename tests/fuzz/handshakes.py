"""Connections to a listener with TLS: broken handshakes, broken records, and lines in unbroken ones."""

import errno
import socket
import ssl
from functools import cache
from random import Random

from . import service
from .bending import bent, pieces
from .streams import CORPUS, connected, hear_end, say

_WHOLE, _LATE = 0.05, 0.02
"""Shares of connections with a whole handshake, and with one that is broken only in its second flight: they
cost many times as much as one that is broken at once."""

_WAITING = 0.0005
"""Share of broken ones whose client waits for the server to end them."""


def tls(address: tuple[str, int], random: Random) -> int:
    """Play a connection; return how many inputs it had.

    Raises:
        AssertionError: What it was answered is not what it must be.
        OSError: It was not answered.
    """
    with connected(address) as sock:
        kind = random.random()
        if kind < _WHOLE:
            return _lines(sock, random)
        flight = _second_flight(sock) if kind < _WHOLE + _LATE else random.choice(_hellos())
        _break(sock, bent(random, [flight, *_records()]), random)
    return 1


def _second_flight(sock: socket.socket) -> bytes:
    """Begin a handshake; return what the client would end it with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = _context().wrap_bio(incoming, outgoing)
    while True:
        try:
            client.do_handshake()
            return outgoing.read()
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(1 << 16))


def _lines(plain: socket.socket, random: Random) -> int:
    dialogue = service.Dialogue()
    count = 0
    with _context().wrap_socket(plain.dup()) as sock:
        for count in range(1, random.randint(1, 40) + 1):
            say(sock, dialogue, bent(random, CORPUS), random)
            if dialogue.ended:
                hear_end(sock, [], maybe_reset=bool(dialogue.partial))
                return count
        _break(plain, bent(random, _records()), random)
    return count + 1


def _break(sock: socket.socket, data: bytes, random: Random) -> None:
    """Send what is no part of TLS, and wait for the server to end the connection."""
    try:
        for piece in pieces(random, data):
            sock.sendall(piece)
        if random.random() >= _WAITING:
            sock.shutdown(socket.SHUT_WR)
        while sock.recv(1 << 16):
            pass
    except OSError as error:
        # It may have closed before all was read.
        if error.errno not in {errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN}:
            raise


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@cache
def _hellos() -> tuple[bytes, ...]:
    """Return the first flights of clients of each version, and what is none."""
    flights = [b"hello\n", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10"]
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        out = ssl.MemoryBIO()
        client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            flights.append(out.read())
    return tuple(flights)


@cache
def _records() -> tuple[bytes, ...]:
    """Return a record of each kind, and of a kind that there is not."""
    whole = (bytes([kind, 3, 3, 0, 4, 1, 0, 0, 0]) for kind in (20, 21, 22, 23, 24, 255))
    return (*whole, b"\x17\x03\x03\x48\x00" + b"x" * 900)
