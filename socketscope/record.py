"""What one connection did: bytes, turns, times and how it ended. No I/O, and no clock of its own.

A connection alternates between receiving and sending. An *exchange* is a turn from receiving to sending.
Its response duration runs from the last receive before the reply to the last send of the reply, which is
known only when the next request begins or the connection ends.
"""

import math
from typing import TYPE_CHECKING, Any

from socketscope.excerpt import excerpt
from socketscope.limits import Limits

if TYPE_CHECKING:
    from socketscope.totals import StreamTotals

OUTCOMES = (
    "forced",
    "handler_error",
    "line_too_long",
    "read_timeout",
    "write_timeout",
    "reset",
    "idle_timeout",
    "empty",
    "ok",
)
"""How a connection can end; where several fit, the first one counts."""

DATAGRAM_OUTCOMES = ("ok", "no_reply", "truncated", "no_address", "dropped", "handler_error")
"""What can become of a datagram."""

EXPECTED_OUTCOMES = frozenset({"ok", "empty", "idle_timeout", "no_reply"})
"""Ends that are part of normal service, also of datagrams; every other one is worth a warning."""

REJECT_REASONS = ("capacity", "verify")
ACCEPT_ERRORS = ("fd_limit", "no_buffers", "aborted", "other")

MOST_RESPONSES = 100
"""Exchanges after which what a connection did is added to the totals, though nobody looks at them."""

MOST_TEXT = 2000
"""Characters kept of an exception's text; with all of them escaped its line still has room for the place."""

UNLIMITED = Limits()

_RANK = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}


class LineTooLongError(Exception):
    """Raised by a handler whose client sent more than a line may hold; ends it with that outcome."""


class Record:
    """One connection, from accept to the end of its handler.

    All times are seconds of one monotonic clock and come from the caller.

    Attributes:
        number: Unique in the process.
        peer: The address as the kernel gave it.
        accepted_at: When it was accepted, which is when its handler is entered.
        received: Bytes.
        sent: Bytes.
        exchanges: Turns from receiving to sending.
        responses: Durations of the exchanges that have ended and are not in the totals yet, in seconds.
        error: What went wrong, for a person; None when nothing did.
    """

    __slots__ = (
        "accepted_at",
        "closed",
        "error",
        "exchanges",
        "failure",
        "fault",
        "limits",
        "number",
        "peer",
        "received",
        "recorded_received",
        "recorded_sent",
        "replied_at",
        "replying",
        "request_began_at",
        "requested_at",
        "responses",
        "sending",
        "sent",
        "stalled",
        "totals",
    )

    def __init__(
        self, totals: "StreamTotals", number: int, peer: Any, now: float, limits: Limits = UNLIMITED
    ) -> None:
        self.totals = totals
        self.number = number
        self.peer = peer
        self.limits = limits
        self.accepted_at = self.request_began_at = self.requested_at = self.replied_at = now
        self.received = self.sent = self.exchanges = 0
        self.recorded_received = self.recorded_sent = 0  # what of it is in the totals
        self.replying = False  # a reply was begun, and it is not known whether it has ended
        self.responses: list[float] = []
        self.sending = False  # the last bytes went out, not in
        self.stalled = 0.0  # seconds that this reply has waited for its client
        self.closed = False  # its totals are final
        self.failure: str | None = None
        self.fault: BaseException | None = None  # what the socket last raised because of the peer
        self.error: str | None = None

    def took(self, size: int, now: float) -> None:
        """Note a receive; a size of 0 is the end of the peer's data.

        Raises:
            TimeoutError: The request took longer than it may.
        """
        if not self.sending:
            # A peer that sends a little now and then never lets a receive wait for long.
            if self.received and now > self.input_deadline():
                raise self.overdue()
        elif size:
            if self.replying:  # as pause() has it; a call would take as long as all this
                self.replying = False
                self.responses.append(self.replied_at - self.requested_at)
            self.sending = False
            self.stalled = 0.0
            self.request_began_at = now
        if size or self.pending:
            self.received += size
            self.requested_at = now

    def gave(self, size: int, now: float) -> None:
        """Note a send."""
        if not self.sending:
            if self.received:
                self.exchanges += 1
                self.replying = True
                if not self.exchanges % MOST_RESPONSES:
                    self.totals.add(self)
            self.sending = True
        self.sent += size
        self.replied_at = now

    def pause(self) -> None:
        """Note that the next bytes are waited for, so that an exchange has ended."""
        if self.replying:
            self.replying = False
            self.responses.append(self.replied_at - self.requested_at)

    @property
    def pending(self) -> bool:
        """Whether something was received and not yet answered."""
        return self.received > 0 and not self.sending

    @property
    def has_news(self) -> bool:
        """Whether it is open and did something that is not in the totals yet."""
        return not self.closed and bool(
            self.responses or self.received != self.recorded_received or self.sent != self.recorded_sent
        )

    @property
    def idle(self) -> bool:
        """Whether it has had an exchange and nothing was received since."""
        return self.sending and self.exchanges > 0

    def input_deadline(self) -> float:
        """Return until when the next bytes may come: of the request under way, or of the next one."""
        limits = self.limits
        if self.sending:
            return math.inf if limits.idle_timeout is None else self.replied_at + limits.idle_timeout
        return math.inf if limits.read_timeout is None else self.request_began_at + limits.read_timeout

    def output_left(self) -> float:
        """Return for how many seconds more this reply may wait for its client to take it."""
        allowed = self.limits.write_timeout
        return math.inf if allowed is None else allowed - self.stalled

    def overdue(self) -> TimeoutError:
        """Note, and return, that the next bytes did not come by their deadline."""
        error = TimeoutError("the client did not send in time")
        if self.pending:
            self.fail("read_timeout", error)
        elif self.exchanges:
            self.fail("idle_timeout", error)
        else:
            # Noted now: what may still be sent is a refusal, and no greeting that makes it more than empty.
            self.fail("ok" if self.sent else "empty", error)
        return error

    def not_taken(self) -> TimeoutError:
        """Note, and return, that a reply was not taken by its deadline."""
        error = TimeoutError("the client did not take the reply in time")
        self.fail("write_timeout", error)
        return error

    def fail(self, outcome: str, error: BaseException | None = None) -> None:
        """Note what went wrong; of several the one that ranks first in `OUTCOMES` stays."""
        if self.failure is None or _RANK[outcome] < _RANK[self.failure]:
            self.failure = outcome
            self.error = None if error is None else describe(error)
        self.fault = error

    def lose(self, error: BaseException, *, replying: bool = False) -> None:
        """Note that the peer went away, perhaps while a reply was sent.

        Where it had asked for nothing, or had its answer, that is a close like any other.
        """
        if self.pending or (replying and self.received):
            self.fail("reset", error)
        self.fault = error

    @property
    def outcome(self) -> str:
        """How it ended, or would if it ended now."""
        if self.failure is not None:
            return self.failure
        return "ok" if self.received or self.sent else "empty"


def describe(error: BaseException) -> str:
    """Return an exception in one line: its type, its text, which a client may have chosen, and its place."""
    told = excerpt(str(error), MOST_TEXT)
    text = f"{type(error).__name__}: {told}" if told else type(error).__name__
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or isinstance(error, OSError):
        return text
    code = traceback.tb_frame.f_code
    return f"{text} ({code.co_filename}:{traceback.tb_lineno} in {code.co_name})"
