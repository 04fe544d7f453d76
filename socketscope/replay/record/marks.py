"""Marks: places in what was said that a script writes differently, mostly as variables. No I/O."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from socketscope.replay.record.conversation import Conversation
from socketscope.replay.record.lines import ReplyLine, Token, tokens_of
from socketscope.replay.script.text import decode


@dataclass(frozen=True, slots=True)
class Mark:
    """A place that is not written as it was said; if two overlap, the first in a list counts.

    Attributes:
        start: The index of its first byte, in what the client said or in a line.
        stop: The index after its last byte.
        token: What is written instead; for what the client said, always a variable.
    """

    start: int
    stop: int
    token: Token


Marks = tuple[list[Mark], dict[int, list[Mark]]]
"""Marks in what the client said, and marks in the server's lines by the number of the line."""


def marked(
    conversation: Conversation, marks: Sequence[Mark], lines: Mapping[int, Sequence[Mark]]
) -> Conversation:
    """Return a conversation, as a tape returns it, with its marks applied.

    Args:
        conversation: What was said.
        marks: Marks in what the client said.
        lines: Marks in the server's lines, by the number of the line.
    """
    if not marks and not lines:
        return conversation
    said = conversation.plain
    chosen = _apart(marks)
    parts: list[bytes | str] = []
    at = 0
    for mark in chosen:
        parts += [said[at : mark.start], mark.token.text]
        at = mark.stop
    parts.append(said[at:])
    starts = [mark.start for mark in chosen]
    saved = list(accumulate((mark.stop - mark.start - 1 for mark in chosen), initial=0))

    def moved(place: int) -> int:
        return place - saved[bisect_right(starts, place - 1)]

    return replace(
        conversation,
        said=tuple(part for part in parts if part),
        lines=tuple(
            replace(line, after=moved(line.after), pattern=_pattern(line, lines.get(number, ())))
            for number, line in enumerate(conversation.lines)
        ),
        pauses=tuple((moved(place), seconds) for place, seconds in conversation.pauses),
    )


def _pattern(line: ReplyLine, marks: Sequence[Mark]) -> tuple[Token, ...]:
    if not marks:
        return ()
    tokens: list[Token] = []
    at = 0
    for mark in _apart(marks):
        tokens += [*tokens_of(decode(line.said[at : mark.start])), mark.token]
        at = mark.stop
    return (*tokens, *tokens_of(decode(line.said[at:])))


def _apart(marks: Sequence[Mark]) -> list[Mark]:
    """Return those marks that do not overlap an earlier one, ordered by place."""
    chosen: list[Mark] = []
    for mark in marks:
        at = bisect_left(chosen, mark.start, key=lambda one: one.start)
        is_free = (not at or chosen[at - 1].stop <= mark.start) and (
            at == len(chosen) or mark.stop <= chosen[at].start
        )
        if is_free:
            chosen.insert(at, mark)
    return chosen
