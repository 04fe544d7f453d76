"""What a client and a server said on one connection. No I/O."""

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Self

from socketscope.replay.record.lines import ReplyLine

Said = tuple[bytes | str, ...]
"""What a client said: bytes, and the name of a variable for what differs each time. A name has length 1."""


def length(part: bytes | str) -> int:
    """Return how far a part of what was said reaches."""
    return len(part) if isinstance(part, bytes) else 1


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said on a connection.

    Attributes:
        said: By the client, all of it; what tells one conversation from another.
        lines: The server's, each with how much the client had said by then; once it had left, `size` + 1.
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
    def plain(self) -> bytes:
        """What the client said, as bytes; asked for before any of it has become a variable."""
        return b"".join(part for part in self.said if isinstance(part, bytes))

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
            # A client that closes before it has read all resets, whether it means to or not.
            resets=self.resets and other.resets,
            longest_wait=max(self.longest_wait, other.longest_wait),
        )
