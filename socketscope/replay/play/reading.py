"""What an expectation takes of what comes on a connection."""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from socketscope.replay.play.asides import Asides
from socketscope.replay.play.conversation import Conversation
from socketscope.replay.play.failing import wrong
from socketscope.replay.play.inbox import Differs, Inbox
from socketscope.replay.play.saying import Line
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import OF_LINES, Expectation, groups
from socketscope.replay.script.text import quoted

Take = Callable[[], bytes | None]
"""Takes what was expected, and returns as much of it as is to be looked at; None while more must come."""


def taking(
    action: Expectation, conversation: Conversation, context: Context, random: Random, asides: Asides
) -> Take:
    """Return what takes the next line, or whatever else an expectation is about.

    Raises:
        Differs: It is about something that cannot be.
    """
    inbox = conversation.inbox
    take: Take
    match action.kind:
        case "count":
            # Lines among them are no asides.
            if (number := action.count(context, random)) is None:
                raise Differs(action.template.fill(context, random))
            return Count(number, inbox)
        case "bytes":
            take = partial(inbox.take_text, action.template.fill(context, random))
        case "bytes match":
            take = _match(action, inbox, context, random)
        case "rest":
            # The beginning of a line that may be an aside stays.
            take = partial(_skip_lines, inbox) if asides.known else inbox.skip_all
        case "close":
            take = inbox.any_or_end
            if asides.known:
                # What ends no line yet may become one.
                return lambda: inbox.unread() if asides.attend(conversation) or inbox.ended else None
        case _:
            take = inbox.take_line
    return asides.before(take, conversation) if asides.known else take


class Count:
    """Takes so many bytes, without keeping them."""

    def __init__(self, number: int, inbox: Inbox) -> None:
        self._number = self._left = number
        self._inbox = inbox

    def __call__(self) -> bytes | None:
        """Take what has come of them; once that is all, return how a script has it."""
        self._left -= self._inbox.skip(self._left)
        return None if self._left else b"%dB" % self._number

    @property
    def told(self) -> str:
        """How many were taken, for a person."""
        return f"{self._number - self._left} of {self._number} bytes"


def came_so_far(conversation: Conversation, take: Take, last: bytes, others: int, context: Context) -> str:
    """Return what came where something else was waited for, for a person; empty if nothing did.

    Args:
        conversation: Where it was waited for.
        take: What would have taken it.
        last: The last line that was passed over.
        others: How many were.
        context: Variables of the pass.
    """
    if isinstance(take, Count):
        return take.told
    if others:
        lines = "1 other line" if others == 1 else f"{others} other lines, the last"
        return f"{lines} {quoted(last, context)},"
    unread = conversation.inbox.unread()
    return quoted(unread, context) if unread else ""


def last_line(
    partial: bytes,
    action: Expectation,
    conversation: Conversation,
    context: Context,
    random: Random,
    take: Take,
) -> Mapping[str, str]:
    """Return the variables of what stands before a close and ends no line: it is one, if it was expected.

    Raises:
        Failed: It was not.
    """
    found = None
    if partial and action.kind in OF_LINES and action.kind != "any":
        found = action.matches(partial, context, random)
    if found is None:
        outcome = "closed" if conversation.first_byte_at is None else "short_reply"
        got = take.told if isinstance(take, Count) else _and_the_end(partial, context)
        raise wrong(outcome, action, context, random, got)
    return found


def _and_the_end(partial: bytes, context: Context) -> str:
    return f"{quoted(partial, context)} and the end" if partial else "the end"


def recalled(
    action: Expectation, greeting: list[bytes], context: Context, random: Random, note: Callable[[Line], None]
) -> Mapping[str, str]:
    """Return the variables of what a server said when the connection opened; take it from that, and note it.

    Raises:
        Failed: It was something else.
    """
    while greeting:
        line = greeting.pop(0)
        note(line)
        found = action.matches(line, context, random)
        if found is not None:
            return found
        if not action.kind.startswith("until"):
            break
    raise wrong("mismatch", action, context, random, "another greeting, when the connection opened")


def _match(action: Expectation, inbox: Inbox, context: Context, random: Random) -> Take:
    expression = action.expression(context, random)
    if expression is None:
        raise Differs(b"")

    def take() -> bytes | None:
        if (match := inbox.take_match(expression)) is None:
            return None
        context.update(groups(match))
        return match.string[: match.end()]

    return take


def _skip_lines(inbox: Inbox) -> bytes | None:
    while inbox.next_line() is not None:
        inbox.take_line()
    return inbox.skip_all() if inbox.ended else None
