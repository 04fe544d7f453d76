"""``-v``: what users and server say, on standard error while they say it."""

import sys
from collections.abc import Callable
from contextlib import suppress


def overhear(users: int) -> Callable[[int, str], None]:
    """Return what prints a line that a user has said or heard, behind its number where there are several."""
    width = len(str(users))

    def hear(user: int, line: str) -> None:
        # Who read it may have gone; the run has not.
        with suppress(OSError):
            sys.stderr.write(f"{user:>{width}}  {line}\n" if users > 1 else f"{line}\n")
            sys.stderr.flush()

    return hear
