"""What all connections of a listener did, behind one lock, so that every snapshot of it is consistent."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from socketscope.observe.distribution import Distribution
from socketscope.observe.record import ACCEPT_ERRORS, DATAGRAM_OUTCOMES, OUTCOMES, REJECT_REASONS, Record

if TYPE_CHECKING:
    from socketscope.serve.datagrams import Datagram


class Capacity:
    """How many connections may be open at once, over the listeners that share it.

    Its lock is the one lock that recording takes: counting a connection and admitting it are one step.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0
        self.lock = threading.Lock()
        self.freed = threading.Condition(self.lock)
        self.waiting = 0

    def wait(self, seconds: float) -> bool:
        """Wait until another connection may be opened; return whether it may."""
        with self.freed:
            self.waiting += 1
            try:
                return self.freed.wait_for(lambda: self.open < self.limit, seconds)
            finally:
                self.waiting -= 1


@dataclass(slots=True)
class Figures:
    """The figures of one stream listener at one moment; open is what was accepted and not closed."""

    accepted: int = 0
    closed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    rejected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REJECT_REASONS, 0))
    accept_errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACCEPT_ERRORS, 0))
    received: int = 0
    sent: int = 0
    response: Distribution = field(default_factory=Distribution)
    handle: Distribution = field(default_factory=Distribution)

    @property
    def exchanges(self) -> int:
        """Exchanges that have ended."""
        return sum(self.response.counts)

    @property
    def open(self) -> int:
        """Connections that a handler is serving."""
        return self.accepted - sum(self.closed.values())


class StreamTotals:
    """Counts the connections of one listener.

    Attributes:
        capacity: What admits them; shared by the listeners of a process.
    """

    def __init__(self, capacity: Capacity, records: Mapping[Any, Record]) -> None:
        """Begin at nothing.

        Args:
            capacity: What admits connections.
            records: Those of the open ones, which change as they live; they are asked at each snapshot.
        """
        self.capacity = capacity
        self._records = records
        self._figures = Figures()

    def accept(self) -> bool:
        """Count a connection as accepted, or return False where no more may be open."""
        capacity = self.capacity
        with capacity.lock:
            if capacity.open >= capacity.limit:
                return False
            capacity.open += 1
            self._figures.accepted += 1
            return True

    def reject(self, reason: str) -> None:
        """Count a connection that was refused."""
        with self.capacity.lock:
            self._figures.rejected[reason] += 1

    def accept_error(self, error: str) -> None:
        """Count a call of accept that failed."""
        with self.capacity.lock:
            self._figures.accept_errors[error] += 1

    def add(self, record: Record) -> None:
        """Add what an open connection did since it was last asked."""
        with self.capacity.lock:
            if not record.closed:
                self._add([record])

    def close(self, record: Record, now: float) -> bool:
        """Add the rest of a connection and count its outcome; return False where that was done before."""
        capacity = self.capacity
        with capacity.lock:
            if record.closed:
                return False
            record.closed = True
            if record.responses:
                self._add([record])
            figures = self._figures
            figures.received += record.received - record.recorded_received
            figures.sent += record.sent - record.recorded_sent
            if record.replying:
                figures.response.observe(record.replied_at - record.requested_at)
            figures.closed[record.outcome] += 1
            figures.handle.observe(now - record.accepted_at)
            capacity.open -= 1
            if capacity.waiting:
                capacity.freed.notify()
        return True

    def resume(self, earlier: "StreamTotals") -> None:
        """Go on from the figures of a listener that has closed."""
        self._figures = earlier._figures  # noqa: SLF001 - of its own class

    def snapshot(self) -> Figures:
        """Return all figures as they were at one moment."""
        with self.capacity.lock:
            # A copy, in one step: they come and go.
            self._add(record for record in list(self._records.values()) if record.has_news)
            figures = self._figures
            return Figures(
                figures.accepted,
                figures.closed.copy(),
                figures.rejected.copy(),
                figures.accept_errors.copy(),
                figures.received,
                figures.sent,
                figures.response.copy(),
                figures.handle.copy(),
            )

    def _add(self, records: Iterable[Record]) -> None:
        figures = self._figures
        ended: list[float] = []
        for record in records:
            # Its thread goes on meanwhile.
            received, sent, responses = record.received, record.sent, record.responses[:]
            figures.received += received - record.recorded_received
            figures.sent += sent - record.recorded_sent
            record.recorded_received, record.recorded_sent = received, sent
            ended += responses
            del record.responses[: len(responses)]
        figures.response.observe_sorted(sorted(ended))


@dataclass(slots=True)
class DatagramFigures:
    """The figures of one datagram listener at one moment."""

    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DATAGRAM_OUTCOMES, 0))
    received: int = 0
    sent: int = 0
    exchanges: int = 0
    handle: Distribution = field(default_factory=Distribution)


class DatagramTotals:
    """Counts the datagrams of one listener.

    Attributes:
        capacity: What admits them; shared by the listeners of a process.
        open: Datagrams that a handler is serving.
    """

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.open = 0
        self._figures = DatagramFigures()

    def accept(self) -> bool:
        """Admit a datagram, or return False where no more may be served at once."""
        capacity = self.capacity
        with capacity.lock:
            if capacity.open >= capacity.limit:
                return False
            capacity.open += 1
            self.open += 1
            return True

    def drop(self, outcome: str) -> None:
        """Count a datagram that no handler saw."""
        with self.capacity.lock:
            self._figures.outcomes[outcome] += 1

    def close(self, datagram: "Datagram", outcome: str, seconds: float) -> None:
        """Count a datagram whose handler has left."""
        capacity = self.capacity
        with capacity.lock:
            figures = self._figures
            figures.outcomes[outcome] += 1
            figures.received += datagram.received
            figures.sent += datagram.sent
            figures.exchanges += datagram.exchanges
            figures.handle.observe(seconds)
            self.open -= 1
            capacity.open -= 1
            if capacity.waiting:
                capacity.freed.notify()

    def resume(self, earlier: "DatagramTotals") -> None:
        """Go on from the figures of a listener that has closed."""
        self._figures = earlier._figures  # noqa: SLF001 - of its own class

    def snapshot(self) -> DatagramFigures:
        """Return all figures as they were at one moment."""
        with self.capacity.lock:
            figures = self._figures
            return DatagramFigures(
                figures.outcomes.copy(),
                figures.received,
                figures.sent,
                figures.exchanges,
                figures.handle.copy(),
            )


Totals = StreamTotals | DatagramTotals
