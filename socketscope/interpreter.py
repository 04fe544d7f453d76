"""What is known of the interpreter that runs all this."""

import os
import sys
from collections.abc import Callable

_has_lock: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)

FREE_THREADED = not _has_lock()
"""Whether Python code runs in several threads at the same time. A module in C that is loaded later may end
that: then what is done for it is not needed."""

AT_ONCE = len(os.sched_getaffinity(0)) if FREE_THREADED else 1
"""How many threads can run Python code at the same time."""
