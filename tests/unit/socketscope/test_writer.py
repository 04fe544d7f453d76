"""The writer of lines, on a pipe."""

import errno
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from socketscope.views import writer as module
from socketscope.views.writer import ROOM, ROOM_OF_LONG, TOGETHER, LineWriter

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


TELLING: dict[str, Callable[[LineWriter], None]] = {
    "put": lambda writer: writer.put(b"x\n"),
    "put_off": lambda writer: writer.put_off(lambda: b"x\n"),
}


@pytest.mark.parametrize("tell", TELLING.values(), ids=TELLING)
def test_a_writer_that_rests_is_woken_by_a_line(monkeypatch, tell):
    with resting_writer(monkeypatch) as (writer, reader):
        until(lambda: writer._rests)
        tell(writer)
        assert select.select([reader], [], [], 20)[0]
        assert os.read(reader, 10) == b"x\n"


def test_a_line_put_off_as_the_writer_goes_to_rest_is_written(monkeypatch):
    class Last(threading.Event):
        def clear(self):  # nobody could see yet that it rests
            super().clear()
            if not told:
                told.append(True)
                writer.put_off(lambda: b"x\n")

    told: list[bool] = []
    with resting_writer(monkeypatch, CALM=10) as (writer, reader):
        writer._woken = Last()
        assert select.select([reader], [], [], 20)[0]
        assert os.read(reader, 10) == b"x\n"
    assert told


def test_lines_that_are_put_off_are_made_together_and_keep_their_order():
    made: list[int] = []

    def make(number: int) -> bytes:
        made.append(number)
        return b"%d\n" % number

    reader, pipe = os.pipe()
    with stalled_writer(pipe) as writer:
        for number in range(TOGETHER - 1):
            writer.put_off(partial(make, number))
        assert made == []
        writer.put_off(partial(make, TOGETHER - 1))
        assert made == list(range(TOGETHER))
        writer.put_off(partial(make, TOGETHER))
        writer.put(b"%d\n" % (TOGETHER + 1))
        writer.put_off(partial(make, TOGETHER + 2))
    with os.fdopen(reader, "rb") as lines:
        assert lines.read() == b"".join(b"%d\n" % number for number in range(TOGETHER + 3))


def test_a_line_may_be_told_while_others_are_made():
    reader, pipe = os.pipe()
    with stalled_writer(pipe) as writer:

        def make() -> bytes:
            writer.put(b"amid\n")
            return b"made\n"

        writer.put_off(make)
        writer.put_off(lambda: b"after\n")
        telling = threading.Thread(target=writer.put, args=(b"last\n",), daemon=True)
        telling.start()
        telling.join(20)
        assert not telling.is_alive()
    with os.fdopen(reader, "rb") as lines:
        assert sorted(lines) == [b"after\n", b"amid\n", b"last\n", b"made\n"]


def test_what_is_put_off_is_the_parents_and_in_its_child_told_at_once():
    reader, pipe = os.pipe()
    with stalled_writer(pipe) as writer:
        writer._given = pipe
        writer.put_off(lambda: b"the parent's\n")
        writer.be_copy()
        writer.put_off(lambda: b"the child's\n")
        assert os.read(reader, 100) == b"the child's\n"
    with os.fdopen(reader, "rb") as lines:
        assert lines.read() == b""


@contextmanager
def resting_writer(monkeypatch, **settings: float) -> Iterator[tuple[LineWriter, int]]:
    """Run a writer that soon goes to rest, for long; and the end of a pipe that its lines come out of."""
    for name, value in {"REST": 60.0, "CALM": 1, **settings}.items():
        monkeypatch.setattr(module, name, value)
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor, lambda _: [])
    os.close(descriptor)
    yield writer, reader
    writer.close()
    os.close(reader)
