"""Writes log lines from a thread of its own, so that a log which nobody reads holds up nothing."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

ROOM = 10_000
"""Lines that may wait; more are dropped and counted."""

TICK = 0.05
"""Seconds between looks at the queue: a line is written well within 200 ms of its event."""

FLUSH = 2.0
"""Seconds that closing waits for the lines that are left."""

_BATCH = 256


class LineWriter:
    """A bounded queue of lines and the thread that writes them.

    Attributes:
        written: Lines written.
        dropped: Lines lost because the queue was full or their reader gone.
    """

    def __init__(self, descriptor: int, digest: Callable[[], list[bytes]]) -> None:
        """Start writing.

        Args:
            descriptor: Where to; only the writer's thread ever blocks on it.
            digest: Asked regularly for further lines.
        """
        self.written = 0
        self.dropped = 0
        self._descriptor = descriptor
        self._digest = digest
        self._queue: deque[bytes] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line, its ending included, written soon; never waits."""
        if len(self._queue) < ROOM:
            self._queue.append(line)
        else:
            self.dropped += 1

    def close(self) -> None:
        """Write what is left, for at most `FLUSH` seconds."""
        self._closing.set()
        self._thread.join(FLUSH)

    def _run(self) -> None:
        while not self._closing.wait(TICK):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        for line in self._digest():
            self.put(line)
        while self._queue:
            lines = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH))]
            self._write(b"".join(lines), len(lines))

    def _write(self, data: bytes, lines: int) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Somebody else made the descriptor non-blocking.
                with suppress(OSError):
                    select.select([], [self._descriptor], [], TICK)
            except OSError:
                # Its reader is gone. It may come back, as a named pipe's does.
                lost = bytes(rest).count(b"\n")
                self.dropped += lost
                self.written += lines - lost
                time.sleep(TICK)
                return
        self.written += lines
