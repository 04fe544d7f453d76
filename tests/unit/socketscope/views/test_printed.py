"""What is printed to a standard output of the test's own."""

import io
import os
import pty
import sys
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from socketscope.views.lines.printed import LONGEST, output_descriptor, printed_lines


@contextmanager
def standard_output(pair: Callable[[], tuple[int, int]]) -> Iterator[IO[bytes]]:
    """Have standard output be one end of a pair; yield the other."""
    reader, writer = pair()
    with (
        os.fdopen(reader, "rb", buffering=0) as read,
        os.fdopen(writer, "w") as written,
        pytest.MonkeyPatch.context() as patch,
    ):
        # By no fixture: pytest has an output of its own for each phase of a test.
        patch.setattr(sys, "stdout", written)
        yield read


def terminal() -> tuple[int, int]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    return master, slave


def test_it_is_handed_over_in_whole_lines():
    lines: list[bytes] = []
    with standard_output(os.pipe) as output:
        before = sys.stdout
        sys.stdout.write("earlier")
        with printed_lines(lines.append):
            assert output.read(100) == b"earlier"
            sys.stdout.write("half, ")
            sys.stdout.write("and the rest\n")
            sys.stdout.buffer.write(b"bytes \xff\n\n")
            sys.stdout.flush()
            os.write(sys.stdout.fileno(), b"without an end")
        assert lines == [b"half, and the rest\n", b"bytes \xff\n", b"\n", b"without an end\n"]
        assert sys.stdout is before
        sys.stdout.write("as ever")
        sys.stdout.flush()
        assert output.read(100) == b"as ever"


def test_a_stream_that_the_program_has_put_there_meanwhile_stays():
    with standard_output(os.pipe):
        with printed_lines(pytest.fail):
            sys.stdout = own = io.StringIO()
        assert sys.stdout is own


def test_a_line_that_does_not_end_is_ended():
    lines: list[bytes] = []
    with standard_output(os.pipe), printed_lines(lines.append):
        for _ in range(3):
            os.write(sys.stdout.fileno(), b"x" * LONGEST)
    assert all(line.endswith(b"\n") and len(line) < 2 * LONGEST for line in lines)
    assert sum(map(len, lines)) == 3 * LONGEST + len(lines)


def test_a_terminal_is_left_alone():
    lines: list[bytes] = []
    with standard_output(terminal) as screen, printed_lines(lines.append):
        sys.stdout.write("prompt: ")
        sys.stdout.flush()
        assert screen.read(100) == b"prompt: "
    assert lines == []


def test_what_stands_in_for_it_without_a_descriptor_is_left_alone(monkeypatch):
    lines: list[bytes] = []
    with standard_output(os.pipe) as output:
        monkeypatch.setattr(sys, "__stdout__", sys.stdout)
        monkeypatch.setattr(sys, "stdout", kept := io.StringIO())
        with printed_lines(lines.append):
            sys.stdout.write("kept")
            os.write(output_descriptor(), b"a line\n")
        assert sys.stdout is kept
        assert (kept.getvalue(), lines) == ("kept", [b"a line\n"])
        os.write(output_descriptor(), b"as ever")
        assert output.read(100) == b"as ever"


def test_one_that_is_closed_is_told(monkeypatch):
    for name in ("stdout", "__stdout__"):
        monkeypatch.setattr(sys, name, None)
    with pytest.raises(ValueError, match="^standard output is closed"):
        output_descriptor()
