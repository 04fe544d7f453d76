"""Waking a thread that waits, from another one or from a signal's handler."""

import os
import select
import weakref
from contextlib import suppress


class Call:
    """What another thread, or a signal's handler, can wake a waiting one with."""

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Closed when nobody can wake it any more: its number may be a client's right after.
        weakref.finalize(self, os.close, self.descriptor).atexit = False
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)

    def wake(self) -> None:
        """Wake who waits, or will wait next."""
        with suppress(OSError):
            os.eventfd_write(self.descriptor, 1)

    def clear(self) -> None:
        """Forget that it was called."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)

    def wait(self, seconds: float) -> bool:
        """Wait until called, at most so many seconds; return whether it was."""
        called = bool(self._poll.poll(max(seconds, 0) * 1000))
        if called:
            self.clear()
        return called
