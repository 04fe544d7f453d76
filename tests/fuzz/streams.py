"""Connections to the line service over TCP and Unix sockets, one-shot and kept."""

import array
import os
import socket
from random import Random

from . import service
from .bending import bent, pieces

PATIENCE = 30.0
"""Seconds without what must come after which the server is held to hang."""

CORPUS = (
    b"\n", b"\r\n", b"hello\n", b"hello\r\n", b"one\ntwo\nthree\n", b"ends with CR\r\r\n", b"no ending",
    b"\r", b"[Thu Nov 26 09:14:26 2026] \n", b"ERR line too long\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"x" * 8191 + b"\r\n", b"x" * 8192 + b"\r\n",
    b"x" * 8193 + b"\n", b"x" * 8192 + b"\r", "Grüße\u2028\n".encode(), b"%s%n${jndi:x}\n",
    b"\0" * 40 + b"\n",
)  # fmt: skip

_BESIDE = 0.02
"""Share of connections that send what is no part of the stream. Not twice: of two urgent bytes one is."""

_SILENT = 0.001
"""Share of connections whose client says nothing any more, until the server ends them."""

_ENDS = ("close", "half-close", "half-close", "reset", "abandon")


def kept(address: str | tuple[str, int], random: Random) -> int:
    """Play a connection of several inputs; return how many.

    Raises:
        AssertionError: What it was answered is not what it must be.
        OSError: It was not answered, or was cut.
    """
    dialogue = service.Dialogue()
    count = 0
    with connected(address) as sock:
        if random.random() < _BESIDE:
            _say_beside(sock, dialogue)
        for count in range(1, random.randint(1, 20) + 1):
            say(sock, dialogue, bent(random, CORPUS), random)
            if dialogue.ended:
                return count + _leave(sock, dialogue, random)
        return count + _leave(sock, dialogue, random)


def one_shot(address: str | tuple[str, int], random: Random) -> int:
    """Play a connection to a server that answers a line only; return 1 for its input.

    Raises:
        AssertionError: What it was answered is not what it must be.
        OSError: It was not answered, or was cut.
    """
    dialogue = service.Dialogue(keep_alive=False)
    with connected(address) as sock:
        say(sock, dialogue, bent(random, CORPUS), random)
        _leave(sock, dialogue, random)
    return 1


def connected(address: str | tuple[str, int]) -> socket.socket:
    """Connect to a path, or to a host and port."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    try:
        sock.settimeout(PATIENCE)
        sock.connect(address)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def hear(sock: socket.socket, replies: list[bytes]) -> None:
    """Receive replies; a kept connection says no more than these."""
    left = service.size(replies)
    received = b""
    while len(received) < left and (data := sock.recv(left - len(received))):
        received += data
    service.check(received, replies)


def hear_end(sock: socket.socket, replies: list[bytes], *, maybe_reset: bool = False) -> None:
    """Receive replies and the end, which may be a reset where more was sent than is read."""
    received = b""
    try:
        while data := sock.recv(1 << 16):
            received += data
    except ConnectionResetError:
        if not maybe_reset:
            raise
    service.check(received, replies)


def say(sock: socket.socket, dialogue: service.Dialogue, data: bytes, random: Random) -> None:
    """Send an input in pieces, and hear what is answered.

    Raises:
        AssertionError: That is not what it must be.
        OSError: It did not come.
    """
    replies: list[bytes] = []
    for piece in pieces(random, data):
        try:
            sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            # The service may close amid a line that is too long, and then has said so.
            replies += dialogue.take(piece)
            if not dialogue.ended:
                raise
        else:
            replies += dialogue.take(piece)
        if dialogue.ended:
            break
    hear(sock, replies)


def _say_beside(sock: socket.socket, dialogue: service.Dialogue) -> None:
    """Send what is no part of the stream: an urgent byte; or descriptors, which go with a byte of it."""
    if sock.family == socket.AF_INET:
        sock.send(b"!", socket.MSG_OOB)
        return
    with open(os.devnull, "rb") as file:  # noqa: PTH123 - a descriptor, no more
        rights = array.array("i", [file.fileno()] * 3)
        sock.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    dialogue.take(b"+")


def _leave(sock: socket.socket, dialogue: service.Dialogue, random: Random) -> int:
    """End a connection in one of many ways; return how many inputs that took."""
    if dialogue.ended:
        hear_end(sock, [], maybe_reset=bool(dialogue.partial))
        return 0
    if random.random() < _SILENT:
        hear_end(sock, [service.TIMED_OUT])
        return 0
    match random.choice(_ENDS):
        case "half-close":
            sock.shutdown(socket.SHUT_WR)
            hear_end(sock, dialogue.end())
        case "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        case "abandon":
            sock.sendall(bent(random, CORPUS))
            return 1
    return 0
