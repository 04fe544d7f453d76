"""Prints what users and the server say, as they say it (``-v``)."""

import sys

from socketscope.excerpt import escaped
from socketscope.replay.play.saying import Hear


def overhear(users: int) -> Hear:
    """Return a function that prints a line said or heard by a user, after its number if there are several."""
    width = len(str(users))

    def hear(user: int, line: str) -> None:
        told = escaped(line)  # it may name a file
        sys.stderr.write(f"{user:>{width}}  {told}\n" if users > 1 else f"{told}\n")
        sys.stderr.flush()

    return hear
