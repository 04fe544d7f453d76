"""What is printed while the log is on standard output becomes lines of the log.

Two writers to one pipe tear each other's lines: a write of more than PIPE_BUF bytes, or to a pipe that is
nearly full, may be split anywhere. So there is only one, and standard output is a pipe to it, at the level of
the descriptor: `os.write`, libraries in C and child processes write there too.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from typing import Any

from socketscope.forks import in_each_child

LONGEST = 1 << 20
"""The most bytes that may be printed without a line end; then one is added."""

LEAVE = 1.0
"""Seconds at the end for what is still in the pipe, which a child process may keep open."""

_CHUNK = 1 << 16

_made: list[Any] = []
"""Streams, kept for ever like `sys.__stdout__`: a dropped one would close what others have wrapped."""


def output_descriptor() -> int:
    """Return standard output's descriptor, or the original one if `sys.stdout` has none.

    Raises:
        ValueError: It is closed.
    """
    for stream in (sys.stdout, sys.__stdout__):
        if (descriptor := _descriptor(stream)) is not None:
            return descriptor
    raise ValueError("standard output is closed, where the log is written: log=None has none")


@contextmanager
def printed_lines(put: Callable[[bytes], object]) -> Iterator[None]:
    """Pass on all that is written to standard output as whole lines, unless that is a terminal.

    Args:
        put: Takes a line with its ending, in a thread of its own; if it blocks, so does whoever prints.
    """
    descriptor = output_descriptor()
    if os.isatty(descriptor):
        # A terminal is not slow, and a debugger's prompt has no line end.
        yield
        return
    with _own_stream(descriptor):
        kept = os.dup(descriptor)
        reader, writer = os.pipe()
        pipe = FileIO(reader)
        _read.add(pipe)
        thread = threading.Thread(target=_hand_over, args=(pipe, put), name="printed", daemon=True)
        thread.start()
        os.dup2(writer, descriptor)
        os.close(writer)
        try:
            yield
        finally:
            with suppress(Exception):  # it may be anything by now
                sys.stdout.flush()
            os.dup2(kept, descriptor)
            os.close(kept)
            thread.join(LEAVE)


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None


def _hand_over(pipe: FileIO, put: Callable[[bytes], object]) -> None:
    rest = b""
    with pipe:
        while data := pipe.read(_CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LONGEST:
                lines.append(rest)
                rest = b""
            for line in lines:
                put(line + b"\n")
    if rest:
        put(rest + b"\n")


@contextmanager
def _own_stream(descriptor: int) -> Iterator[None]:
    """Make `print` write each line at once, up to 8 KiB, so that threads which print do not mix their lines.

    Under ``python -u`` each word would be a write; otherwise all would be written only once it has 8 KiB.
    """
    before = sys.stdout
    if _descriptor(before) is None:  # a notebook's or a test's: what is printed stays there
        yield
        return
    before.flush()
    made = sys.stdout = open(  # noqa: SIM115 - others may keep it for longer than this lasts
        descriptor, "w", buffering=1, encoding=before.encoding, errors=before.errors, closefd=False
    )
    _made.append(made)
    try:
        yield
    finally:
        if sys.stdout is made:  # else the program has put another there
            sys.stdout = before


# In a forked child no thread reads the pipe: once the parent has ended, printing would wait for ever.
_read = in_each_child(FileIO.close)
