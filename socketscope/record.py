"""What one connection did: bytes, turns, times and how it ended. No I/O, and no clock of its own.

A connection alternates between receiving and sending. An *exchange* is a turn from receiving to sending.
Its response duration runs from the last receive before the reply to the last send of the reply, which is
known only when the next request begins or the connection ends.
"""

import math
from typing import TYPE_CHECKING, Any

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

PROGRESS_INTERVAL = 1.0
"""Seconds after which a stream without exchanges is recorded while it lives."""

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
        error: What went wrong, for a person; None when nothing did.
    """

    __slots__ = (
        "accepted_at",
        "closed",
        "error",
        "exchanges",
        "failure",
        "fault",
        "number",
        "peer",
        "pending",
        "received",
        "recorded_at",
        "recorded_exchanges",
        "recorded_received",
        "recorded_sent",
        "replied_at",
        "request_began_at",
        "requested_at",
        "sending",
        "sent",
        "stalled",
        "totals",
    )

    def __init__(self, totals: "StreamTotals", number: int, peer: Any, now: float) -> None:
        self.totals = totals
        self.number = number
        self.peer = peer
        self.accepted_at = self.request_began_at = self.requested_at = now
        self.replied_at = self.recorded_at = now
        self.received = self.sent = self.exchanges = 0
        self.recorded_received = self.recorded_sent = self.recorded_exchanges = 0
        self.pending = False  # something was received and not yet answered
        self.sending = False  # the last bytes went out, not in
        self.stalled = 0.0  # seconds that this reply has waited for its client
        self.closed = False  # its totals are final
        self.failure: str | None = None
        self.fault: BaseException | None = None  # what the socket last raised because of the peer
        self.error: str | None = None

    def took(self, size: int, now: float) -> None:
        """Note a receive; a size of 0 is the end of the peer's data."""
        if not size:
            if self.pending:
                self.requested_at = now
            return
        if self.exchanges != self.recorded_exchanges or now - self.recorded_at >= PROGRESS_INTERVAL:
            self.totals.progress(self, now, replied=True)
        if self.sending:
            self.sending = False
            self.stalled = 0.0
            self.request_began_at = now
        self.pending = True
        self.received += size
        self.requested_at = now

    def gave(self, size: int, now: float) -> None:
        """Note a send."""
        if self.pending:
            self.pending = False
            self.exchanges += 1
        elif now - self.recorded_at >= PROGRESS_INTERVAL:
            self.totals.progress(self, now, replied=False)
        self.sending = True
        self.sent += size
        self.replied_at = now

    def pause(self, now: float) -> None:
        """Note that the next bytes are waited for, so that what was done is complete for now."""
        if self.received != self.recorded_received or self.sent != self.recorded_sent:
            self.totals.progress(self, now, replied=True)

    @property
    def idle(self) -> bool:
        """Whether it has had an exchange and nothing was received since."""
        return self.sending and self.exchanges > 0

    def input_deadline(self, limits: Limits) -> float:
        """Return until when the next bytes may come: of the request under way, or of the next one."""
        if self.sending:
            return math.inf if limits.idle_timeout is None else self.replied_at + limits.idle_timeout
        return math.inf if limits.read_timeout is None else self.request_began_at + limits.read_timeout

    def output_left(self, limits: Limits) -> float:
        """Return for how many seconds more this reply may wait for its client to take it."""
        return math.inf if limits.write_timeout is None else limits.write_timeout - self.stalled

    def fail(self, outcome: str, error: BaseException | None = None) -> None:
        """Note what went wrong; of several the one that ranks first in `OUTCOMES` stays."""
        if self.failure is None or _RANK[outcome] < _RANK[self.failure]:
            self.failure = outcome
            self.error = None if error is None else describe(error)
        self.fault = error

    def lose(self, error: BaseException) -> None:
        """Note that the peer went away; with nothing left to answer that is a close like any other."""
        if self.pending or not self.exchanges:
            self.fail("reset", error)
        self.fault = error

    @property
    def outcome(self) -> str:
        """How it ended, or would if it ended now."""
        if self.failure is not None:
            return self.failure
        return "ok" if self.received or self.sent else "empty"


def describe(error: BaseException) -> str:
    """Return an exception in one line: its type, its text and where it was raised."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or isinstance(error, OSError):
        return text
    code = traceback.tb_frame.f_code
    return f"{text} ({code.co_filename}:{traceback.tb_lineno} in {code.co_name})"
