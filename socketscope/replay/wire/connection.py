"""A connection in a task of a loop: a stream, or datagrams as lines."""

import array
import errno
import fcntl
import os
import select
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from socketscope.replay.wire.inbox import Datagrams, Inbox
from socketscope.replay.wire.loop import HANGUP, NEXT_TURN, Loop, Wait

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)
_QUEUE_FULL = 0.005
"""Seconds until the next attempt to connect to a Unix socket whose backlog is full."""

_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN})
_WANTS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_size = array.array("i", [0])

Taken = TypeVar("Taken")


class Connection:
    """A connection that one task of a loop uses. Methods that may have to wait are generators.

    Attributes:
        inbox: What has come.
        first_byte_at: When the first byte came since a caller last set this to None, on the loop's clock.
        last_byte_at: When the last byte came.
        sent: Bytes sent since the counts were taken.
        heard_since: When the last finished wait for more from the server began; 0 before the first.
    """

    __slots__ = (
        "_arrived",
        "_drained",
        "_hung_up",
        "_is_plain_stream",
        "_is_stream",
        "_loop",
        "_received",
        "_received_in",
        "_recv",
        "_sock",
        "first_byte_at",
        "heard_since",
        "inbox",
        "last_byte_at",
        "sent",
    )

    def __init__(self, sock: socket.socket, loop: Loop) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._recv: Callable[[int], bytes] = sock.recv
        self._loop = loop
        self._is_stream = self._is_plain_stream = sock.type == socket.SOCK_STREAM
        self.inbox = Inbox() if self._is_stream else Datagrams()
        self._drained = True  # nothing is left to receive; the loop reports when more comes
        self._hung_up = 0  # epoll's flags for the end, before which there may be bytes to read
        self._arrived: tuple[float, float] | None = None  # when the first and last unread bytes came
        self.first_byte_at: float | None = None
        self.last_byte_at = self.heard_since = 0.0
        self.sent = self._received = self._received_in = 0

    def open(self, where: Any, until: float) -> Generator[Wait, int, None]:
        """Connect.

        Raises:
            OSError: It could not connect; TimeoutError if not in time.
        """
        sock = self._sock
        if sock.family == socket.AF_UNIX and not self._is_stream:
            # Replies need an address to go to; for an empty one the kernel chooses.
            sock.bind("")
        elif sock.family != socket.AF_UNIX and self._is_stream:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = sock.connect_ex(where)
        self._loop.watch(sock)
        while error in _UNDER_WAY:
            # No event tells when there is room in a Unix socket's backlog.
            look_again = self._loop.now() + _QUEUE_FULL if error == errno.EAGAIN else until
            happened = yield min(look_again, until)
            if not happened and look_again >= until:
                raise TimeoutError("timed out")
            self._hung_up |= happened & HANGUP
            error = sock.connect_ex(where)
            # The event may also have been for a greeting, which the loop will not report again.
            self._drained = False
        if error:
            raise OSError(error, os.strerror(error))
        self._drained = not self._hung_up and (self._drained or self._has_nothing())

    def secure(self, context: ssl.SSLContext, host: str, until: float) -> Generator[Wait, int, None]:
        """Start TLS.

        Raises:
            OSError: The handshake failed, or did not finish in time.
        """
        sock = context.wrap_socket(self._sock, server_hostname=host, do_handshake_on_connect=False)
        self._sock = sock
        self._recv = sock.recv
        self._is_plain_stream = self._drained = False
        while True:
            try:
                sock.do_handshake()
            except _WANTS:
                if not (yield until):
                    told = "the server did not answer the handshake"
                    raise ssl.SSLError(errno.ETIMEDOUT, told) from None
            else:
                return

    def send(self, data: bytes | memoryview) -> bytes | memoryview:
        """Send as much as can be sent at once; return the rest.

        Raises:
            OSError: It could not be sent.
        """
        try:
            sent = self._sock.send(data)
        except _WANTS:
            return data
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            # A broken connection, as TLS reports it before Python 3.13.
            self._raise_alert()
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        except ConnectionError:  # and since 3.13
            self._raise_alert()
            raise
        self.sent += sent
        return data[sent:]

    def write(self, data: bytes | memoryview, until: float) -> Generator[Wait, int, None]:
        """Send all of it.

        Raises:
            OSError: It could not be sent; TimeoutError if not in time.
        """
        left = memoryview(data)
        while left := memoryview(self.send(left)):
            if self._loop.now() >= until or not (happened := (yield until)):
                raise TimeoutError("timed out")
            # The event may have been for bytes to read, which the loop will not report again.
            self._hung_up |= happened & HANGUP
            self._drained = False

    def read(self, take: Callable[[], Taken | None], until: float) -> Generator[Wait, int, Taken]:
        """Receive until `take` returns something; return that.

        Args:
            take: Takes it from the inbox; None while more must come.
            until: When it must have come, on the loop's clock.

        Raises:
            OSError: The connection broke; TimeoutError if it did not come in time.
            Exception: What `take` raises.
        """
        while (taken := take()) is None:
            if not self._drained:
                if self._loop.now() >= until:
                    raise TimeoutError("timed out")
                # There is more to receive; other tasks have their turn first.
                yield NEXT_TURN
            elif happened := (yield until):
                self._hung_up |= happened & HANGUP
            else:
                raise TimeoutError("timed out")
            self._receive()
        return taken

    def note_arrival(self, until: float) -> Generator[Wait, int, None]:
        """Wait until a time; note when bytes come meanwhile, without receiving them."""
        while happened := (yield until):
            self._hung_up |= happened & HANGUP
            self._drained = False
            if happened & select.EPOLLIN:  # else it is about a datagram that was refused
                now = self._loop.now()
                self._arrived = (self._arrived[0] if self._arrived else now), now

    def take_counts(self) -> tuple[int, int]:
        """Return the bytes sent and received since the last call."""
        counts = self.sent, self._received
        self.sent = self._received = 0
        return counts

    def has_unread(self, *, again: bool = True) -> bool:
        """Return whether something unread has come; an empty datagram counts.

        Args:
            again: Whether to ask the kernel, at the price of a system call, even if all was received in this
                turn of the loop.

        Raises:
            ConnectionRefusedError: A datagram that was sent was refused.
        """
        if self.inbox.data:
            return True
        if self._drained and ((not again and self._received_in == self._loop.turns) or self._has_nothing()):
            return False
        try:
            self._receive()
        except ConnectionRefusedError:
            raise
        except OSError:
            pass  # the next read raises it
        return bool(self.inbox.data)

    def raise_error(self) -> None:
        """Raise the error that the kernel holds for what was sent, as when the server had closed before.

        Raises:
            OSError: The error.
        """
        if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))

    def half_close(self) -> None:
        """Send no more; not for TLS, which cannot close one direction."""
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a reset."""
        reset_when_closed(self._sock)
        self.close()

    def close(self) -> None:
        """Close."""
        self._loop.forget(self._sock)
        self._sock.close()

    def _receive(self) -> None:
        try:
            data = self._recv(_CHUNK)
        except _WANTS:
            self._drained, self._arrived = True, None
            return
        except OSError as error:
            if self._is_stream:
                # The kernel reports it once, and this call may be a mere check: the next read raises it too.
                self._recv, self._drained = partial(_raise, error), False
            raise
        # A short read has taken all, unless the end follows, which the loop will not report again.
        self._drained = self._is_plain_stream and len(data) < _CHUNK and not self._hung_up
        self._received_in = self._loop.turns
        if data or not self._is_stream:
            if self._arrived is None:
                first = self.last_byte_at = self._loop.now()
            else:
                (first, self.last_byte_at), self._arrived = self._arrived, None
            if self.first_byte_at is None:
                self.first_byte_at = first
            self._received += len(data)
            self.inbox.add(data)
        else:
            self.inbox.ended = True

    def _raise_alert(self) -> None:
        """Raise the TLS alert, if any, with which a server has ended the connection."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return
        try:
            self._recv(1)
        except OSError as error:
            if type(error) is ssl.SSLError:  # a subclass means an end, or that nothing has come yet
                raise

    def _has_nothing(self) -> bool:
        if not self._is_stream:
            return False  # an empty datagram has no bytes to count
        # It costs half as much as a receive that finds nothing.
        fcntl.ioctl(self._sock, termios.FIONREAD, _size)
        return not _size[0]


def _raise(error: OSError, _: int) -> bytes:
    raise error


def reset_when_closed(sock: Any) -> None:
    """Have the close of a socket send a reset."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
