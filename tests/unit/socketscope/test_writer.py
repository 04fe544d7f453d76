"""The writer of lines, on a pipe."""

import errno
import os
import select
import time
from itertools import count

import pytest

from socketscope.views import writer as module
from socketscope.views.writer import ROOM, ROOM_OF_LONG, LineWriter

from .patience import until
from .stalled import stalled_writer


def dropped(line: bytes, times: int) -> int:
    """Return how many of so many lines are dropped while none is written."""
    with stalled_writer() as writer:
        for _ in range(times):
            writer.put(line)
        lost = writer.dropped
    assert writer.written == times - lost
    assert writer.dropped == lost
    return lost


def test_long_lines_that_were_written_make_room_for_others():
    reader, pipe = os.pipe()
    writer = LineWriter(pipe, lambda _: [])
    os.close(pipe)
    line, number = b"x" * (ROOM_OF_LONG // 4 - 1) + b"\n", 20
    with os.fdopen(reader, "rb") as lines:
        for _ in range(number):
            writer.put(line)
            assert lines.readline() == line
        writer.close()
    assert (writer.written, writer.dropped) == (number, 0)


def test_a_line_that_the_disk_took_in_part_is_ended_before_the_next(monkeypatch):
    taken: list[bytes] = []
    full = [False]

    def write(_: int, data: bytes) -> int:
        if full[0]:
            full[0] = False
            raise OSError(errno.ENOSPC, "No space left on device")
        if data[:1] == b"t":
            full[0] = True
            taken.append(bytes(data[:3]))
            return 3
        taken.append(bytes(data))
        return len(data)

    monkeypatch.setattr(os, "write", write)
    null = os.open(os.devnull, os.O_WRONLY)
    writer = LineWriter(null, lambda _: [])
    os.close(null)
    writer.put(b"torn\n")
    until(lambda: writer.dropped)
    writer.put(b"whole\n")
    writer.close()
    assert b"".join(taken) == b"tor\nwhole\n"
    assert (writer.written, writer.dropped) == (1, 1)


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


@pytest.mark.parametrize("look", [1, 2], ids=["the first", "the one before a rest"])
def test_what_is_told_at_intervals_is_written_also_where_it_comes_as_the_writer_looks(monkeypatch, look):
    monkeypatch.setattr(module, "REST", 60.0)
    monkeypatch.setattr(module, "CALM", 1)
    told: list[bytes] = []
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor, lambda _: [told.pop()] if told else [])
    os.close(descriptor)
    clear, looks = writer._woken.clear, count(1)

    def late() -> None:
        if next(looks) == look:
            told.append(b"x\n")
            writer.wake()
        clear()

    monkeypatch.setattr(writer._woken, "clear", late)
    assert select.select([reader], [], [], 5)[0]
    assert os.read(reader, 10) == b"x\n"
    writer.close()
    os.close(reader)
