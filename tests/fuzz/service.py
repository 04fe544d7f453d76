"""What the line service must say to what it was sent, as README.md has it."""

import re

MAX_LINE = 8192
TOO_LONG = b"ERR line too long\r\n"
TIMED_OUT = b"ERR timeout\r\n"

_REFUSALS = (TOO_LONG, TIMED_OUT)

_STAMP = re.compile(rb"\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] ")
_STAMP_SIZE = 27


class Dialogue:
    """A connection, as far as it has come.

    Attributes:
        partial: What has come of a line, or after the last one.
        ended: The service will say no more and close.
    """

    def __init__(self, *, keep_alive: bool = True) -> None:
        self.partial = b""
        self.ended = False
        self._keep_alive = keep_alive

    def take(self, data: bytes) -> list[bytes]:
        """Return the lines that are answered now that more has come; of a refusal, its text."""
        replies: list[bytes] = []
        self.partial += data
        while not self.ended and b"\n" in self.partial:
            line, _, self.partial = self.partial.partition(b"\n")
            self._answer(line + b"\n", replies)
        # A CR may still become the ending.
        if not self.ended and len(self.partial.removesuffix(b"\r")) > MAX_LINE:
            self._answer(self.partial, replies)
        return replies

    def end(self) -> list[bytes]:
        """Return the same of what is a line now that nothing more comes."""
        replies: list[bytes] = []
        if self.partial and not self.ended:
            self._answer(self.partial, replies)
        self.ended = True
        return replies

    def _answer(self, line: bytes, replies: list[bytes]) -> None:
        if fits(line):
            replies.append(line)
            self.ended = not self._keep_alive
        else:
            replies.append(TOO_LONG)
            self.ended = True


def fits(line: bytes) -> bool:
    """Return whether a line, its ending not counted, is short enough to be answered."""
    return len(re.sub(rb"\r?\n\Z", b"", line)) <= MAX_LINE


def size(replies: list[bytes]) -> int:
    """Return how many bytes the service says for these."""
    return sum(len(reply) + (0 if _is_refusal(reply) else _STAMP_SIZE) for reply in replies)


def _is_refusal(reply: bytes) -> bool:
    # A line may have the same text, and is answered like any.
    return any(reply is refusal for refusal in _REFUSALS)


def check(received: bytes, replies: list[bytes]) -> None:
    """See that what was received is these replies, each with the time before it, and nothing else.

    Raises:
        AssertionError: It is not.
    """
    position = 0
    for reply in replies:
        if not _is_refusal(reply):
            stamp = received[position : position + _STAMP_SIZE]
            assert _STAMP.fullmatch(stamp), f"{stamp!r} is no time, before {reply[:80]!r}"
            position += _STAMP_SIZE
        answer = received[position : position + len(reply)]
        assert answer == reply, f"expected {reply[:80]!r}, got {answer[:80]!r}"
        position += len(reply)
    assert position == len(received), f"{received[position : position + 80]!r} was not asked for"
