"""What every observed socket notes of what passes and of a peer that is late or gone, under TLS or not."""

import socket
from errno import ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT
from time import monotonic

from socketscope.limits import Limits
from socketscope.record import Record

GONE = frozenset({ECONNABORTED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ENOTCONN, EPIPE, ETIMEDOUT})
"""What the kernel says of a peer that is no longer there."""

_MSG_PEEK = int(socket.MSG_PEEK)  # a plain number: an enumeration's operators take longer than a system call


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


class Observed:
    """What an observed socket notes of what passes, whatever carries it.

    No socket itself: the interpreter lets a TLS socket become an observed one only where the layout stays.

    Attributes:
        record: What it counts for; None observes nothing.
    """

    __slots__ = ()
    record: Record | None
    _limits: Limits
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
