"""Datagrams to the line service over UDP and Unix sockets."""

import socket
from random import Random

from . import service
from .bending import bent
from .streams import CORPUS

PATIENCE = 5.0
"""Seconds after which a reply is held to be lost, which the kernel must then have counted."""

LARGEST = 65_000
"""Bytes. UDP takes 65,507, the time before the line included."""

_UNANSWERED = 0.02
"""Share of Unix senders that have no address, or leave before they are answered."""


def udp(address: tuple[str, int], random: Random) -> int:
    """Play a client of several datagrams, some at once; return how many.

    Raises:
        AssertionError: What it was answered is not what it must be.
        OSError: It was not answered.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        return _ask(sock, random)


def unixgram(address: str, random: Random) -> int:
    """Play a client of several datagrams, some at once; return how many.

    Raises:
        AssertionError: What it was answered is not what it must be.
        OSError: It was not answered.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        if random.random() < _UNANSWERED:
            if random.random() < 0.5:
                sock.bind("")
            sock.connect(address)
            for count in range(random.randint(1, 8)):  # noqa: B007 - how many
                sock.send(bent(random, CORPUS))
            return count + 1
        sock.bind("")  # the kernel makes up a name
        sock.connect(address)
        return _ask(sock, random)


def _ask(sock: socket.socket, random: Random) -> int:
    sock.settimeout(PATIENCE)
    asked = 0
    for _ in range(random.randint(1, 10)):
        burst = [bent(random, CORPUS)[:LARGEST] for _ in range(random.choice((1, 1, 1, 4)))]
        for data in burst:
            sock.send(data)
        received = sorted((sock.recv(1 << 16) for _ in burst), key=_without_time)
        expected = sorted(map(_answer, burst), key=lambda answer: (answer, service.size([answer])))
        for answer, reply in zip(received, expected, strict=True):
            service.check(answer, [reply])
        asked += len(burst)
    return asked


def _answer(data: bytes) -> bytes:
    return data if service.fits(data) else service.TOO_LONG


def _without_time(answer: bytes) -> tuple[bytes, int]:
    return answer if answer == service.TOO_LONG else answer[27:], len(answer)
