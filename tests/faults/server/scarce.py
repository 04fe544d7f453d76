"""An echo in a process that cannot start more than a few threads."""

import os
import threading

from tests.faults.server.handlers import Echo

MOST = int(os.environ.get("MOST_THREADS", "13"))
_start = threading.Thread.start


def _start_if_few(self):
    if threading.active_count() > MOST:
        raise RuntimeError("can't start new thread")
    _start(self)


__all__ = ["Echo"]
threading.Thread.start = _start_if_few  # type: ignore[method-assign]
