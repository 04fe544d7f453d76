"""Mixins of observed sockets, which note what passes through a socket of any class.

When a deadline has passed, the thread that watches over connections shuts the socket down, and the call that
this wakes raises TimeoutError.
"""

import socket
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

from socketscope.observe.record import Record

_T = TypeVar("_T")

MSG_DONTWAIT, MSG_PEEK = int(socket.MSG_DONTWAIT), int(socket.MSG_PEEK)
"""As plain numbers: the operators of an enumeration take longer than a system call."""

family_of, type_of = socket.SocketType.family.__get__, socket.SocketType.type.__get__
"""As in the C class, which has plain numbers, too."""

PLAIN = socket.socket
"""The class behind all that is mixed in here. It is called by name where speed matters: `super()` looks for
a method anew each time. A program may put another class in its place, as PySocks does."""

if TYPE_CHECKING:
    Socket = socket.socket  # what these are mixed into, for type checkers
else:
    Socket = object


def note_missed(record: Record, error: OSError) -> None:
    """Note a receive that failed.

    Raises:
        TimeoutError: It failed because a deadline has passed.
    """
    record.missed(monotonic())
    if record.late:
        raise record.lateness() from None
    record.lose(error)


def note_unsent(record: Record, error: OSError) -> None:
    """Note a send that failed.

    Raises:
        TimeoutError: It failed because a deadline has passed.
    """
    if record.late and record.failure == "write_timeout":
        raise record.lateness() from None
    record.lose(error, replying=True)


class Noting(Socket):
    """What every observed stream socket has, whatever class of socket this is mixed into.

    It is no socket itself, and has no slots: a socket that somebody else made becomes an observed one by a
    change of its class, which the interpreter allows only if the layout stays.
    """

    __slots__ = ()
    _socketscope: Record | None
    """The record that it counts for; None observes nothing."""

    def _join(self) -> Record | None:
        """Find the record that this counts for, if it was given none; return it, or None."""
        return None

    def _receive(
        self, receive: Callable[..., _T], size_of: Callable[[Any], int], flags: int, *args: Any
    ) -> _T:
        if (record := self._socketscope or self._join()) is None:
            return receive(*args)
        record.wait(monotonic())
        try:
            received = receive(*args)
        except OSError as error:
            note_missed(record, error)
            raise
        except BaseException:
            record.missed(monotonic())
            raise
        if flags & MSG_PEEK:
            record.missed(monotonic())
            return received
        size = size_of(received)
        record.took(size, monotonic())
        if not size and record.late:
            raise record.lateness()
        return received

    def _send(self, send: Callable[..., int], *args: Any) -> int:
        if (record := self._socketscope or self._join()) is None:
            return send(*args)
        record.blocked += 1
        asked = 0.0 if record.sending else record.requested_at
        try:
            size = send(*args)
            if size:
                # Noted while `blocked` still counts it: others wait for that to end.
                record.gave(size, monotonic(), asked)
        except OSError as error:
            note_unsent(record, error)
            raise
        finally:
            record.blocked -= 1
        return size


class Leaving(Socket):
    """The socket of a connection that was handed on: the record ends with it."""

    __slots__ = ()
    _socketscope: Record | None

    def _real_close(self, *args: Any) -> None:
        super()._real_close(*args)  # type: ignore[misc]  # not in typeshed
        self._note_left()

    def detach(self) -> int:
        """Give the descriptor away, as the base class does."""
        descriptor = super().detach()
        self._note_left()
        return descriptor

    def dup(self) -> Self:
        """Return another socket of the same connection, of the class that this one had before."""
        twin = super().dup()
        twin.__class__ = type(self).__bases__[-1]  # the connection does not end with it
        return twin

    def _note_left(self) -> None:
        record = self._socketscope
        # `left` is read once: another thread may end the record meanwhile.
        if record is not None and (left := record.left) is not None:
            left()
