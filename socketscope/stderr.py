"""A program's own messages on standard error."""

import os
import sys
from contextlib import suppress

from socketscope.excerpt import escaped


def say(program: str, message: str) -> None:
    """Write a program's message as a line. A failure is ignored: there is nowhere else to tell of it."""
    line = f"{program}: {escaped(message)}\n"
    with suppress(Exception):  # there is none, it is closed or full, or its stand-in fails
        # A line that cannot be written would stay in the buffer, and turn the exit status into 120.
        if (own := sys.__stderr__) is not None and own is sys.stderr:
            os.write(own.fileno(), line.encode(own.encoding, "backslashreplace"))
        else:
            sys.stderr.write(line)
            sys.stderr.flush()
