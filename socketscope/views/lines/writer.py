"""Writes log lines in a thread of its own, so that a log that nobody reads delays nothing."""

import os
import select
import threading
import time
from bisect import bisect
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate

from socketscope.forks import in_each_child

ROOM = 10_000
"""Lines that may wait; more are dropped and counted."""

SHORT = 1024
"""The most bytes of a short line; those of longer lines are counted."""

ROOM_OF_LONG = 16 << 20
"""Bytes that waiting lines longer than `SHORT` may take together; more are dropped and counted."""

TICK = 0.05
"""Seconds between looks at the queue: a line is written well within 200 ms of its event."""

CALM = 20
"""Looks at an empty queue after which the writer rests until there is a line: not before events that are told
at intervals are due."""

HELD = 2
"""Looks at held lines after which they are written all the same."""

REST = 10.0
"""Longest rest in seconds; whoever has something to log ends it."""

FLUSH = 2.0
"""Seconds that closing waits for the lines that are left."""

_BATCH = 256
_LINE_END = ord("\n")


class LineWriter:
    """A bounded queue of lines and the thread that writes them.

    Attributes:
        written: Lines written.
        dropped: Lines lost, or torn, because the queue or the disk was full or their reader gone.
        failed: Whether any line that `digest` returned last was lost.
    """

    def __init__(self, descriptor: int, digest: Callable[[int], list[bytes]]) -> None:
        """Start writing.

        Args:
            descriptor: Where to write: what it refers to now. Only the writer's thread ever blocks on it.
            digest: Asked regularly for further lines, and told how many were dropped.

        Raises:
            RuntimeError: No thread can be started.
        """
        self.written = 0
        self.dropped = 0
        self.failed = False
        self._given = descriptor
        self._descriptor = os.dup(descriptor)
        self._digest = digest
        self._queue: deque[bytes] = deque()
        self._long = 0  # bytes of the long lines that wait
        self._held = 0  # looks left in which nothing is written
        self._is_copy = False  # in a forked process, which lacks the thread
        self._torn = False  # what was written last is not a whole line
        self._begin()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        try:
            self._thread.start()
        except (RuntimeError, MemoryError):
            os.close(self._descriptor)
            raise
        _all.add(self)

    def put(self, line: bytes) -> None:
        """Write a line, its ending included, soon; this never waits."""
        if self._is_copy:
            # Not to the writer's own descriptor, between the lines of its thread.
            with suppress(OSError):
                os.write(self._given, line)
        elif len(self._queue) < ROOM and (len(line) <= SHORT or self._has_room_for(line)):
            self._queue.append(line)
        else:
            self._drop(1)
        if self._rests:
            self.wake()

    def hold(self) -> None:
        """Leave lines unwritten until `release`; none waits for more than `HELD` looks."""
        self._held = HELD

    def release(self) -> None:
        """Write the held lines, and before them what `digest` returns."""
        self._held = 0
        self.wake()

    def wake(self) -> None:
        """Look at the queue, and ask `digest`, soon."""
        self._rests = False
        self._woken.set()

    def close(self) -> None:
        """Write what is left, for at most `FLUSH` seconds."""
        self._closing.set()
        self.wake()
        self._thread.join(FLUSH)

    def be_copy(self) -> None:
        """Go on in a forked process; its parent writes the lines that wait."""
        self._is_copy = True
        self._queue.clear()
        self._begin()

    def _begin(self) -> None:
        """Make the locks; in a child, one of the old ones may be held by a thread that it lacks."""
        self._lock = threading.Lock()  # for what several threads count
        self._closing = threading.Event()
        self._rests = False
        self._woken = threading.Event()

    def _drop(self, lines: int) -> None:
        with self._lock:
            self.dropped += lines

    def _has_room_for(self, line: bytes) -> bool:
        with self._lock:
            if self._long + len(line) > ROOM_OF_LONG:
                return False
            self._long += len(line)
            return True

    def _run(self) -> None:
        calm = 0
        while not self._closing.wait(TICK):
            # A line that was put before this is seen by the next look, and a later one ends the rest. Without
            # the interpreter's lock that takes the queue's own in between; asking for its length does not.
            self._woken.clear()
            self._rests = calm >= CALM
            self._queue.rotate(0)
            if self._held:
                self._held -= bool(self._queue)
                continue
            calm = 0 if self._write_all() else calm + 1
            if calm > CALM and not self._closing.is_set():
                self._woken.wait(REST)
            self._rests = False
        self._write_all()
        os.close(self._descriptor)

    def _write_all(self) -> bool:
        """Write all that waits; return whether anything did."""
        further = self._digest(self.dropped)
        any_waited = bool(further or self._queue)
        if further:
            self.failed = not self._write(further)
        while self._queue:
            lines = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH))]
            if taken := sum(len(line) for line in lines if len(line) > SHORT):
                with self._lock:
                    self._long -= taken
            self._write(lines)
        return any_waited

    def _write(self, lines: list[bytes]) -> bool:
        """Write lines, one of which may be several, with a traceback; return whether none was lost."""
        rest = memoryview(b"\n" * self._torn + b"".join(lines))
        while rest:
            try:
                done = os.write(self._descriptor, rest)
            except BlockingIOError:
                # Somebody else has made the descriptor non-blocking.
                room = select.poll()
                room.register(self._descriptor, select.POLLOUT)
                room.poll(TICK * 1000)
            except OSError:
                # Its reader is gone, or the disk is full. Either may pass: a named pipe's reader may return.
                ends = list(accumulate(map(len, lines)))
                kept = bisect(ends, ends[-1] - len(rest))
                self._drop(len(lines) - kept)
                self.written += kept
                time.sleep(TICK)
                return False
            else:
                self._torn = rest[done - 1] != _LINE_END
                rest = rest[done:]
        self.written += len(lines)
        return True


_all = in_each_child(LineWriter.be_copy)
