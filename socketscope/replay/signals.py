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
"""Seconds between two looks for a signal: it is handled between two instructions, so one that comes right
before a wait wakes nobody."""


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


def _heard() -> list[signal.Signals]:
    """Return those that are not ignored, as nohup has it, and a shell for what it has in the background."""
    return [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def interrupts() -> Iterator[None]:
    """Have the first Ctrl-C raise KeyboardInterrupt in the main thread; entered once, by the program."""

    def interrupt(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        # What is left is the interpreter's end, which would answer with a traceback or another status.
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def stoppable() -> Iterator[None]:
    """Have the first of `NUMBERS` raise `Stopped` in the main thread, and ignore the rest.

    Enter it first: what is put in order on the way out must not be interrupted again.
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
    """Notes the first of `NUMBERS` from here on, which stops what `then` has named and raises nothing.

    A second one, more than `INSISTENCE` after it, ends the program there and then.

    Attributes:
        first: Its number, or 0.
    """

    def __init__(self) -> None:
        self.first = 0
        self._came_at = 0.0
        self._stop: Callable[[], object] = int
        for number in _heard():
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
            time.sleep(min(left, LOOK))

    def _note(self, number: int, _: object) -> None:
        now = time.monotonic()
        if not self.first:
            self.first, self._came_at = number, now
            self._stop()
        elif now > self._came_at + INSISTENCE:
            os._exit(128 + number)
