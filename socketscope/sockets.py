"""A connection's socket that notes what passes through it and holds its peer to the deadlines.

It blocks in the kernel with ``SO_RCVTIMEO`` in place of Python's timeouts: those put a ``poll`` before every
call. Only a receive that has waited for `TICK` looks at a clock.
"""

import math
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BufferedReader
from time import monotonic
from typing import Any, TypeVar

from socketscope.observed import GONE, Observed
from socketscope.reader import Reader
from socketscope.record import Record

TICK = 0.1
"""Seconds that a receive or an accept blocks in the kernel before it looks up; a deadline is late by less."""

_Received = TypeVar("_Received")

_recv = socket.socket.recv
_recv_into = socket.socket.recv_into
_recvfrom = socket.socket.recvfrom
_recvfrom_into = socket.socket.recvfrom_into
_recvmsg = socket.socket.recvmsg
_recvmsg_into = socket.socket.recvmsg_into
_send = socket.socket.send
_sendmsg = socket.socket.sendmsg
_sendto = socket.socket.sendto
_gettimeout = socket.socket.gettimeout

# As plain numbers: the operators of an enumeration's members take longer than a system call.
_AF_UNIX = int(socket.AF_UNIX)
_MSG_DONTWAIT = int(socket.MSG_DONTWAIT)


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


