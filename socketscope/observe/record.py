"""What one connection did: bytes, turns, times and how it ended. No I/O, and no clock of its own.

A connection alternates between receiving and sending. An *exchange* is a turn from receiving to sending.
Its response duration runs from the last receive before the reply to the last send of the reply, which is
known only when the next request is waited for or the connection ends.
"""

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from socketscope.addresses import format_peer
from socketscope.excerpt import in_words
from socketscope.limits import Limits
from socketscope.observe import served
from socketscope.observe.outcomes import OUTCOMES, describe, is_gone, is_tls_fault
from socketscope.observe.served import Served

MOST_RESPONSES = 100
"""Exchanges after which a connection's figures are added to the totals, even if nobody scrapes."""

UNLIMITED = Limits()

_RANK = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}


class Sums(Protocol):
    """What a record's figures are added to."""

    def add(self, record: "Record") -> None:
        """Add what an open connection did since it was last asked."""


class Record(Served):
    """One connection, from accept to the end of its handler.

    All times are seconds of one monotonic clock and come from the caller.

    Attributes:
        address: The client's, as `get_request` returned it; a request that was handed on is found by it.
        accepted_at: When it was accepted.
        entered_at: When its handler was entered; None until then.
        responses: Durations, in seconds, of exchanges that have ended and are not in the totals yet.
        waiting_since: Since when its handler has been waiting for bytes, if it is.
        blocked: How many calls that send are under way; any thread may send, as in a chat.
        cut: Whether its socket was shut down from outside.
        shut: Whether the program has shut it down for sending.
        late: What the handler's socket raises, once, when a deadline has passed. After that it is empty,
            and the socket is at its end, as to the kernel: else a handler that polls would never leave.
        left: Called at the end of a connection whose handler runs elsewhere.
    """

    __slots__ = (
        "accepted",
        "accepted_at",
        "address",
        "blocked",
        "closed",
        "cut",
        "entered_at",
        "failure",
        "late",
        "left",
        "limits",
        "quiet",
        "recorded",
        "replied_at",
        "replying",
        "requested_at",
        "responses",
        "sending",
        "shut",
        "totals",
        "waited",
        "waiting_since",
    )

    def __init__(self, totals: Sums, address: Any, now: float, limits: Limits = UNLIMITED) -> None:
        # As in the base class, whose call would cost each connection too much.
        self.connection_id = f"{served.process.own}-{next(served.numbers)}"
        self.address = address
        self.peer = format_peer(address)
        self.socket = self.error = self.raised = None
        self.received = self.sent = self.exchanges = self.blocked = 0
        self.totals = totals
        self.limits = limits
        self.accepted_at = self.requested_at = self.replied_at = now
        self.entered_at: float | None = None
        self.recorded = 0, 0, 0  # how much of received, sent and exchanges is in the totals
        self.replying = False  # a reply has begun, and may or may not have ended
        self.responses: list[float] = []
        self.sending = False  # the last bytes were sent, not received
        self.waiting_since: float | None = None
        self.waited = 0.0  # seconds of waiting for the bytes of this request, in waits that have ended
        self.quiet = 0.0  # the same, since the last bytes came or went
        self.cut = self.shut = False
        self.late: str | None = None
        self.left: Callable[[], None] | None = None
        self.accepted = False  # it is in the totals
        self.closed = False  # its totals are final
        self.failure: str | None = None

    def wait(self, now: float) -> None:
        """Note a wait for bytes, which ends an exchange."""
        self.waiting_since = now
        if self.replying:
            self.replying = False
            self.responses.append(self.replied_at - self.requested_at)

    def took(self, size: int, now: float) -> None:
        """Note a receive, after a wait; a size of 0 is the end of the peer's data."""
        if self.sending:
            if size:
                self.sending = False
                self.waited = 0.0
                if self.replying:  # another thread has sent the reply while this one waited
                    self.replying = False
                    self.responses.append(self.replied_at - self.requested_at)
        elif (since := self.waiting_since) is not None:
            self.waited += now - since
        self.waiting_since = None
        self.quiet = 0.0
        # An end that comes during a reply does not belong to the request.
        if (size or (self.pending and not self.blocked)) and not self.closed:
            self.received += size
            self.requested_at = now

    def missed(self, now: float) -> None:
        """Note a wait that brought nothing."""
        if (since := self.waiting_since) is not None:
            self.waiting_since = None
            self.quiet += now - since
            self.waited += now - since

    def gave(self, size: int, now: float, asked: float = inf) -> None:
        """Note a send.

        Args:
            size: How many bytes.
            now: When the send had ended.
            asked: `requested_at` when it began, or 0 for the rest of a reply. What another thread has
                received since then is the next request.
        """
        if self.closed:
            return  # a hook sends after the handler has left, and the log line must match the totals
        self.sent += size
        self.replied_at = now
        if not self.sending:
            overtaken = asked < self.requested_at
            self.sending = not overtaken
            self.quiet = 0.0
            if self.received and not (overtaken and asked <= self.accepted_at):
                self.exchanges += 1
                if overtaken:
                    self.responses.append(now - asked)
                else:
                    self.replying = True
                # Last, as this call lets other threads run, which may note a wait or a receive.
                if not self.exchanges % MOST_RESPONSES:
                    self.totals.add(self)

    @property
    def pending(self) -> bool:
        """Whether something was received and not yet answered."""
        return self.received > 0 and not self.sending

    @property
    def has_news(self) -> bool:
        """Whether it did something that is not in the totals yet."""
        received, sent, _ = self.recorded
        return bool(self.responses or self.received != received or self.sent != sent)

    def idle(self, seconds: float, grace: float) -> bool:
        """Return whether its client waits for nothing: it has its reply, or sent nothing within the grace.

        Args:
            seconds: How long it has been watched.
            grace: Seconds for which a first request may still be on its way.
        """
        return self.sending or (not self.received and seconds >= grace)

    def overdue(self, now: float) -> bool:
        """Return whether the awaited bytes are late, and note it."""
        since, limits, late = self.waiting_since, self.limits, False
        if since is None or self.late is not None:
            return False
        waits = now - since
        if not self.sending and limits.read_timeout is not None:
            late = self.waited + waits >= limits.read_timeout
        # During a request after the first only the read timeout holds, unless there is none.
        if self.sending or not self.exchanges or limits.read_timeout is None:
            late |= limits.idle_timeout is not None and self.quiet + waits >= limits.idle_timeout
        if late:
            self.late = "the client did not send in time"
            if self.received:
                self.fail("idle_timeout" if self.sending else "read_timeout")
            else:
                # Noted now: what may still be sent is a refusal, and does not make it more than empty.
                self.fail("ok" if self.sent else "empty")
        return late

    def stall(self) -> None:
        """Note that its peer has taken nothing of what is being sent for too long."""
        self.late = "the client did not take the reply in time"
        self.fail("write_timeout")

    def lateness(self) -> TimeoutError:
        """Note that a deadline has passed, and return what the socket raises for it."""
        error = TimeoutError(self.late)
        self.mark(error)
        self.error = describe(error)
        self.late = ""
        return error

    def fail(self, outcome: str, error: BaseException | None = None) -> None:
        """Note what went wrong; of several outcomes the first one in `OUTCOMES` stays."""
        if not self.closed and (self.failure is None or _RANK[outcome] < _RANK[self.failure]):
            self.failure = outcome
            if error is not None:
                self.error = describe(error)

    def keep(self, error: BaseException) -> None:
        """Keep the exception that ended its handler, if `error` describes it."""
        if self.error is not None and self.error.startswith(in_words(error)):
            self.raised = error

    def lose(self, error: OSError, *, replying: bool = False) -> None:
        """Note what a socket raised: the peer went away, or the handler's own timeout has passed.

        A peer that leaves without a request, or after its answer, ends as any other does. A program that
        sends after its own shutdown has not lost its peer.

        Args:
            error: What was raised.
            replying: Whether a reply was being sent.
        """
        own = self.shut and isinstance(error, BrokenPipeError)
        gone, spoiled = is_gone(error) and not own, is_tls_fault(error)
        if spoiled:
            self.fail("tls_error", error)
        elif gone and (self.pending or (replying and self.received)):
            self.fail("reset", error)
        if not self.closed and (gone or spoiled or isinstance(error, TimeoutError)):
            self.mark(error)

    @property
    def outcome(self) -> str:
        """How it ended, or would if it ended now."""
        if self.failure is None:
            return "ok" if self.received or self.sent else "empty"
        # A receive that waits for all of a request shows what it has got only once a deadline has cut it.
        return "read_timeout" if self.received and self.failure in {"ok", "empty"} else self.failure
