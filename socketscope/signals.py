"""Signals that ask a program to stop, and what a second one means."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)

INSISTENCE = 0.5
"""Seconds after the first stop signal until another one counts as a second one. An earlier one is the
same again: a terminal sends Ctrl-C to a whole group, and a wrapper in it, as make or uv, passes it on."""


class Stop:
    """Whether a stop was asked for; whoever waits for a signal waits for its socket.

    Attributes:
        asked: A signal has come.
        insists: A second one has come.
        renew: Files are to be read again.
        ended: A server has ended.
        before: The previous handler of each signal.
    """

    def __init__(self, *, renews: bool) -> None:
        self.asked = self.insists = self.renew = self.ended = False
        self._renews = renews
        self.before: dict[signal.Signals, Any] = {}
        self._process = os.getpid()
        self._first = 0.0
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if os.getpid() != self._process:
            # A child that was forked meanwhile handles the signal as before.
            signal.signal(number, self.before[signal.Signals(number)])
            signal.raise_signal(number)
            return
        if self._renews and number == signal.SIGHUP:
            self.renew = True
            self.wake()
            return
        # In a handler nothing may take a lock that the interrupted code could hold.
        now = monotonic()
        if not self.asked:
            self.asked, self._first = True, now
        elif now > self._first + INSISTENCE:
            self.insists = True
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits; safe from any thread and in a signal's handler."""
        with suppress(OSError):
            self._writer.send(b"\0")

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a signal comes."""
        self._reader.settimeout(max(seconds, 0))
        with suppress(TimeoutError, BlockingIOError):
            self._reader.recv(64)

    def fileno(self) -> int:
        """Return the descriptor that wakes whoever waits when it is written to."""
        return self._writer.fileno()

    def close(self) -> None:
        """Close its socket."""
        self._reader.close()
        self._writer.close()


@contextmanager
def stop_signals(*, renews: bool = False) -> Iterator[Stop]:
    """Note `STOP_SIGNALS`, also those that came while they were blocked.

    Args:
        renews: Whether SIGHUP asks for files to be read again, and for no stop.

    Raises:
        ValueError: This is not the main thread, and signals are handled there alone.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("signals are handled in the main thread: call run() there")
    stop = Stop(renews=renews)
    # A handler runs between two instructions of the main thread: if another thread takes the signal, or it
    # comes right before a wait, the wait would not end by itself.
    woken_before = signal.set_wakeup_fd(stop.fileno(), warn_on_full_buffer=False)
    taken = [number for number in STOP_SIGNALS if renews or not _detached(number)]
    stop.before = {number: signal.getsignal(number) for number in taken}
    for number in taken:
        signal.signal(number, stop.note)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        yield stop
    finally:
        for number, handler in stop.before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken_before)
        stop.close()


def _detached(number: int) -> bool:
    """Return whether this is SIGHUP, and the program is to outlive its terminal, as under nohup."""
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
