"""The writer of lines, on a pipe."""

import os
import threading

from socketscope.views.writer import ROOM, ROOM_OF_LONG, LineWriter


def dropped(line: bytes, times: int) -> int:
    """Return how many of so many lines are dropped while none is written."""
    may_go_on = threading.Event()

    def digest(_: int) -> list[bytes]:
        may_go_on.wait()
        return []

    null = os.open(os.devnull, os.O_WRONLY)
    writer = LineWriter(null, digest)
    os.close(null)
    for _ in range(times):
        writer.put(line)
    lost = writer.dropped
    may_go_on.set()
    writer.close()
    assert writer.written == times - lost
    assert writer.dropped == lost
    return lost


def test_what_waits_is_bounded_in_lines():
    assert dropped(b"short\n", ROOM + 7) == 7


def test_what_waits_is_bounded_in_bytes():
    assert dropped(bytes(1 << 20), ROOM_OF_LONG // (1 << 20) + 7) == 7
