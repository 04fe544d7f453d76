"""The script for a recorded conversation. No I/O."""

import re
from collections.abc import Iterator
from math import ceil

from socketscope.replay.record.conversation import Conversation, Said, length
from socketscope.replay.record.lines import visible
from socketscope.replay.script.constructs import DEFAULT_TIMEOUT
from socketscope.units import format_duration

_PATIENCE = 3
"""A replay waits for this many times the longest wait seen, but at least for the default timeout."""

_SHORTEST_PAUSE = 0.01
_LONGEST_NAME = 20
_NAME = re.compile(rb"(?<![\w-])[A-Za-z][A-Za-z_-]+(?![\w-])")


def transcript(conversation: Conversation, *, with_pauses: bool = False) -> str:
    """Return the text of the script that replays a conversation.

    Args:
        conversation: What was said.
        with_pauses: Whether it includes the client's pauses.
    """
    made = _Transcript(conversation, with_pauses=with_pauses)
    return "".join(f"{line}\n" for line in made.lines())


class _Transcript:
    def __init__(self, conversation: Conversation, *, with_pauses: bool) -> None:
        self._conversation = conversation
        self._pauses = dict(conversation.pauses) if with_pauses else {}
        self._size = conversation.size
        self._at = 0
        self._part = self._offset = 0  # the same place: the part of what was said, and the offset in it
        self._step = ""
        self._ending = "crlf"

    def lines(self) -> Iterator[str]:
        conversation = self._conversation
        yield "@connect pass"
        if _PATIENCE * conversation.longest_wait > DEFAULT_TIMEOUT:
            yield f"@timeout {format_duration(ceil(_PATIENCE * conversation.longest_wait))}"
        if conversation.greeting:
            yield from self._begin("greeting")
        has_left = False
        for line in conversation.lines:
            yield from self._send(min(line.after, self._size))
            if line.after > self._size and not has_left:
                has_left = True
                yield "!half-close"
            yield line.expectation()
        yield from self._send(self._size, is_answered=conversation.closes)
        if conversation.closes or (conversation.closes_later and has_left):
            yield "<$"
        if conversation.resets:
            yield "!reset"

    def _send(self, until: int, *, is_answered: bool = True) -> Iterator[str]:
        """Yield what the client said up to a place."""
        start, self._at = self._at, until
        if start == until:
            return
        message = self._take(until - start)
        yield from self._begin(_name(message))
        seconds = round(self._pauses.get(start, 0.0), 3)
        if seconds >= _SHORTEST_PAUSE:
            yield f"pause {format_duration(seconds)}"
        text, ending = _without_ending(message)
        if ending != self._ending:
            self._ending = ending
            yield f"@eol {ending}"
        if not is_answered:
            yield "@reply none"
        yield f"> {visible(text)}"

    def _take(self, size: int) -> Said:
        """Return the next `size` of what was said."""
        taken: list[bytes | str] = []
        while size:
            part = self._conversation.said[self._part]
            some = part[self._offset : self._offset + size] if isinstance(part, bytes) else part
            size -= length(some)
            self._offset += length(some)
            if self._offset == length(part):
                self._part, self._offset = self._part + 1, 0
            if some:
                taken.append(some)
        return tuple(taken)

    def _begin(self, step: str) -> Iterator[str]:
        if step != self._step:
            self._step = step
            yield f"== {step}"


def _without_ending(said: Said) -> tuple[Said, str]:
    """Return a message without its ending, and what `@eol` calls that."""
    *before, last = said
    if isinstance(last, bytes):
        if last.endswith(b"\r\n"):
            return (*before, last[:-2]), "crlf"
        if last.endswith(b"\n"):
            return (*before, last[:-1]), "lf"
    return said, "none"


def _name(said: Said) -> str:
    """Return a name for the step of a message: its first word, but not a tag such as IMAP's `a1`."""
    found = next((_NAME.search(part) for part in said if isinstance(part, bytes)), None)
    return found[0][:_LONGEST_NAME].decode() if found else "message"
