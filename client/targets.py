"""Connections to what a URL names: a stream or datagrams, read line by line with deadlines."""

import contextlib
import random
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Any

from socketscope.addresses import Address

SCHEMES = ("tcp", "tls", "unix", "udp", "unixgram")
DATAGRAMS = frozenset({"udp", "unixgram"})
CONNECT_TIMEOUT = 5.0
"""Seconds for one attempt to connect; a TCP handshake is tried again by the kernel after 1 and 3 s."""

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)


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
        address: Its name is resolved for each connection, and one of its addresses is taken at random; where
            that one refuses, the others are tried.
        tls: How to verify a ``tls://`` server.
    """

    address: Address
    tls: ssl.SSLContext | None = None

    @property
    def has_connections(self) -> bool:
        """Whether there are connections to speak of: datagrams have none."""
        return self.address.scheme not in DATAGRAMS

    def connect(self) -> "Conversation":
        """Connect.

        Raises:
            OSError: Nobody answers; `socket.gaierror` where the name is unknown, TimeoutError after
                `CONNECT_TIMEOUT`.
        """
        give_up_at = time.perf_counter() + CONNECT_TIMEOUT
        refusals: list[OSError] = []
        for family, where in self._places():
            sock = socket.socket(family, socket.SOCK_STREAM if self.has_connections else socket.SOCK_DGRAM)
            try:
                return Conversation(self._open(sock, where, give_up_at))
            except OSError as error:
                sock.close()
                refusals.append(error)
        raise refusals[0]

    def _places(self) -> list[tuple[socket.AddressFamily, Any]]:
        address = self.address
        if address.path:
            return [(socket.AF_UNIX, address.path)]
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, "no name of a host") from error
        places: list[tuple[socket.AddressFamily, Any]] = [(family, where) for family, _, _, _, where in found]
        random.shuffle(places)
        return places

    def _open(self, sock: socket.socket, where: Any, give_up_at: float) -> socket.socket:
        if not self.has_connections and self.address.path:
            # Replies need an address to go to; an empty one has the kernel make one up.
            sock.bind("")
        elif sock.family != socket.AF_UNIX and self.has_connections:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(max(give_up_at - time.perf_counter(), 1e-3))
        sock.connect(where)
        if self.tls is None:
            return sock
        sock.settimeout(max(give_up_at - time.perf_counter(), 1e-3))
        return self.tls.wrap_socket(sock, server_hostname=self.address.host)


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
        "first_byte_at",
        "last_byte_at",
        "received",
        "sent",
    )

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
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
            self._sock.send(data)
        self.sent += len(data)

    def read_line(self, timeout: float) -> bytes:
        """Return the next line without its ending; the end of a datagram ends its line.

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
                    partial, self._buffer = self._buffer, b""
                    raise Ended(partial)
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
        if not self._is_stream and not data.endswith(b"\n"):
            data += b"\n"
        self._buffer += data
