"""The script for a recorded conversation. No I/O."""

import re
from collections.abc import Iterator
from math import ceil
from typing import Literal

from socketscope.replay.record.conversation import Conversation, Said, length
from socketscope.replay.record.lines import visible
from socketscope.replay.script import constructs
from socketscope.replay.script.constructs import DEFAULT_TIMEOUT, Construct, Line, Script

GREETING = "greeting"
_PATIENCE = 3
"""A replay waits for this many times the longest wait seen, but at least for the default timeout."""

_SHORTEST_PAUSE = 0.01
_LONGEST_NAME = 20
_NAME = re.compile(rb"(?<![\w-])[A-Za-z][A-Za-z_-]+(?![\w-])")

_Name = Literal["crlf", "lf", "none"]


def transcript(conversation: Conversation, file: str, *, with_pauses: bool = False) -> Script:
    """Return the script that replays a conversation.

    Args:
        conversation: What was said.
        file: The script's name.
        with_pauses: Whether it includes the client's pauses.
    """
    made = _Transcript(conversation, with_pauses=with_pauses).constructs()
    return Script(file, tuple(Line(n, construct) for n, construct in enumerate(made, 1)))


class _Transcript:
    def __init__(self, conversation: Conversation, *, with_pauses: bool) -> None:
        self._conversation = conversation
        self._pauses = dict(conversation.pauses) if with_pauses else {}
        self._size = conversation.size
        self._at = 0
        self._part = self._offset = 0  # the same place: the part of what was said, and the offset in it
        self._step = ""
        self._ending: _Name = "crlf"

    def constructs(self) -> Iterator[Construct]:
        conversation = self._conversation
        yield constructs.Connect("pass")
        if _PATIENCE * conversation.longest_wait > DEFAULT_TIMEOUT:
            yield constructs.Timeout(float(ceil(_PATIENCE * conversation.longest_wait)))
        if conversation.greeting:
            yield from self._begin(GREETING)
        has_left = False
        for line in conversation.lines:
            yield from self._send(min(line.after, self._size))
            if line.after > self._size and not has_left:
                has_left = True
                yield constructs.HalfClose()
            yield line.construct()
        yield from self._send(self._size, is_answered=conversation.closes)
        if conversation.closes or (conversation.closes_later and has_left):
            yield constructs.Expect("close")
        if conversation.resets:
            yield constructs.Reset()

    def _send(self, until: int, *, is_answered: bool = True) -> Iterator[Construct]:
        """Yield what the client said up to a place."""
        start, self._at = self._at, until
        if start == until:
            return
        message = self._take(until - start)
        yield from self._begin(_name(message))
        seconds = round(self._pauses.get(start, 0.0), 3)
        if seconds >= _SHORTEST_PAUSE:
            yield constructs.Pause(seconds, seconds)
        text, ending = _without_ending(message)
        if ending != self._ending:
            self._ending = ending
            yield constructs.Ending(ending)
        if not is_answered:
            yield constructs.Reply("none")
        yield constructs.Send(visible(text))

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

    def _begin(self, step: str) -> Iterator[Construct]:
        if step != self._step:
            self._step = step
            yield constructs.Step(step)


def _without_ending(said: Said) -> tuple[Said, _Name]:
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
