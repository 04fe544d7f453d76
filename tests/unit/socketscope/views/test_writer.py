"""The writer of lines, on a pipe."""

import errno
import io
import os
import resource
import select
import sys
import threading
from contextlib import ExitStack
from itertools import count

import pytest

from socketscope.views.lines import writer as module
from socketscope.views.lines.writer import ROOM, ROOM_OF_LONG, TICK, LineWriter
from tests.unit.socketscope.patience import until
from tests.unit.socketscope.stalled import stalled_writer

SELECT_LIMIT = 1024


@pytest.fixture
def piped():
    """Make writers; return each with the end of the pipe that it writes to."""
    made = []

    def make(digest=lambda _: []):
        reader, descriptor = os.pipe()
        made.append((LineWriter(descriptor, digest), os.fdopen(reader, "rb", 0)))
        os.close(descriptor)
        return made[-1]

    yield make
    for writer, reader in made:
        writer.close()
        reader.close()


def written(reader, seconds=20):
    """Return whether something was written within so many seconds."""
    return bool(select.select([reader], [], [], seconds)[0])


def dropped(line: bytes, times: int) -> int:
    """Return how many of so many lines are dropped while none is written."""
    with stalled_writer() as writer:
        for _ in range(times):
            writer.put(line)
        lost = writer.dropped
    assert writer.written == times - lost
    assert writer.dropped == lost
    return lost


def test_long_lines_that_were_written_make_room_for_others(piped):
    writer, reader = piped()
    line, number = b"x" * (ROOM_OF_LONG // 4 - 1) + b"\n", 20
    with io.BufferedReader(reader) as lines:
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


@pytest.mark.parametrize("traceback", [b"three\n", b"three\nTraceback\nKeyError\n"])
@pytest.mark.parametrize(("size", "torn", "lost"), [(6, b"tw\n", 3), (8, b"two\n", 2), (10, b"two\nth\n", 2)])
def test_of_lines_that_the_disk_took_in_part_those_are_lost_that_it_has_not_whole(
    monkeypatch, traceback, size, torn, lost
):
    taken: list[bytes] = []
    room = iter([size, 0, 0])
    batches = [[b"one\n", b"two\n", traceback], [b"four\n"], [b"five\n"]]

    def write(_: int, data: bytes) -> int:
        if not (size := next(room, len(data))):
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.append(bytes(data[:size]))
        return size

    monkeypatch.setattr(os, "write", write)
    null = os.open(os.devnull, os.O_WRONLY)
    writer = LineWriter(null, lambda _: batches.pop(0) if batches else [])
    os.close(null)
    until(lambda: writer.written + writer.dropped == 5)
    writer.close()
    assert b"".join(taken) == b"one\n" + torn + b"five\n"
    assert (writer.written, writer.dropped) == (5 - lost, lost)


def test_it_waits_for_room_beside_more_descriptors_than_select_can_watch():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SELECT_LIMIT + 100:
        pytest.skip(f"a process may have only {hard} file descriptors")
    reader, pipe = os.pipe()
    os.set_blocking(pipe, False)
    line, number = b"x" * 999 + b"\n", 200  # more than the pipe has room for
    with ExitStack() as undo:
        undo.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, SELECT_LIMIT + 100), hard))
        while (another := os.dup(pipe)) < SELECT_LIMIT:
            undo.callback(os.close, another)
        os.close(another)
        writer = LineWriter(pipe, lambda _: [])
        for _ in range(number):
            writer.put(line)
        until(lambda: not select.select([], [pipe], [], 0)[1])
        read = b""
        while len(read) < number * len(line) and select.select([reader], [], [], 20)[0]:
            read += os.read(reader, 1 << 16)
        writer.close()
    os.close(pipe)
    os.close(reader)
    assert read == number * line
    assert (writer.written, writer.dropped) == (number, 0)


def test_one_that_cannot_be_started_leaves_no_descriptor(monkeypatch):
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    free = os.dup(2)
    os.close(free)
    with pytest.raises(RuntimeError, match="can't start"):
        LineWriter(2, lambda _: [])
    again = os.dup(2)
    os.close(again)
    assert again == free


def test_what_waits_is_bounded_in_lines():
    assert dropped(b"short\n", ROOM + 7) == 7


def test_what_waits_is_bounded_in_bytes():
    assert dropped(bytes(1 << 20), ROOM_OF_LONG // (1 << 20) + 7) == 7


def test_lines_that_are_held_are_written_once_they_are_released(monkeypatch, piped):
    monkeypatch.setattr(module, "HELD", sys.maxsize)
    writer, reader = piped(lambda _: [b"further\n"])
    writer.hold()
    for line in (None, b"x\n"):
        if line is not None:
            writer.put(line)
        assert not written(reader, 3 * TICK)
    writer.release()
    until(lambda: writer.written > 1)
    assert reader.read(1 << 10).startswith(b"further\nx\n")


def test_lines_that_are_held_are_written_soon_though_nobody_releases_them(piped):
    writer, reader = piped()
    writer.hold()
    writer.put(b"x\n")
    assert written(reader, 5)
    assert reader.read(10) == b"x\n"


def test_a_writer_that_rests_is_woken_by_a_line(monkeypatch, piped):
    monkeypatch.setattr(module, "REST", 60.0)
    monkeypatch.setattr(module, "CALM", 1)
    writer, reader = piped()
    until(lambda: writer._rests)
    writer.put(b"x\n")
    assert written(reader)
    assert reader.read(10) == b"x\n"


@pytest.mark.parametrize("look", [1, 2], ids=["the first", "the one before a rest"])
def test_what_is_told_at_intervals_is_written_also_where_it_comes_as_the_writer_looks(
    monkeypatch, piped, look
):
    monkeypatch.setattr(module, "REST", 60.0)
    monkeypatch.setattr(module, "CALM", 1)
    told: list[bytes] = []
    writer, reader = piped(lambda _: [told.pop()] if told else [])
    clear, looks = writer._woken.clear, count(1)

    def late() -> None:
        if next(looks) == look:
            told.append(b"x\n")
            writer.wake()
        clear()

    monkeypatch.setattr(writer._woken, "clear", late)
    assert written(reader, 5)
    assert reader.read(10) == b"x\n"