class ObservedSocket(Observed, socket.socket):
    """A stream socket that counts for its record; without one it is a plain socket.

    Attributes:
        bare: Whether somebody has its descriptor, and may wait there.
    """

    __slots__ = ("_at_once", "_patience", "bare", "record")

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002 - the base's name
        super().__init__(family, type, proto, fileno)
        self.record = None
        self._patience = None
        self._at_once = 0  # the flag of a send that must not wait unseen
        self.bare = False

    def observe(self, record: Record) -> None:
        """Count for this record, and hold the peer to its limits, from now on."""
        self.record = record
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
            self._patience = value
            self._tick()
        self._patience = value

    def fileno(self) -> int:
        """Return the descriptor, on which others wait as long as they like."""
        # A child process, or os.read, would take the end of a tick for an error.
        if not self.bare and self.record is not None and super().fileno() >= 0:
            self.bare = True
            set_kernel_timeout(self, socket.SO_RCVTIMEO, math.inf)
        return super().fileno()

    def makefile(self, mode: str = "r", buffering: int | None = None, **text: Any) -> Any:
        """Return a file object, as the base class does."""
        if mode != "rb" or buffering not in {None, -1}:
            return super().makefile(mode, buffering, **text)  # type: ignore[call-overload]  # the same
        self._io_refs += 1  # type: ignore[attr-defined]  # not in typeshed
        return BufferedReader(Reader(self, "r"))

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Receive, as the base class does."""
        if flags or self.bare:
            data = self._receive(flags, partial(_recv, self, bufsize, flags))
        else:
            try:
                data = _recv(self, bufsize)
            except OSError as error:
                data = self.receive_late(error, flags, partial(_recv, self, bufsize))
        self._took(len(data), flags)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer, as the base class does."""
        if flags or self.bare:
            size = self._receive(flags, partial(_recv_into, self, buffer, nbytes, flags))
        else:
            try:
                size = _recv_into(self, buffer, nbytes)
            except OSError as error:
                size = self.receive_late(error, flags, partial(_recv_into, self, buffer, nbytes))
        self._took(size, flags)
        return size

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receive with the sender's address, as the base class does."""
        received = self._receive(flags, partial(_recvfrom, self, bufsize, flags))
        self._took(len(received[0]), flags)
        return received

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into a buffer with the sender's address, as the base class does."""
        received = self._receive(flags, partial(_recvfrom_into, self, buffer, nbytes, flags))
        self._took(received[0], flags)
        return received

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        """Receive with ancillary data, as the base class does."""
        received = self._receive(flags, partial(_recvmsg, self, bufsize, ancbufsize, flags))
        self._took(len(received[0]), flags)
        return received

    def recvmsg_into(
        self, buffers: Any, ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, Any]:
        """Receive into buffers with ancillary data, as the base class does."""
        received = self._receive(flags, partial(_recvmsg_into, self, buffers, ancbufsize, flags))
        self._took(received[0], flags)
        return received

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of it, waiting until the kernel takes any."""
        try:
            size = _send(self, data, flags | self._at_once)
        except OSError as error:
            size = self._send_late(error, flags, partial(_send, self, data, flags))
        self._gave(size)
        return size

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it."""
        try:
            done = _send(self, data, flags | self._at_once)
        except OSError as error:
            done = self._send_late(error, flags, partial(_send, self, data, flags))
        # Neither by send() nor by _gave(): every reply comes this way, and calls add up.
        if done and (record := self.record) is not None:
            record.gave(done, monotonic())
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
            size = self._send_late(error, flags, partial(_sendmsg, self, buffers, ancdata, flags, address))
        self._gave(size)
        return size

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        """Send some of it, as the base class does; a stream has no use for the address."""
        *given, address = flags_and_address
        flags: int = given[0] if given else 0
        try:
            size = _sendto(self, data, flags | self._at_once, address)
        except OSError as error:
            size = self._send_late(error, flags, partial(_sendto, self, data, flags, address))
        self._gave(size)
        return size

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file through `send`, so that it is counted."""
        # The system call that the base class would make begins at the offset, wherever the file stands.
        with suppress(AttributeError, OSError):
            file.fileno()
            file.seek(offset)
        return self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined, no-any-return]  # not in typeshed

    def receive_late(self, error: OSError, flags: int, receive: Callable[[], _Received]) -> _Received:
        """Go on where a receive failed: wait to the deadline, or note that the peer is gone.

        Args:
            error: How it failed.
            flags: What it was called with.
            receive: Tries it again.

        Raises:
            OSError: It failed for good; BlockingIOError where its handler does not want to wait.
            TimeoutError: A deadline has passed.
        """
        record = self.record
        patience = 0.0 if flags & socket.MSG_DONTWAIT else self.gettimeout()
        if isinstance(error, BlockingIOError) and patience != 0:
            patience = math.inf if patience is None else patience
            now = monotonic()
            impatient_at = now - min(patience, TICK) + patience
            if record is not None:
                record.pause()
            try:
                while isinstance(error, BlockingIOError):
                    deadline = math.inf if record is None else record.input_deadline()
                    left = min(deadline, impatient_at) - monotonic()
                    if record is not None and left <= 0:
                        raise record.overdue()
                    set_kernel_timeout(self, socket.SO_RCVTIMEO, left)
                    try:
                        return receive()
                    except OSError as again:
                        error = again
            finally:
                if super().fileno() >= 0:
                    self._tick()
        if record is not None and error.errno in GONE:
            record.lose(error)
        raise error

    def _tick(self) -> None:
        """Have a receive look up once a tick, or as soon as its handler wants it to."""
        self.bare = False
        tick = TICK if self._patience is None else min(self._patience, TICK)
        set_kernel_timeout(self, socket.SO_RCVTIMEO, tick or TICK)

    def _receive(self, flags: int, receive: Callable[[], _Received]) -> _Received:
        """Receive in one of the rarer ways."""
        if self.bare:
            self._tick()
        failed: OSError = BlockingIOError()
        # A tick would cut a wait for all bytes short.
        if not flags & socket.MSG_WAITALL or flags & socket.MSG_DONTWAIT or self.gettimeout() == 0:
            try:
                return receive()
            except OSError as error:
                failed = error
        return self.receive_late(failed, flags, receive)

    def _send_late(self, error: OSError, flags: int, send: Callable[[], int]) -> int:
        """Go on where a send failed: wait for the peer as long as a reply may, or note that it is gone."""
        record = self.record
        if record is None:
            raise error
        if isinstance(error, BlockingIOError) and self._patience != 0 and not flags & socket.MSG_DONTWAIT:
            patience = math.inf if self._patience is None else self._patience
            began = monotonic()
            try:
                if (left := min(record.output_left(), patience)) > 0:
                    set_kernel_timeout(self, socket.SO_SNDTIMEO, left)
                    return send()
            except OSError as again:
                error = again
            finally:
                record.stalled += monotonic() - began
            if isinstance(error, BlockingIOError):
                raise record.not_taken()
        if error.errno in GONE:
            record.lose(error, replying=True)
        raise error
