"""Signals that ask a program to end, as an exception."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
