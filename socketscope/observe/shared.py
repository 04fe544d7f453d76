"""Records for an interpreter without a lock: several threads may use one connection at the same time.

A handler's socket may be written to by the threads of other clients, as in a chat. With the interpreter's
lock no two of them are in the same statement; without it, a sum that two add to may lose what one has added.
"""

import threading
from math import inf
from typing import Any

from socketscope.interpreter import FREE_THREADED
from socketscope.limits import Limits
from socketscope.observe.datagrams import Datagram
from socketscope.observe.record import UNLIMITED, Record, Sums


class SharedRecord(Record):
    """One connection; its lock is taken before the lock of the totals, never after."""

    __slots__ = ("_sends", "_turn")

    def __init__(self, totals: Sums, address: Any, now: float, limits: Limits = UNLIMITED) -> None:
        super().__init__(totals, address, now, limits)
        self._turn = threading.Lock()

    @property
    def blocked(self) -> int:
        """Whether a call that sends is under way: a number that several change would drift for good."""
        return self._sends

    @blocked.setter
    def blocked(self, calls: int) -> None:
        self._sends = calls > 0

    def wait(self, now: float) -> None:
        """Note that bytes are waited for."""
        with self._turn:
            super().wait(now)

    def took(self, size: int, now: float) -> None:
        """Note a receive."""
        with self._turn:
            super().took(size, now)

    def missed(self, now: float) -> None:
        """Note a wait that brought nothing."""
        with self._turn:
            super().missed(now)

    def gave(self, size: int, now: float, asked: float = inf) -> None:
        """Note a send."""
        with self._turn:
            super().gave(size, now, asked)

    def fail(self, outcome: str, error: BaseException | None = None) -> None:
        """Note what went wrong."""
        with self._turn:
            super().fail(outcome, error)


class SharedDatagram(Datagram):
    """One datagram."""

    __slots__ = ("_turn",)

    def __init__(self, peer: str, received: int, patience: float | None = None) -> None:
        super().__init__(peer, received, patience)
        self._turn = threading.Lock()

    def took(self, size: int) -> None:
        """Note a receive."""
        with self._turn:
            super().took(size)

    def gave(self, size: int) -> None:
        """Note a send."""
        with self._turn:
            super().gave(size)


new_record: type[Record] = SharedRecord if FREE_THREADED else Record
new_datagram: type[Datagram] = SharedDatagram if FREE_THREADED else Datagram
