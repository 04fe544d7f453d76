"""Connections to what a URL names: a stream or datagrams, read line by line with deadlines."""

import contextlib
import os
import random
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from socketscope.addresses import Address

SCHEMES = ("tcp", "tls", "unix", "udp", "unixgram")
CONNECT_TIMEOUT = 5.0
"""Seconds for one attempt to connect; a TCP handshake is tried again by the kernel after 1 and 3 s."""

_DATAGRAMS = frozenset({"udp", "unixgram"})
_CHUNK = 65536
_LONGEST_DATAGRAM = 65535
_RESET = struct.pack("ii", 1, 0)
_numbers = count(1)


class Ended(Exception):  # noqa: N818 - an event of the conversation, no fault of the program
    """The server closed.

    Attributes:
        partial: What it sent of an unfinished line.
    """

    def __init__(self, partial: bytes) -> None:
        super().__init__("the server closed the connection")
        self.partial = partial


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to talk to.

    Attributes:
        address: Its name is resolved for each connection, and one of its addresses is taken at random.
        tls: How to verify a ``tls://`` server.
    """

    address: Address
    tls: ssl.SSLContext | None = None

    @property
    def has_connections(self) -> bool:
        """Whether there are connections to speak of: datagrams have none."""
        return self.address.scheme not in _DATAGRAMS

    def connect(self, choose: Callable[[list[tuple]], tuple] = random.choice) -> "Conversation":  # type: ignore[type-arg]  # getaddrinfo's
        """Connect.

        Raises:
            OSError: Nobody answers; `socket.gaierror` where the name is unknown, TimeoutError after
                `CONNECT_TIMEOUT`.
        """
        address = self.address
        kind = socket.SOCK_STREAM if self.has_connections else socket.SOCK_DGRAM
        if address.path:
            sock, where = socket.socket(socket.AF_UNIX, kind), address.path
        else:
            family, _, protocol, _, where = choose(socket.getaddrinfo(address.host, address.port, type=kind))
            sock = socket.socket(family, kind, protocol)
        temporary = None
        try:
            sock.settimeout(CONNECT_TIMEOUT)
            if address.scheme == "unixgram":
                # Replies need an address to go to.
                temporary = f"{tempfile.gettempdir()}/replay-{os.getpid()}-{next(_numbers)}"
                sock.bind(temporary)
            elif self.has_connections and not address.path:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(where)
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_hostname=address.host)
        except BaseException:
            sock.close()
            if temporary is not None:
                os.unlink(temporary)  # noqa: PTH108 - a string all along
            raise
        return Conversation(sock, temporary)


class Conversation:
    """An open connection.

    Attributes:
        first_byte_at: When the first byte since the last `send` came, on the performance counter, or None.
        last_byte_at: When the latest came.
        sent: Bytes.
        received: Bytes.
    """

    __slots__ = (
        "_buffer",
        "_ended",
        "_is_stream",
        "_sock",
        "_temporary",
        "first_byte_at",
        "last_byte_at",
        "received",
        "sent",
    )

    def __init__(self, sock: socket.socket, temporary: str | None = None) -> None:
        self._sock = sock
        self._temporary = temporary
        self._is_stream = sock.type == socket.SOCK_STREAM
        self._buffer = b""
        self._ended = False
        self.first_byte_at: float | None = None
        self.last_byte_at = 0.0
        self.sent = 0
        self.received = 0

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of it.

        Raises:
            OSError: It could not be sent, TimeoutError not in time.
        """
        self.first_byte_at = None
        self._sock.settimeout(timeout)
        if self._is_stream:
            self._sock.sendall(data)
        else:
            self._sock.send(data[:_LONGEST_DATAGRAM])
        self.sent += len(data)

    def read_line(self, timeout: float) -> bytes:
        """Return the next line without its ending; what datagrams carry is read as one stream.

        Raises:
            Ended: There is no more.
            OSError: The connection broke, TimeoutError nothing whole came in time.
        """
        end = self._buffer.find(b"\n")
        if end < 0:
            deadline = time.perf_counter() + timeout
            while end < 0:
                self._receive(deadline - time.perf_counter())
                if self._ended:
                    raise Ended(self._buffer)
                end = self._buffer.find(b"\n")
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.removesuffix(b"\r")

    def read_end(self, timeout: float) -> bytes:
        """Return what came before the server closed, which it should do now.

        Raises:
            OSError: The connection broke, TimeoutError it did not close in time.
        """
        deadline = time.perf_counter() + timeout
        while not self._ended and not self._buffer:
            self._receive(deadline - time.perf_counter())
        return self._buffer

    def unread(self) -> bytes:
        """Return what has come and nobody read, without waiting."""
        if not self._buffer and not self._ended:
            with contextlib.suppress(OSError):
                self._receive(0)
        return self._buffer

    def half_close(self) -> None:
        """Send no more."""
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a reset."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def abort(self) -> None:
        """Have whoever reads or writes in another thread stop."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close."""
        self._sock.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)  # noqa: PTH108 - a string all along

    def _receive(self, timeout: float) -> None:
        if timeout < 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(timeout)
        data = self._sock.recv(_CHUNK)
        if not data and self._is_stream:
            self._ended = True
            return
        self.last_byte_at = time.perf_counter()
        if self.first_byte_at is None:
            self.first_byte_at = self.last_byte_at
        self.received += len(data)
        self._buffer += data
