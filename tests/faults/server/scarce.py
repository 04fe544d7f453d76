"""An echo in a process that cannot start more than a few threads."""

import threading

from tests.faults.server.handlers import Echo

_start = threading.Thread.start


def _start_if_few(self):
    if threading.active_count() > 10:
        raise RuntimeError("can't start new thread")
    _start(self)


__all__ = ["Echo"]
threading.Thread.start = _start_if_few  # type: ignore[method-assign]
