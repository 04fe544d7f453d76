"""TLS sockets that note the plain bytes that pass through them, and are otherwise the standard library's."""

import ssl
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from socketscope.observe.outcomes import is_gone
from socketscope.observe.sockets import Noting

if TYPE_CHECKING:
    _TLSSocket = ssl.SSLSocket  # what is mixed into, for who checks types
else:
    _TLSSocket = object


class NotingTLS(Noting, _TLSSocket):
    """What passes through a TLS socket; its other ways to receive and to send end in those here."""

    __slots__ = ()

    def do_handshake(self, *args: Any) -> None:
        """Do the handshake, as the base class does.

        A peer that leaves during it has sent nothing, and one that speaks no TLS counts as a reset.
        """
        handshake: Callable[..., None] = super().do_handshake
        if (record := self._socketscope) is None:
            handshake(*args)
            return
        record.wait(monotonic())
        try:
            handshake(*args)
        except OSError as error:
            self._note_missed(error)
            if not is_gone(error) and not isinstance(error, TimeoutError):
                record.fail("reset", error)
                record.fault = error
            raise
        record.missed(monotonic())

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the base's name
        """Receive plain bytes, as the base class does."""
        read: Callable[..., Any] = super().read
        if (record := self._socketscope) is None:
            return read(len, buffer)
        record.wait(monotonic())
        try:
            received = read(len, buffer)
        except OSError as error:
            self._note_missed(error)
            raise
        size = received if isinstance(received, int) else memoryview(received).nbytes
        record.took(size, monotonic())
        if not size and record.late:
            raise record.lateness()
        return received

    def send(self, data: Any, flags: int = 0) -> int:
        """Send plain bytes, as the base class does."""
        return self._send(super().send, data, flags)

    def write(self, data: Any) -> int:
        """Send plain bytes, as the base class does."""
        return self._send(super().write, data)
