"""Whether Python runs without its lock, and whether green threads replace the system's."""

import os
import sys
from collections.abc import Callable

_has_lock: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)

FREE_THREADED = not _has_lock()
"""Whether Python code runs in several threads at the same time. A C module that is loaded later may turn the
lock on; then what is done for this case is needless, but does no harm."""

AT_ONCE = len(os.sched_getaffinity(0)) if FREE_THREADED else 1
"""The number of threads that can run Python code at the same time."""

_GREEN = {
    "gevent": ("gevent.monkey", "is_module_patched"),
    "eventlet": ("eventlet.patcher", "is_monkey_patched"),
}
"""Libraries of green threads, and each one's function that tells what it has replaced."""


def refuse_green_threads() -> None:
    """Refuse to serve if green threads replace the system's: all clients would wait for one.

    Raises:
        RuntimeError: Green threads are in place.
    """
    for library, (module, asked) in _GREEN.items():
        is_replaced = getattr(sys.modules.get(module), asked, None)
        for name in ("threading", "thread", "select", "socket"):
            if is_replaced is not None and is_replaced(name):
                raise RuntimeError(
                    f"{library} has replaced {name}: socketscope serves by threads of the system's"
                )
