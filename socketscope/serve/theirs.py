"""The standard library's own loop, which a program may call by its name, even on an observed server."""

import inspect
import socketserver
import sys
import threading
from types import FrameType
from typing import Any

ASKED_TO_STOP, HAS_STOPPED = "_BaseServer__shutdown_request", "_BaseServer__is_shut_down"
"""What the standard library's own `shutdown` sets, and what it waits for. It may have been called before the
server was observed, or be called by its name."""

# `run` wraps what a launched program calls.
_LOOP = inspect.unwrap(socketserver.BaseServer.serve_forever).__code__


def serves(server: Any) -> bool:
    """Return whether another thread is in the standard library's loop with a server; only frames tell."""
    frames = sys._current_frames()  # noqa: SLF001 - documented, for such specialized purposes
    frames.pop(threading.get_ident(), None)  # it would wait for itself; gevent numbers threads otherwise
    for frame in frames.values():
        at: FrameType | None = frame
        while at is not None:
            if at.f_code is _LOOP and at.f_locals["self"] is server:
                return True
            at = at.f_back
    return False


def shut_down(server: Any) -> None:
    """Make the standard library's loop end, also one that has not begun yet; wait for one that runs."""
    vars(server)[ASKED_TO_STOP] = True
    if serves(server):
        vars(server)[HAS_STOPPED].wait()
