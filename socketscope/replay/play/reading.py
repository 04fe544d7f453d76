"""Reads from a connection what an expectation asks for."""

from collections.abc import Callable, Generator, Mapping
from functools import partial

from socketscope.replay.play.asides import Asides
from socketscope.replay.play.failing import differs, not_read, wrong
from socketscope.replay.script.context import Context
from socketscope.replay.script.program import OF_LINES, Expectation, groups
from socketscope.replay.script.text import quoted
from socketscope.replay.wire.connection import Connection
from socketscope.replay.wire.inbox import Closed, Differs, Inbox
from socketscope.replay.wire.loop import Wait

Take = Callable[[], bytes | None]
"""Takes what is expected from the inbox, and returns what is to be compared; None while more must come."""

_LONGEST_PIECE = 65536
"""Bytes without a line ending that are kept, of data that is not compared."""

_AND_NO_LINE = dict.fromkeys(OF_LINES, " and no end of line")
"""What a message adds about missing bytes, by the kind of expectation."""


def read_expected(
    action: Expectation,
    connection: Connection,
    asides: Asides,
    note: Callable[[bytes], None],
    until: float,
) -> Generator[Wait, int, bytes]:
    """Read what is expected; return its last line, or whatever else the expectation is about.

    Args:
        action: The expectation.
        connection: Where to read.
        asides: The pass's asides, with its variables, which a reply may set.
        note: Notes each line.
        until: When the reply must have come, on the loop's clock.

    Raises:
        Failed: Something else came, or nothing.
    """
    context, is_line = asides.context, action.kind in OF_LINES
    take: Take = connection.inbox.take_line
    others, reply, asides.met = 0, b"", 0
    try:
        if asides.known or not is_line:
            take = _taking(action, connection, asides)
        while True:
            reply = yield from connection.read(take, until)
            found = action.matches(reply, context) if is_line else {}
            if found is not None:
                break
            if not action.kind.startswith("until"):
                raise differs(action, context, reply)
            others += 1
            note(reply)
    except Closed as closed:
        found, reply = _last_line(closed.partial, action, connection, context, take), closed.partial
    except (Differs, OverflowError, OSError) as error:
        came = _came_so_far(action, connection, take, asides, others, reply)
        raise not_read(error, action, context, came) from error
    context.update(found)
    if not action.ends:
        note(reply)
    return reply


def _taking(action: Expectation, connection: Connection, asides: Asides) -> Take:
    """Return the function that takes the next line, or whatever else the expectation is about.

    Raises:
        Differs: A variable's value makes it an invalid number of bytes or regular expression.
    """
    inbox, context = connection.inbox, asides.context
    take: Take
    match action.kind:
        case "count":
            # Lines among these bytes are no asides.
            if (number := action.count(context)) is None:
                raise Differs(action.template.fill(context))
            return Count(number, inbox)
        case "bytes":
            take = partial(inbox.take_text, action.template.fill(context))
        case "bytes match":
            take = _match(action, inbox, context)
        case "rest":
            return Rest(connection, asides)
        case "close":
            take = inbox.any_or_end
            if asides.known:
                # An unfinished line may still become an aside.
                return lambda: inbox.unread() if asides.attend(connection) or inbox.ended else None
        case _:
            take = inbox.take_line
    return asides.before(take, connection) if asides.known else take


class Count:
    """Takes a number of bytes, and keeps the first of them for messages."""

    def __init__(self, number: int, inbox: Inbox) -> None:
        self._number = self._left = number
        self._inbox = inbox
        self._first = b""

    def __call__(self) -> bytes | None:
        """Take what has come; once all bytes have, return their number as a script writes it."""
        piece = self._inbox.take_bytes(self._left)
        self._left -= len(piece)
        if len(self._first) < _LONGEST_PIECE:
            self._first += piece
        return None if self._left else b"%dB" % self._number

    def told(self, context: Context) -> str:
        """Return how many bytes were taken, and the first of them, described for a person."""
        told = f"{self._number - self._left} of {self._number} bytes"
        return f"{told}, {quoted(self._first, context)}," if self._first else told


