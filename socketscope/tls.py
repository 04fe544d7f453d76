"""A connection's socket under TLS: what its handler sees is noted, and its peer held to the deadlines.

A listener that `SSLContext.wrap_socket` has wrapped accepts without a handshake here: that belongs to the
connection's thread, within the read deadline, so that a peer which never finishes it holds up nobody. An
accepted socket becomes observed by a change of its class: whoever wrapped it, it stays the same object.
"""

import math
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from errno import ECONNABORTED
from time import monotonic
from typing import Any, TypeVar

from socketscope.observed import GONE, Observed
from socketscope.record import Record

_Done = TypeVar("_Done")


class ListeningTLSSocket(ssl.SSLSocket):
    """A listener that leaves the handshake to whoever serves the connection."""

    def accept(self) -> tuple[ssl.SSLSocket, Any]:
        """Accept a connection.

        Raises:
            BlockingIOError: None came within the listener's timeout.
            ConnectionAbortedError: It was gone before it could be wrapped.
        """
        descriptor, address = self._accept()  # type: ignore[attr-defined]  # not in typeshed
        plain = socket.socket(self.family, self.type, self.proto, fileno=descriptor)
        plain.setblocking(True)
        try:
            wrapped = self.context.wrap_socket(
                plain,
                server_side=True,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=self.suppress_ragged_eofs,  # type: ignore[attr-defined]  # not in typeshed
            )
        except OSError as error:
            plain.close()
            raise ConnectionAbortedError(ECONNABORTED, str(error)) from error
        return wrapped, address


class ObservedTLSSocket(Observed, ssl.SSLSocket):
    """A TLS socket that counts its plain bytes for its record."""

    record: Record | None = None
    _patience: float | None = None

    def observe(self, record: Record) -> None:
        """Count for this record, and hold the peer to its limits, from now on."""
        self._patience = self.gettimeout()
        self.record = record

    def settimeout(self, value: float | None) -> None:
        """Set the handler's own timeout, which holds beside the deadlines."""
        super().settimeout(value)
        self._patience = value

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake within the read deadline.

        A peer that leaves during it, or is late, has sent nothing; one that speaks no TLS counts as a reset,
        as bytes had come.
        """
        if (record := self.record) is None:
            super().do_handshake(block)
            return
        try:
            self._by(record.input_deadline(), super().do_handshake)
        except TimeoutError:
            raise record.overdue() from None
        except OSError as error:
            if error.errno in GONE or isinstance(error, ssl.SSLEOFError):
                record.lose(error)
            else:
                record.fail("reset", error)
            raise

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the base's name
        """Receive plain bytes, as the base class does; its other ways to receive end here too."""
        if (record := self.record) is None:
            return super().read(len, buffer)
        record.pause()
        try:
            received = self._by(record.input_deadline(), super().read, len, buffer)
        except TimeoutError:
            raise record.overdue() from None
        except OSError as error:
            if error.errno in GONE or isinstance(error, ssl.SSLEOFError):
                record.lose(error)
            raise
        self._took(received if isinstance(received, int) else memoryview(received).nbytes)
        return received

    def send(self, data: Any, flags: int = 0) -> int:
        """Send plain bytes, as the base class does; its other ways to send end here too."""
        if (record := self.record) is None:
            return super().send(data, flags)
        began = monotonic()
        try:
            size = self._by(began + record.output_left(), super().send, data, flags)
        except TimeoutError:
            raise record.not_taken() from None
        except OSError as error:
            if error.errno in GONE or isinstance(error, ssl.SSLEOFError):
                record.lose(error, replying=True)
            raise
        finally:
            record.stalled += monotonic() - began
        self._gave(size)
        return size

    def write(self, data: Any) -> int:
        """Send plain bytes."""
        return self.send(data)

    def shutdown(self, how: int) -> None:
        """Tell the peer that this is the end, so that it cannot take it for a cut; then shut down."""
        if how != socket.SHUT_RD:
            super().settimeout(0)
            # Its answer is not waited for.
            with suppress(OSError, ValueError):
                self.unwrap()
        super().shutdown(how)

    def _by(self, deadline: float, act: Callable[..., _Done], *args: Any) -> _Done:
        """Act within a deadline and the handler's own timeout.

        Raises:
            TimeoutError: The earlier of the two has passed.
        """
        if self._patience != 0:
            left = min(deadline - monotonic(), math.inf if self._patience is None else self._patience)
            if left <= 0:
                raise TimeoutError
            super().settimeout(None if math.isinf(left) else left)
        return act(*args)
