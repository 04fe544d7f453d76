"""A prompt for people: each line goes out on its own connection, or all on one."""

import contextlib
import io
import sys
from collections.abc import Callable, Generator, Iterator
from random import Random

from socketscope.replay.script.text import decode, encode
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.inbox import Closed
from socketscope.replay.wire.loop import Loop, Wait
from socketscope.replay.wire.reasons import reason
from socketscope.replay.wire.targets import Target

PROMPT = "> "
REPLY_TIMEOUT = 10.0
"""Seconds to wait for a reply."""

FIRST_BYTE = 1.0
"""Seconds to wait for the first byte on a kept connection: not every line has a reply."""

QUIET = 0.2
"""Seconds without a byte after which a reply counts as complete."""


def talk(target: Target, tell: Callable[[str], object]) -> None:
    """Read lines until an empty one or the end, and print the reply to each, or why there was none."""
    _prepare()
    for line in _lines():
        try:
            reply = ask(target, line)
        except (Closed, OSError, OverflowError) as error:
            tell(reason(error))
            reply = "failed"
        print(reply, flush=True)  # noqa: T201 - what it is for


def keep(target: Target) -> bool:
    """Read lines until an empty one or the end, send all on one connection, and print whatever comes.

    Returns:
        Whether the server closed the connection.

    Raises:
        OSError: It could not connect, or the connection broke.
    """
    _prepare()
    with contextlib.closing(Loop()) as loop:
        return loop.complete(_keep(loop, target))


def _prepare() -> None:
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            # Bytes pass unchanged in both directions, whether they are text or not.
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    if sys.stdin.isatty():
        _edit_lines()


def _lines() -> Iterator[str]:
    """Yield the lines typed at the prompt, up to an empty one."""
    while True:
        try:
            # With bracketed paste, readline returns several pasted lines at once.
            lines = input(PROMPT).split("\n")
        except (EOFError, KeyboardInterrupt):
            print()  # noqa: T201 - leaves the prompt's line
            return
        for line in lines:
            # Lines of a file may end with CRLF, and CRLF is added to each line that is sent.
            if not (said := line.removesuffix("\r")):
                return
            yield said


def _edit_lines() -> None:
    """Give `input` history and line editing, where Python was built with them."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: PLC0415 - importing it changes the terminal

        # There is nothing to complete, so a tab is for the server.
        readline.parse_and_bind("tab: self-insert")


def _keep(loop: Loop, target: Target) -> Generator[Wait, int, bool]:
    connection = yield from target.connect(loop, Random())
    try:
        heard = yield from _show(loop, connection, FIRST_BYTE)
        for line in () if connection.inbox.ended else _lines():
            yield from connection.write(encode(line) + b"\r\n", loop.now() + REPLY_TIMEOUT)
            heard = yield from _show(loop, connection, FIRST_BYTE)
            if connection.inbox.ended:
                break
        # At the end of piped input there is time to wait for the last reply.
        if not heard and not sys.stdin.isatty():
            yield from _show(loop, connection, REPLY_TIMEOUT)
        return connection.inbox.ended
    finally:
        connection.close()


def _show(loop: Loop, connection: Connection, patience: float) -> Generator[Wait, int, bool]:
    """Print what comes until the server is quiet or closes; return whether anything came."""
    inbox = connection.inbox
    shown = b""
    try:
        while not inbox.ended:
            wait = QUIET if shown else patience
            try:
                came = yield from connection.read(inbox.any_or_end, loop.now() + wait)
            except TimeoutError:
                break
            inbox.skip_all()
            shown = came or shown
            print(decode(came).replace("\r\n", "\n"), end="", flush=True)  # noqa: T201 - what it is for
    finally:
        if shown and not shown.endswith(b"\n"):
            # The prompt, or an error message, starts on a new line.
            print(flush=True)  # noqa: T201 - what it is for
    return bool(shown)


def ask(target: Target, line: str) -> str:
    """Return the reply to a line, without the white space around it.

    Raises:
        Closed: The server closed without a reply.
        OSError: It could not connect, the connection broke, or no reply came in time.
        OverflowError: The reply is too long for a line.
    """
    with contextlib.closing(Loop()) as loop:
        return loop.complete(_ask(loop, target, line))


def _ask(loop: Loop, target: Target, line: str) -> Generator[Wait, int, str]:
    connection = yield from target.connect(loop, Random())
    try:
        yield from connection.write(encode(line) + b"\r\n", loop.now() + REPLY_TIMEOUT)
        until = loop.now() + REPLY_TIMEOUT
        return decode((yield from connection.read(connection.inbox.take_line, until))).strip()
    except TimeoutError as error:
        raise TimeoutError(f"no reply within {REPLY_TIMEOUT:g} s") from error
    except Closed as closed:
        if not (reply := decode(closed.partial).strip()):
            raise
        return reply
    finally:
        connection.close()
