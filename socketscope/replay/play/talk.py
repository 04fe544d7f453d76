"""A person's prompt: each line on a connection of its own."""

import contextlib
import io
import sys
from collections.abc import Generator
from random import Random

from socketscope.replay.play.conversation import Ended
from socketscope.replay.play.loop import Loop, Wait
from socketscope.replay.play.targets import Target
from socketscope.replay.script.text import decode, encode

PROMPT = "> "
REPLY_TIMEOUT = 10.0
"""Seconds to wait for a reply."""


def talk(target: Target) -> None:
    """Read lines until an empty one or the end, and print each one's reply."""
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            # Bytes that are no text go out and come back as they are.
            stream.reconfigure(errors="surrogateescape")
    if sys.stdin.isatty():
        _edit_lines()
    while True:
        try:
            line = input(PROMPT)
        except (EOFError, KeyboardInterrupt):
            print()  # noqa: T201 - leaves the prompt's line
            return
        if not line:
            return
        reply = ask(target, line)
        print("failed" if reply is None else reply, flush=True)  # noqa: T201 - what it is for


def _edit_lines() -> None:
    """Give `input` history and line editing, where Python was built with them."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: PLC0415 - it takes hold of the terminal

        # There is nothing to complete, and a tab may be meant for the server.
        readline.parse_and_bind("tab: self-insert")


def ask(target: Target, line: str) -> str | None:
    """Return the reply to a line, without the space around it; None where none came."""
    loop = Loop()
    try:
        reply: str | None = loop.complete(_ask(loop, target, line))
    finally:
        loop.close()
    return reply


def _ask(loop: Loop, target: Target, line: str) -> Generator[Wait, int, str | None]:
    try:
        conversation = yield from target.connect(loop, Random())
    except OSError:
        return None
    try:
        yield from conversation.write(encode(line) + b"\r\n", REPLY_TIMEOUT)
        return decode((yield from conversation.read_line(REPLY_TIMEOUT))).strip()
    except Ended as ended:
        return decode(ended.partial).strip() or None
    except (OSError, OverflowError):
        return None
    finally:
        conversation.close()
