"""Signals that ask a program to end: as an exception, or noted."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_LOOK = 0.05
"""Seconds between two looks for a signal while there is nothing else to do."""


class Stopped(Exception):  # noqa: N818 - an order, no fault
    """A signal asked for the end.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status; Ctrl-C is the way to end what has no end of its own."""
        return 0 if self.number == signal.SIGINT else 128 + self.number


@contextmanager
def stop_signals() -> Iterator[None]:
    """Have the first of these signals raise `Stopped` in the main thread, and ignore the rest.

    Enter it first: what is put in order on the way out must not be interrupted again.
    """

    def stop(number: int, _: Any) -> None:
        for other in NUMBERS:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Noted:
    """The first SIGINT or SIGTERM from here on, which ends what there is to end and is no more than noted.

    Attributes:
        first: Its number, or 0.
    """

    def __init__(self) -> None:
        self.first = 0
        self._stop: Callable[[], object] = int
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def then(self, stop: Callable[[], object]) -> None:
        """Have a function called with the next one, or now if one has come."""
        self._stop = stop
        if self.first:
            stop()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until one has come."""
        until = time.monotonic() + seconds
        while not self.first and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))

    def _note(self, number: int, _: object) -> None:
        self.first = self.first or number
        self._stop()
