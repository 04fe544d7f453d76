"""Waking a thread that waits, from another one or from a signal handler."""

import os
import select
import weakref
from contextlib import suppress


class Waker:
    """Wakes a thread that waits in `wait`, or whose own `poll` watches the descriptor."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Closed once nobody can use it any more: its number may be a client's right after that.
        weakref.finalize(self, os.close, self.descriptor).atexit = False
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)

    def wake(self) -> None:
        """Wake whoever waits, or will wait next."""
        with suppress(OSError):
            os.eventfd_write(self.descriptor, 1)

    def clear(self) -> None:
        """Forget that somebody was to be woken."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)

    def wait(self, seconds: float) -> bool:
        """Wait until woken, at most so many seconds; return whether that was so."""
        woken = bool(self._poll.poll(max(seconds, 0) * 1000))
        if woken:
            self.clear()
        return woken
