"""The writer of lines, on a pipe."""

import os
import select
import threading
import time

from socketscope.views import writer as module
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


def test_a_writer_that_rests_is_woken_by_a_line(monkeypatch):
    monkeypatch.setattr(module, "REST", 60.0)
    monkeypatch.setattr(module, "CALM", 1)
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor, lambda _: [])
    os.close(descriptor)
    deadline = time.monotonic() + 20
    while not writer._rests:
        assert time.monotonic() < deadline
    writer.put(b"x\n")
    assert select.select([reader], [], [], 20)[0]
    assert os.read(reader, 10) == b"x\n"
    writer.close()
    os.close(reader)
