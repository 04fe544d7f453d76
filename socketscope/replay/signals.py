"""Signals that ask a program to end: as an exception, or noted."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from socketscope.signals import INSISTENCE

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

LOOK = 0.05
"""Seconds between two looks for a signal. Python handles signals between two instructions, so one that comes
right before a wait does not end it."""


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """A signal asked the program to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status: 0 for Ctrl-C, which is how to end what has no end of its own."""
        return 0 if self.number == signal.SIGINT else 128 + self.number


def _heard() -> list[signal.Signals]:
    """Return the signals that are not ignored; nohup ignores some, as do shells for background jobs."""
    return [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt in the main thread on the first Ctrl-C; entered once, by the program."""

    def interrupt(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        # While the interpreter ends, a signal would cause a traceback or another exit status.
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the main thread on the first of `NUMBERS`, and ignore the rest.

    Enter it before other context managers: their clean-up must not be interrupted again.
    """

    def stop(number: int, _: Any) -> None:
        for other in NUMBERS:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Noted:
    """Notes the first of `NUMBERS` and calls what `then` was given; raises nothing.

    A second signal, more than `INSISTENCE` seconds later, ends the program at once.

    Attributes:
        first: The number of the first signal, or 0.
    """

    def __init__(self) -> None:
        self.first = 0
        self._came_at = 0.0
        self._stop: Callable[[], object] = int
        for number in _heard():
            signal.signal(number, self._note)

    def then(self, stop: Callable[[], object]) -> None:
        """Have a function called on the first signal, or now if that has come."""
        self._stop = stop
        if self.first:
            stop()

    def wait(self, seconds: float) -> None:
        """Wait for that long, or until a signal has come."""
        until = time.monotonic() + seconds
        while not self.first and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK))

    def _note(self, number: int, _: object) -> None:
        now = time.monotonic()
        if not self.first:
            self.first, self._came_at = number, now
            self._stop()
        elif now > self._came_at + INSISTENCE:
            os._exit(128 + number)