class Rest:
    """Takes whatever comes until the server closes; lines are noted, and not kept.

    Attributes:
        piece: What came after the last line, if it is too long to wait for its line ending.
    """

    def __init__(self, connection: Connection, asides: Asides) -> None:
        self.piece = b""
        self._connection = connection
        self._asides = asides
        self._lines = 0
        self._last = b""

    def __call__(self) -> bytes | None:
        """Take what has come; return b"" once the server has closed."""
        inbox = self._connection.inbox
        for line in inbox.take_lines():
            self.piece = b""
            if not (self._asides.known and self._asides.meet(self._connection, line)):
                self._last = line
                self._asides.note(line)
                self._lines += 1
        # An unfinished line may become an aside, but not one of this length.
        if len(unread := inbox.unread()) > _LONGEST_PIECE or (unread and inbox.ended):
            self.piece = unread
            self._asides.note(unread)
            inbox.skip_all()
        return b"" if inbox.ended else None

    def told(self, context: Context) -> str:
        """Describe the lines that were taken, for a person; empty if there were none."""
        return _lines(self._lines, "line", "", self._last, context) if self._lines else ""


def _came_so_far(
    action: Expectation, connection: Connection, take: Take, asides: Asides, others: int, last: bytes
) -> str:
    """Describe what came instead of what was expected, for a person; empty if nothing did.

    Args:
        action: The expectation.
        connection: Where.
        take: What would have taken it.
        asides: The pass's asides.
        others: How many lines were skipped while waiting for it.
        last: The last of these.
    """
    context = asides.context
    if isinstance(take, Count):
        return take.told(context)
    told, unread = "", connection.inbox.unread()
    if isinstance(take, Rest):
        told, unread = take.told(context), take.piece or unread
    elif others:
        told = _lines(others, "other line", "", last, context)
    if unread:
        before = f"{told.removesuffix(',')}, then " if told else ""
        told = f"{before}{quoted(unread, context)}{_AND_NO_LINE.get(action.kind, '')}"
    if not told and asides.met:
        told = _lines(asides.met, "line", " that @ignore or @on is about,", asides.last, context)
    return told


def _lines(number: int, noun: str, more: str, last: bytes, context: Context) -> str:
    which = f"1 {noun}{more}" if number == 1 else f"{number} {noun}s{more or ','} the last"
    return f"{which} {quoted(last, context)},"


def _last_line(
    partial: bytes, action: Expectation, connection: Connection, context: Context, take: Take
) -> Mapping[str, str]:
    """Return the variables that the bytes before a close set: they count as a line without an ending.

    Raises:
        Failed: They are not what was expected.
    """
    found = None
    if partial and action.kind in OF_LINES and action.kind != "any":
        found = action.matches(partial, context)
    if found is None:
        outcome = "closed" if connection.first_byte_at is None else "short_reply"
        end = "the end of the connection"
        came = f"{quoted(partial, context)} and {end}" if partial else end
        got = take.told(context).removesuffix(",") if isinstance(take, Count) else came
        raise wrong(outcome, action, context, got)
    return found


def recall(
    action: Expectation, greeting: list[bytes], context: Context, note: Callable[[bytes], None]
) -> None:
    """Take and note the lines of a greeting, which a kept connection has only once, up to the expected one.

    Raises:
        Failed: It was something else.
    """
    while greeting:
        line = greeting.pop(0)
        note(line)
        found = action.matches(line, context)
        if found is not None:
            context.update(found)
            return
        if not action.kind.startswith("until"):
            break
    raise wrong("mismatch", action, context, "another greeting, when the connection opened")


def _match(action: Expectation, inbox: Inbox, context: Context) -> Take:
    expression = action.expression(context)
    if expression is None:
        raise Differs(b"")

    def take() -> bytes | None:
        if (match := inbox.take_match(expression)) is None:
            return None
        context.update(groups(match))
        return match.string[: match.end()]

    return take
