"""The command line's standard streams, whose failures are kept apart from other errors."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, TypeVar

_OUTPUT = 1
_NOTHING = Path(os.devnull)


class Unwritable(Exception):  # noqa: N818 - no error of the program: whoever redirected it can fix it
    """Standard output could not be written to."""


class Unread(Unwritable):
    """The reader of standard output has gone."""


class _Output(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        with _told():
            return super().write(text)

    def flush(self) -> None:
        with _told():
            super().flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise Unread(error.strerror) from error
    except OSError as error:
        raise Unwritable(error.strerror) from error


class _Errors(io.TextIOWrapper):
    """Ignores failures: there is nowhere else to report them, and they change no result."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


_Stream = TypeVar("_Stream", bound=io.TextIOWrapper)


def guard_streams() -> None:
    """Have standard output raise `Unwritable`, and standard error nothing; a closed one is the null device.

    Streams that somebody has put in place of the process's own stay as they are.
    """
    # The file takes the number of the closed stream, which a connection would get otherwise.
    sys.stdin = sys.stdin or _NOTHING.open()  # as long as the process
    if sys.stdout is sys.__stdout__:
        sys.stdout = _like(sys.stdout, _Output)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _like(sys.stderr, _Errors)


def _like(stream: TextIO | None, kind: type[_Stream]) -> _Stream:
    if stream is None:
        return kind(_NOTHING.open("wb"))
    # A script or a server may send what the terminal's encoding lacks: no reason to raise.
    errors = "backslashreplace" if stream.errors == "strict" else stream.errors
    # ASCII is the encoding of an unset locale, which click too takes for UTF-8.
    encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
    return kind(
        stream.buffer, encoding=encoding, errors=errors,
        line_buffering=bool(stream.line_buffering),
    )  # fmt: skip


def discard_output() -> None:
    """Discard what is left in standard output's buffer, which the interpreter would write at its end."""
    os.dup2(os.open(_NOTHING, os.O_WRONLY), _OUTPUT)
