"""A writer of lines that writes none for as long as it is held."""

import contextlib
import os
import threading
from collections.abc import Iterator

from socketscope.views.lines.writer import LineWriter


@contextlib.contextmanager
def stalled_writer() -> Iterator[LineWriter]:
    """Hold a writer in the block; at the end it writes what waits, and is closed."""
    may_go_on = threading.Event()

    def digest(_: int) -> list[bytes]:
        may_go_on.wait()
        return []

    null = os.open(os.devnull, os.O_WRONLY)
    writer = LineWriter(null, digest)
    os.close(null)
    try:
        yield writer
    finally:
        may_go_on.set()
        writer.close()
