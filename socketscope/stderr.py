"""Standard error, for a program's own words beside what its streams have."""

import os
import sys
from contextlib import suppress


def say(line: str) -> None:
    """Write a line, its end included; what cannot be told there can be told nowhere, and changes nothing."""
    with suppress(Exception):  # there is none, it is closed or full, or what stands in for it has an error
        # Its buffer would keep the line, and the exit status be 120.
        if (own := sys.__stderr__) is not None and own is sys.stderr:
            os.write(own.fileno(), line.encode(own.encoding, "backslashreplace"))
        else:
            sys.stderr.write(line)
            sys.stderr.flush()
