"""A connection's socket that notes what passes through it and holds its peer to the deadlines.

It blocks in the kernel with ``SO_RCVTIMEO`` in place of Python's timeouts: those put a ``poll`` before every
call. Only a receive that has waited for `TICK` looks at a clock.
"""

import math
import socket
import struct
from collections.abc import Callable
from errno import ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT
from time import monotonic
from typing import Any, TypeVar

from socketscope.limits import Limits
from socketscope.record import Record

TICK = 0.1
"""Seconds that a receive or an accept blocks in the kernel before it looks up; a deadline is late by less."""

_Received = TypeVar("_Received")

GONE = frozenset({ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT})
"""What the kernel says of a peer that is no longer there."""

_recv = socket.socket.recv
_recv_into = socket.socket.recv_into
_recvfrom = socket.socket.recvfrom
_recvmsg = socket.socket.recvmsg
_send = socket.socket.send
_sendmsg = socket.socket.sendmsg
_gettimeout = socket.socket.gettimeout
_SENDFILE_CHUNK = 1 << 16
_UNLIMITED = Limits()

# As plain numbers: the operators of an enumeration's members take longer than a system call.
_AF_UNIX = int(socket.AF_UNIX)
_MSG_PEEK = int(socket.MSG_PEEK)
_MSG_DONTWAIT = int(socket.MSG_DONTWAIT)


def timed_out(record: Record) -> TimeoutError:
    """Note, and return, that the next bytes did not come by their deadline."""
    error = TimeoutError("the client did not send in time")
    record.fail("idle_timeout" if record.idle else "read_timeout", error)
    return error


def not_taken(record: Record) -> TimeoutError:
    """Note, and return, that a reply was not taken by its deadline."""
    error = TimeoutError("the client did not take the reply in time")
    record.fail("write_timeout", error)
    return error


