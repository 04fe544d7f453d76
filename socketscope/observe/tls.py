"""TLS sockets that note the plain bytes that pass through them, and are otherwise the standard library's."""

import socket
import ssl
import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from socketscope.observe.noting import MSG_PEEK, note_missed
from socketscope.observe.outcomes import is_gone
from socketscope.observe.record import Record
from socketscope.observe.sockets import STEP, NotingStream

if TYPE_CHECKING:
    # What it is mixed into, for type checkers.
    class _TLSSocket(ssl.SSLSocket, NotingStream):  # type: ignore[misc]  # of what it refuses it returns nothing
        pass
else:
    _TLSSocket = object

_COUNTED = frozenset({bytes, memoryview})
"""Types whose length is known at once."""

_HIDES_LOSS = sys.version_info < (3, 11, 9) or (3, 12) <= sys.version_info < (3, 12, 3)
"""Whether the base class takes the loss of a peer for its end (gh-115627)."""


class NotingTLS(_TLSSocket):
    """Notes what passes through a TLS socket: all its ways to receive and send end up in the methods here.

    Without a session they end up in those of the plain stream socket behind it.
    """

    __slots__ = ()
    _sslobj: Any

    def do_handshake(self, *args: Any) -> None:
        """Do the handshake, as the base class does.

        A peer that leaves, or is silent, before its first byte has sent nothing, as under plain TCP.
        """
        handshake: Callable[..., None] = super().do_handshake
        if (record := self._socketscope) is None:
            handshake(*args)
            return
        record.wait(monotonic())
        begun = False
        try:
            begun = _has_begun(self)
            handshake(*args)
        except OSError as error:
            if begun and record.late:
                record.fail("tls_error")
            elif begun and is_gone(error) and not record.cut:  # by a stop
                record.fail("tls_error", error)
            note_missed(record, error)
            raise
        record.missed(monotonic())

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the base's name
        """Receive plain bytes, as the base class does."""
        read: Callable[..., Any] = super().read

        def read_unless_cut() -> Any:
            record = self._socketscope
            # A read of no bytes does not wait.
            asked = len if buffer is None else memoryview(buffer).nbytes
            if asked > 0 and record is not None and _is_cut(self, record):
                return b"" if buffer is None else 0
            return read(len, buffer)

        return self._receive(read_unless_cut, bytes.__len__ if buffer is None else int, 0)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send plain bytes, as the base class does."""
        if self._sslobj is None:
            return super().send(data, flags)
        # `sendall` passes a view of bytes.
        if (type(data) not in _COUNTED or len(data) > STEP) and self._goes_in_steps(data):
            return self._send_in_steps(super().send, data, flags)
        return self._send(super().send, data, flags)

    def write(self, data: Any) -> int:
        """Send plain bytes, as the base class does."""
        return self._send(super().write, data)

    def unwrap(self) -> socket.socket:
        """End the session, as the base class does, in which the peer is waited for."""
        if (record := self._socketscope) is None or self.gettimeout() == 0:
            return super().unwrap()
        record.wait(monotonic())
        try:
            return super().unwrap()
        finally:
            record.missed(monotonic())
            if record.late:  # whether or not the base class has raised
                raise record.lateness() from None


def _has_begun(sock: ssl.SSLSocket) -> bool:
    """Wait for the first byte of a handshake; return whether it came, or need not be waited for.

    Raises:
        OSError: As the handshake would.
    """
    session: Any = sock._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - as `version` asks it, less a call
    if sock.gettimeout() == 0 or (session and session.version()):  # it has a version once it was done
        return True
    return bool(socket.SocketType.recv(sock, 1, MSG_PEEK))


def _is_cut(sock: ssl.SSLSocket, record: Record) -> bool:
    """Wait until there is something to read; return whether that is an end because the library shut it down.

    OpenSSL would take that for a cut by the peer, and answer with an alert instead of an end. So it is looked
    for before each read, which costs 1 µs over TCP.

    Raises:
        OSError: As the read would.
    """
    if sock.gettimeout() == 0 or sock.version() is None or sock.pending():
        return False
    try:
        return not socket.SocketType.recv(sock, 1, MSG_PEEK) and record.cut
    except TimeoutError:
        raise TimeoutError("The read operation timed out") from None  # as the base class says it
    except OSError as error:
        if not _HIDES_LOSS:
            raise
        record.lose(error)
        return False
