"""What was said on one connection, whoever was faster, and the script that it makes. No I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from math import ceil
from typing import Self

from socketscope.replay.record.lines import ReplyLine, visible
from socketscope.replay.script.constructs import (
    Connect,
    Construct,
    Ending,
    Expect,
    HalfClose,
    Line,
    Pause,
    Reply,
    Reset,
    Script,
    Send,
    Step,
    Timeout,
)

DEFAULT_TIMEOUT = 5.0
_PATIENCE = 3
"""How many times the longest wait a replay waits, where that is more than scripts wait anyway."""

_SHORTEST_PAUSE = 0.01
GREETING = "greeting"
_LONGEST_NAME = 20
_NAME = re.compile(rb"(?<![\w-])[A-Za-z][A-Za-z_-]+(?![\w-])")

Said = tuple[bytes | str, ...]
"""What a client said: bytes, and names of variables where it is another each time. A name has length 1."""


def cut(said: Said, start: int, stop: int) -> Said:
    """Return the part of it between two places."""
    parts: list[bytes | str] = []
    at = 0
    for part in said:
        size = length(part)
        if isinstance(part, bytes):
            parts.append(part[max(start - at, 0) : max(stop - at, 0)])
        elif start <= at < stop:
            parts.append(part)
        at += size
    return tuple(part for part in parts if part)


def length(part: bytes | str) -> int:
    """Return how far a part of what was said reaches."""
    return len(part) if isinstance(part, bytes) else 1


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said on a connection.

    Attributes:
        said: By the client, all of it; what tells one conversation from another.
        lines: Of the server, each with how much the client had said; one more than all, when it had left.
        closes: Whether the server closed while the client was there.
        closes_later: Whether it closed when the client had left.
        resets: Whether the client ended with a reset.
        longest_wait: Seconds that the slowest reply took.
        pauses: Seconds that the client was silent before it went on, by how much it had said.
    """

    said: Said
    lines: tuple[ReplyLine, ...]
    closes: bool = False
    closes_later: bool = False
    resets: bool = False
    longest_wait: float = 0.0
    pauses: tuple[tuple[int, float], ...] = ()

    @property
    def size(self) -> int:
        """How much the client said."""
        return sum(map(length, self.said))

    @property
    def greeting(self) -> tuple[ReplyLine, ...]:
        """What the server said before it was spoken to."""
        return tuple(takewhile(lambda line: not line.after, self.lines))

    def merged(self, other: Self) -> Self | None:
        """Return a conversation that is either of two in which the client said the same.

        None where they are different all the same: one has replies that the other waited for in vain, or that
        are not of a kind.
        """
        shorter, longer = sorted((self, other), key=lambda one: len(one.lines))
        if len(shorter.lines) < len(longer.lines) and (shorter.closes or shorter.closes_later):
            return None
        lines = [one.merged(two) for one, two in zip(self.lines, other.lines, strict=False)]
        if None in lines:
            return None
        return replace(
            self,
            lines=(*(line for line in lines if line is not None), *longer.lines[len(lines) :]),
            closes=self.closes or other.closes,
            closes_later=self.closes_later or other.closes_later,
            # A client that closes before it has read all resets, whether it means to or not.
            resets=self.resets and other.resets,
            longest_wait=max(self.longest_wait, other.longest_wait),
        )

    def script(self, file: str, *, with_pauses: bool = False) -> Script:
        """Return the script that holds this conversation again."""
        constructs = self._constructs(dict(self.pauses) if with_pauses else {})
        return Script(file, tuple(Line(n, construct) for n, construct in enumerate(constructs, 1)))

    def _constructs(self, pauses: dict[int, float]) -> Iterator[Construct]:
        yield Connect("pass")
        if _PATIENCE * self.longest_wait > DEFAULT_TIMEOUT:
            yield Timeout(float(ceil(_PATIENCE * self.longest_wait)))
        size, at, ending, step, has_left = self.size, 0, "crlf", "", False
        if self.lines and not self.lines[0].after:
            yield Step(step := GREETING)
        # The end may be where no line is.
        for line in (*self.lines, None):
            until = size if line is None else min(line.after, size)
            if until > at:
                message = cut(self.said, at, until)
                if (name := _name(message)) != step:
                    yield Step(step := name)
                if (seconds := pauses.get(at, 0.0)) >= _SHORTEST_PAUSE:
                    yield Pause(round(seconds, 3), round(seconds, 3))
                text, wanted = _parted(message)
                if wanted != ending:
                    ending = wanted
                    yield Ending(wanted)
                if line is None and not self.closes:
                    yield Reply("none")
                yield Send(visible(text))
                at = until
            if line is not None:
                if line.after > size and not has_left:
                    has_left = True
                    yield HalfClose()
                yield line.construct()
        if self.closes or (self.closes_later and has_left):
            yield Expect("close")
        if self.resets:
            yield Reset()


def _parted(said: Said) -> tuple[Said, str]:
    *before, last = said
    if isinstance(last, bytes):
        for ending, name in ((b"\r\n", "crlf"), (b"\n", "lf")):
            if last.endswith(ending):
                return (*before, last.removesuffix(ending)), name
    return said, "none"


def _name(said: Said) -> str:
    """Return the name of a message's step: its first word, which is no tag as IMAP's `a1`."""
    found = next((_NAME.search(part) for part in said if isinstance(part, bytes)), None)
    return found[0][:_LONGEST_NAME].decode() if found else "message"
