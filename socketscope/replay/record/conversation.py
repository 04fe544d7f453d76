"""What a client and a server said on one connection. No I/O."""

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Self

from socketscope.replay.record.lines import ReplyLine

Said = tuple[bytes | str, ...]
"""What a client said: bytes, and names of variables for what differs each time. A name has length 1."""


def length(part: bytes | str) -> int:
    """Return the length of a part of what was said."""
    return len(part) if isinstance(part, bytes) else 1


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said on a connection.

    Attributes:
        said: All that the client said; conversations with the same are one script.
        lines: The server's lines, each with how much the client had said by then, or `size` + 1 once it had
            left.
        closes: Whether the server closed before the client left.
        closes_later: Whether the server closed after the client had left.
        resets: Whether the client ended with a reset.
        longest_wait: Seconds that the slowest reply took.
        pauses: Pairs of how much the client had said, and for how many seconds it then paused.
    """

    said: Said
    lines: tuple[ReplyLine, ...]
    closes: bool = False
    closes_later: bool = False
    resets: bool = False
    longest_wait: float = 0.0
    pauses: tuple[tuple[int, float], ...] = ()

    @property
    def plain(self) -> bytes:
        """What the client said, as bytes; only valid before parts of it have become variables."""
        return b"".join(part for part in self.said if isinstance(part, bytes))

    @property
    def size(self) -> int:
        """The length of what the client said."""
        return sum(map(length, self.said))

    @property
    def greeting(self) -> tuple[ReplyLine, ...]:
        """What the server said before the client said anything."""
        return tuple(takewhile(lambda line: not line.after, self.lines))

    def merged(self, other: Self) -> Self | None:
        """Return one conversation that stands for two in which the client said the same.

        None if the server's parts differ too much: one lacks a reply, or two replies are not of one kind.
        """
        shorter, longer = sorted((self, other), key=lambda one: len(one.lines))
        if len(shorter.lines) < len(longer.lines) and (shorter.closes or shorter.closes_later):
            return None
        lines = []
        for one, two in zip(self.lines, other.lines, strict=False):
            if (line := one.merged(two)) is None:
                return None
            lines.append(line)
        return replace(
            self,
            lines=(*lines, *longer.lines[len(lines) :]),
            closes=self.closes or other.closes,
            closes_later=self.closes_later or other.closes_later,
            # A client that closes before it has read everything sends a reset, intended or not.
            resets=self.resets and other.resets,
            longest_wait=max(self.longest_wait, other.longest_wait),
        )
