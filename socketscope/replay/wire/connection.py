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
"""Seconds until another look at a Unix socket whose queue of connections is full."""

_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN})
_WANTS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_size = array.array("i", [0])

Taken = TypeVar("Taken")


class Connection:
    """A connection that one task of a loop uses. Methods that may have to wait are generators.

    Attributes:
        inbox: What has come.
        first_byte_at: When the first byte came since somebody last set this to None, on the loop's clock.
        last_byte_at: When the latest came.
        sent: Bytes, since the counts were taken.
        heard_since: When the latest wait for more from the server began, once it is over; 0 before the first.
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
        self._drained = True  # nothing is left to receive: the loop will tell when more comes
        self._hung_up = 0  # what epoll said of the end, before which bytes may still be read
        self._arrived: tuple[float, float] | None = None  # times of the first and last bytes to be received
        self.first_byte_at: float | None = None
        self.last_byte_at = self.heard_since = 0.0
        self.sent = self._received = self._received_in = 0

    def open(self, where: Any, until: float) -> Generator[Wait, int, None]:
        """Connect.

        Raises:
            OSError: Nobody answers, TimeoutError not in time.
        """
        sock = self._sock
        if sock.family == socket.AF_UNIX and not self._is_stream:
            # Replies need an address to go to; an empty one has the kernel make one up.
            sock.bind("")
        elif sock.family != socket.AF_UNIX and self._is_stream:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = sock.connect_ex(where)
        self._loop.watch(sock)
        while error in _UNDER_WAY:
            # A Unix socket whose queue is full tells of no change.
            look_again = self._loop.now() + _QUEUE_FULL if error == errno.EAGAIN else until
            happened = yield min(look_again, until)
            if not happened and look_again >= until:
                raise TimeoutError("timed out")
            self._hung_up |= happened & HANGUP
            error = sock.connect_ex(where)
            # The same event may have told of a greeting, of which the loop does not tell again.
            self._drained = False
        if error:
            raise OSError(error, os.strerror(error))
        self._drained = not self._hung_up and (self._drained or self._has_nothing())

    def secure(self, context: ssl.SSLContext, host: str, until: float) -> Generator[Wait, int, None]:
        """Go on under TLS.

        Raises:
            OSError: The handshake failed, or did not end in time.
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
            # What TLS makes of it before Python 3.13.
            self._raise_alert()
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        except ConnectionError:  # and from then on
            self._raise_alert()
            raise
        self.sent += sent
        return data[sent:]

    def write(self, data: bytes | memoryview, until: float) -> Generator[Wait, int, None]:
        """Send all of it.

        Raises:
            OSError: It could not be sent, TimeoutError not in time.
        """
        left = memoryview(data)
        while left := memoryview(self.send(left)):
            if self._loop.now() >= until or not (happened := (yield until)):
                raise TimeoutError("timed out")
            # The event may have been about bytes to read, of which the loop does not tell again.
            self._hung_up |= happened & HANGUP
            self._drained = False

    def read(self, take: Callable[[], Taken | None], until: float) -> Generator[Wait, int, Taken]:
        """Return what is taken of what comes, once it is there.

        Args:
            take: Takes it, as the inbox does.
            until: When it must be there, on the loop's clock.

        Raises:
            OSError: The connection broke, TimeoutError it was not there in time.
            Exception: What `take` raises.
        """
        while (taken := take()) is None:
            if not self._drained:
                if self._loop.now() >= until:
                    raise TimeoutError("timed out")
                # While more is there than was taken, the others have their turn between.
                yield NEXT_TURN
            elif happened := (yield until):
                self._hung_up |= happened & HANGUP
            else:
                raise TimeoutError("timed out")
            self._receive()
        return taken

    def note_arrival(self, until: float) -> Generator[Wait, int, None]:
        """Wait until a time. What comes meanwhile is not received yet, but when it came is noted."""
        while happened := (yield until):
            self._hung_up |= happened & HANGUP
            self._drained = False
            if happened & select.EPOLLIN:  # and not that a datagram has reached nobody
                now = self._loop.now()
                self._arrived = (self._arrived[0] if self._arrived else now), now

    def take_counts(self) -> tuple[int, int]:
        """Return the bytes sent and received since the last call."""
        counts = self.sent, self._received
        self.sent = self._received = 0
        return counts

    def has_unread(self, *, again: bool = True) -> bool:
        """Return whether something has come that nobody read; an empty datagram is something.

        Args:
            again: Whether to ask the kernel, which costs a system call, even where all was received in this
                very turn of the loop.

        Raises:
            ConnectionRefusedError: A datagram that was sent has reached nobody.
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
            pass  # the next read will tell
        return bool(self.inbox.data)

    def raise_error(self) -> None:
        """Raise the error that the kernel has for what was sent, such as that the server had closed before.

        Raises:
            OSError: It was not taken.
        """
        if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))

    def half_close(self) -> None:
        """Send no more; not under TLS, which has no such end."""
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
                # The kernel tells of it once, and this may be a mere look: whoever reads next is to be told.
                self._recv, self._drained = partial(_raise, error), False
            raise
        # A short read has taken all, unless the end follows, of which the loop does not tell again.
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
        """Raise what a server that is gone has against this side of TLS, where an alert of its own tells."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return
        try:
            self._recv(1)
        except OSError as error:
            if type(error) is ssl.SSLError:  # its subclasses tell of an end, or of nothing yet
                raise

    def _has_nothing(self) -> bool:
        if not self._is_stream:
            return False  # an empty datagram has no bytes to tell of
        # It costs half as much as a receive that finds nothing.
        fcntl.ioctl(self._sock, termios.FIONREAD, _size)
        return not _size[0]


def _raise(error: OSError, _: int) -> bytes:
    raise error


def reset_when_closed(sock: Any) -> None:
    """Have the close of a socket be a reset: without lingering."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
