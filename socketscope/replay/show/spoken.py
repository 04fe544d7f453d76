"""``-v``: what users and server say, on standard error while they say it."""

import sys

from socketscope.excerpt import escaped
from socketscope.replay.play.saying import Hear


def overhear(users: int) -> Hear:
    """Return what prints a line that a user has said or heard, behind its number where there are several."""
    width = len(str(users))

    def hear(user: int, line: str) -> None:
        told = escaped(line)  # which names a file
        sys.stderr.write(f"{user:>{width}}  {told}\n" if users > 1 else f"{told}\n")
        sys.stderr.flush()

    return hear