def set_kernel_timeout(sock: socket.socket, option: int, seconds: float) -> None:
    """Set ``SO_RCVTIMEO`` or ``SO_SNDTIMEO``; infinity is none."""
    # The kernel takes 0 for no timeout at all.
    microseconds = 0 if math.isinf(seconds) else max(1, int(seconds * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", *divmod(microseconds, 1_000_000)))


class ListeningSocket(socket.socket):
    """A listener whose connections are observed sockets."""

    __slots__ = ("_kind",)

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002 - the base's name
        super().__init__(family, type, proto, fileno)
        self._kind = int(self.family), int(self.type), self.proto

    def accept(self) -> tuple["ObservedSocket", Any]:
        """Accept a connection.

        Raises:
            BlockingIOError: None came within `TICK`.
        """
        # As socket.accept does it, less the detour over a plain socket.
        descriptor, address = self._accept()  # type: ignore[attr-defined]  # not in typeshed
        connection = ObservedSocket(*self._kind, descriptor)
        if self._kind[0] == _AF_UNIX:
            # Other families inherit it from the listener.
            set_kernel_timeout(connection, socket.SO_RCVTIMEO, TICK)
        return connection, address


class Observed:
    """What an observed socket notes of what passes, whatever carries it.

    Attributes:
        record: What it counts for; None observes nothing.
    """

    __slots__ = ()
    record: Record | None
    _limits: Limits
    _patience: float | None  # the timeout that the handler has set

    def _took(self, size: int, flags: int = 0) -> None:
        record = self.record
        if record is None or flags & _MSG_PEEK:
            return
        now = monotonic()
        if record.pending and now > record.input_deadline(self._limits):
            # A peer that sends a little now and then never waits for a tick.
            raise timed_out(record)
        record.took(size, now)

    def _gave(self, size: int) -> None:
        if size and (record := self.record) is not None:
            record.gave(size, monotonic())


class ObservedSocket(Observed, socket.socket):
    """A stream socket that counts for its record; without one it is a plain socket."""

    __slots__ = ("_at_once", "_limits", "_patience", "record")

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002 - the base's name
        super().__init__(family, type, proto, fileno)
        self.record = None
        self._limits = _UNLIMITED
        self._patience = None
        self._at_once = 0  # the flag of a send that must not wait unseen

    def observe(self, record: Record, limits: Limits) -> None:
        """Count for this record, and hold the peer to these limits, from now on."""
        self.record = record
        self._limits = limits
        self._at_once = _MSG_DONTWAIT
        if (timeout := _gettimeout(self)) is not None:
            self.settimeout(timeout)

    def settimeout(self, value: float | None) -> None:
        """Set the handler's own timeout, which holds beside the deadlines."""
        if self.record is None or value == 0:
            super().settimeout(value)
        else:
            if value is not None and value < 0:
                raise ValueError("Timeout value out of range")
            super().settimeout(None)
            set_kernel_timeout(self, socket.SO_RCVTIMEO, TICK if value is None else min(value, TICK))
        self._patience = value

    def gettimeout(self) -> float | None:
        """Return the handler's own timeout."""
        return super().gettimeout() if self.record is None else self._patience

    def setblocking(self, flag: bool) -> None:
        """Block without a timeout of the handler's own, or not at all."""
        self.settimeout(None if flag else 0)

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive, as the base class does."""
        try:
            data = _recv(self, bufsize, flags)
        except OSError as error:
            data = self._receive_late(error, lambda: _recv(self, bufsize, flags))
        self._took(len(data), flags)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer, as the base class does."""
        try:
            size = _recv_into(self, buffer, nbytes, flags)
        except OSError as error:
            size = self._receive_late(error, lambda: _recv_into(self, buffer, nbytes, flags))
        self._took(size, flags)
        return size

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receive with the sender's address, as the base class does."""
        try:
            received = _recvfrom(self, bufsize, flags)
        except OSError as error:
            received = self._receive_late(error, lambda: _recvfrom(self, bufsize, flags))
        self._took(len(received[0]), flags)
        return received

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        """Receive with ancillary data, as the base class does."""
        try:
            received = _recvmsg(self, bufsize, ancbufsize, flags)
        except OSError as error:
            received = self._receive_late(error, lambda: _recvmsg(self, bufsize, ancbufsize, flags))
        self._took(len(received[0]), flags)
        return received

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of it, waiting until the kernel takes any."""
        try:
            size = _send(self, data, flags | self._at_once)
        except OSError as error:
            size = self._send_late(error, lambda: _send(self, data, flags))
        self._gave(size)
        return size

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it."""
        done = self.send(data, flags)
        total = len(data) if type(data) is bytes else memoryview(data).nbytes
        if done < total:
            with memoryview(data) as view, view.cast("B") as rest:
                while done < total:
                    done += self.send(rest[done:], flags)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        """Send from several buffers, as the base class does."""
        try:
            size = _sendmsg(self, buffers, ancdata, flags | self._at_once, address)
        except OSError as error:
            size = self._send_late(error, lambda: _sendmsg(self, buffers, ancdata, flags, address))
        self._gave(size)
        return size

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file through `sendall`, so that it is counted."""
        if offset:
            file.seek(offset)
        total = 0
        while count is None or total < count:
            size = _SENDFILE_CHUNK if count is None else min(_SENDFILE_CHUNK, count - total)
            if not (chunk := file.read(size)):
                break
            self.sendall(chunk)
            total += len(chunk)
        return total

    def _receive_late(self, error: OSError, receive: Callable[[], _Received]) -> _Received:
        """Go on where a receive failed: wait to the deadline, or note that the peer is gone."""
        record = self.record
        if record is None:
            raise error
        patience = math.inf if self._patience is None else self._patience
        impatient_at = monotonic() - min(patience, TICK) + patience
        try:
            while isinstance(error, BlockingIOError) and patience:
                left = min(record.input_deadline(self._limits), impatient_at) - monotonic()
                if left <= 0:
                    raise timed_out(record)
                set_kernel_timeout(self, socket.SO_RCVTIMEO, left)
                try:
                    return receive()
                except OSError as again:
                    error = again
        finally:
            if patience and self.fileno() >= 0:
                set_kernel_timeout(self, socket.SO_RCVTIMEO, min(patience, TICK))
        if error.errno in GONE:
            record.lose(error)
        raise error

    def _send_late(self, error: OSError, send: Callable[[], int]) -> int:
        """Go on where a send failed: wait for the peer as long as a reply may, or note that it is gone."""
        record = self.record
        if record is None:
            raise error
        if isinstance(error, BlockingIOError) and self._patience != 0:
            limit = math.inf if self._limits.write_timeout is None else self._limits.write_timeout
            patience = math.inf if self._patience is None else self._patience
            began = monotonic()
            try:
                if (left := min(limit - record.stalled, patience)) > 0:
                    set_kernel_timeout(self, socket.SO_SNDTIMEO, left)
                    return send()
            except OSError as again:
                error = again
            finally:
                record.stalled += monotonic() - began
            if isinstance(error, BlockingIOError):
                raise not_taken(record)
        if error.errno in GONE:
            record.fail("reset", error)
        raise error
