"""What every observed socket notes of what passes and of a peer that is late or gone, under TLS or not."""

import socket
from errno import ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT
from time import monotonic

from socketscope.observe.record import Record

GONE = frozenset({ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT})
"""What the kernel says of a peer that is no longer there."""

_MSG_PEEK = int(socket.MSG_PEEK)  # a plain number: an enumeration's operators take longer than a system call


class Observed:
    """What an observed socket notes of what passes, whatever carries it.

    No socket itself: the interpreter lets a TLS socket become an observed one only where the layout stays.

    Attributes:
        record: What it counts for; None observes nothing.
    """

    __slots__ = ()
    record: Record | None
    _patience: float | None  # the timeout that the handler has set

    def gettimeout(self) -> float | None:
        """Return the handler's own timeout."""
        if self.record is not None:
            return self._patience
        timeout: float | None = super().gettimeout()  # type: ignore[misc]  # of the socket that this is mixed into
        return timeout

    def setblocking(self, flag: bool) -> None:
        """Block without a timeout of the handler's own, or not at all."""
        self.settimeout(None if flag else 0)  # type: ignore[attr-defined]  # the same

    def _took(self, size: int, flags: int = 0) -> None:
        if (record := self.record) is not None and not flags & _MSG_PEEK:
            record.took(size, monotonic())

    def _gave(self, size: int) -> None:
        if size and (record := self.record) is not None:
            record.gave(size, monotonic())
