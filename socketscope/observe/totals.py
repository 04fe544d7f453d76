"""What a listener's connections did, behind one lock, so that every snapshot is consistent."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from socketscope.observe.datagrams import Datagram
from socketscope.observe.distribution import Distribution
from socketscope.observe.outcomes import ACCEPT_ERRORS, DATAGRAM_OUTCOMES, OUTCOMES, REJECT_REASONS
from socketscope.observe.record import Record


class Capacity:
    """How many connections may be open at once, over all listeners that share it.

    Its lock is the only one for recording: counting a connection and admitting it are one step.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self.lock = threading.Lock()
        self.freed = threading.Condition(self.lock)
        self.waiting = 0

    def wait(self, seconds: float) -> bool:
        """Wait until another connection may be opened; return whether it may."""
        with self.freed:
            self.waiting += 1
            try:
                return self.freed.wait_for(lambda: self.taken < self.limit, seconds)
            finally:
                self.waiting -= 1

    def take(self) -> bool:
        """Take a place, with the lock held; return False if there is none."""
        if self.taken >= self.limit:
            return False
        self.taken += 1
        return True

    def free(self) -> None:
        """Give a place back, with the lock held."""
        self.taken -= 1
        if self.waiting:
            self.freed.notify()


@dataclass(slots=True)
class Figures:
    """The figures of one stream listener at one moment.

    Attributes:
        open: Counted by itself: as a difference it could not show that one was counted twice, or never.
    """

    accepted: int = 0
    open: int = 0
    closed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    rejected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REJECT_REASONS, 0))
    accept_errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACCEPT_ERRORS, 0))
    received: int = 0
    sent: int = 0
    exchanges: int = 0
    response: Distribution = field(default_factory=Distribution)
    handle: Distribution = field(default_factory=Distribution)


class StreamTotals:
    """Counts the connections of one listener.

    Attributes:
        capacity: What admits them; shared by the listeners of a process.
        records: Of open connections, and of those about to be accepted or refused.
    """

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.records: dict[Record, None] = {}
        self._figures = Figures()

    def reserve(self, record: Record) -> bool:
        """Take a place for a connection that is not accepted yet, or return False if there is none."""
        with self.capacity.lock:
            return self._place(record)

    def accept(self, record: Record) -> bool:
        """Count a connection as accepted, or return False if no more may be open."""
        with self.capacity.lock:
            if not self._place(record):
                return False
            self._count(record)
            return True

    def confirm(self, record: Record) -> None:
        """Count a connection that has a place as accepted, unless it was forced meanwhile."""
        with self.capacity.lock:
            if not record.closed:
                self._count(record)

    def reject(self, reason: str, record: Record | None = None) -> bool:
        """Count a refused connection; one with a record gives its place back.

        Returns:
            Whether it was counted; one that was forced meanwhile is counted as that.
        """
        with self.capacity.lock:
            if record is not None:
                if record.closed:
                    return False
                record.closed = True
                del self.records[record]
                self.capacity.free()
            self._figures.rejected[reason] += 1
            return True

    def accept_error(self, error: str) -> None:
        """Count a call of accept that failed."""
        with self.capacity.lock:
            self._figures.accept_errors[error] += 1

    def add(self, record: Record) -> None:
        """Add what an open connection did since the last time, or leave it for another time."""
        # A finalizer that sends, called while this thread has the lock, would wait for ever.
        if self.capacity.lock.acquire(blocking=False):
            try:
                if not record.closed:
                    self._add([record])
            finally:
                self.capacity.lock.release()

    def close(self, record: Record, now: float) -> tuple[str, float] | None:
        """Add the rest of a connection, unless that was done before.

        Returns:
            The outcome that was counted, and the seconds in its handler.
        """
        with self.capacity.lock:
            if record.closed:
                return None
            if not record.accepted:
                self._count(record)
            record.closed = True
            if record.responses:
                self._add([record])
            figures = self._figures
            # As in `_add`, without its loop: most connections have no ended response.
            received, sent, exchanges = record.recorded
            figures.received += record.received - received
            figures.sent += record.sent - sent
            figures.exchanges += record.exchanges - exchanges
            if record.replying:
                figures.response.observe(record.replied_at - record.requested_at)
            outcome = record.outcome
            figures.closed[outcome] += 1
            entered, seconds = record.entered_at, 0.0
            if entered is None and (record.left or record.received or record.sent):
                entered = record.accepted_at  # a hook has served it, or handed it on
            if entered is not None:
                seconds = now - entered
                figures.handle.observe(seconds)
            figures.open -= 1
            self.records.pop(record, None)
            self.capacity.free()
        return outcome, seconds

    def resume(self, earlier: "StreamTotals | None") -> None:
        """Continue the figures of the closed listener that had the name before; begin at zero without one.

        What was counted here before is dropped: another listener may have continued it.
        """
        self._figures = Figures() if earlier is None else earlier._figures  # noqa: SLF001 - of its own class

    def snapshot(self) -> Figures:
        """Return all figures as of one moment."""
        with self.capacity.lock:
            self._add(record for record in self.records if record.accepted and record.has_news)
            figures = self._figures
            return replace(
                figures,
                closed=figures.closed.copy(),
                rejected=figures.rejected.copy(),
                accept_errors=figures.accept_errors.copy(),
                response=figures.response.copy(),
                handle=figures.handle.copy(),
            )

    def _place(self, record: Record) -> bool:
        if not self.capacity.take():
            return False
        self.records[record] = None
        return True

    def _count(self, record: Record) -> None:
        record.accepted = True
        self._figures.accepted += 1
        self._figures.open += 1

    def _add(self, records: Iterable[Record]) -> None:
        figures = self._figures
        ended: list[float] = []
        for record in records:
            # The connection's thread keeps running meanwhile.
            now, before = (record.received, record.sent, record.exchanges), record.recorded
            responses = record.responses[:]
            figures.received += now[0] - before[0]
            figures.sent += now[1] - before[1]
            figures.exchanges += now[2] - before[2]
            record.recorded = now
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
    lost: int = 0
    handle: Distribution = field(default_factory=Distribution)


class DatagramTotals:
    """Counts the datagrams of one listener.

    Attributes:
        capacity: What admits them; shared by the listeners of a process.
        records: Datagrams that are being served.
        lost: Datagrams that the kernel has dropped, as it last said.
    """

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.records: set[Datagram] = set()
        self.lost = 0
        self._figures = DatagramFigures()

    def accept(self, datagram: Datagram) -> bool:
        """Admit a datagram, or return False if no more may be served at once."""
        with self.capacity.lock:
            if not self.capacity.take():
                return False
            self.records.add(datagram)
            return True

    def note_lost(self, datagrams: int) -> None:
        """Note how many the kernel has dropped; an answer may be noted after a later one."""
        with self.capacity.lock:
            self.lost = max(self.lost, datagrams)

    def drop(self, outcome: str) -> None:
        """Count a datagram that was not admitted."""
        with self.capacity.lock:
            self._figures.outcomes[outcome] += 1

    def close(self, datagram: Datagram, now: float) -> tuple[str, float] | None:
        """Count a datagram as over, unless that was done; return its outcome and seconds in its handler."""
        with self.capacity.lock:
            if datagram not in self.records:
                return None
            self.records.remove(datagram)
            figures = self._figures
            outcome, seconds = datagram.outcome, 0.0
            if outcome != "dropped":  # by a hook, before any handler saw it
                seconds = now - datagram.began
                figures.handle.observe(seconds)
            figures.outcomes[outcome] += 1
            figures.received += datagram.received
            figures.sent += datagram.sent
            figures.exchanges += datagram.exchanges
            self.capacity.free()
        return outcome, seconds

    def resume(self, earlier: "DatagramTotals | None") -> None:
        """Continue the figures of the closed listener that had the name before; begin at zero without one.

        What was counted here before is dropped: another listener may have continued it.
        """
        if earlier is None:
            self._figures = DatagramFigures()
            return
        self._figures = earlier._figures  # noqa: SLF001 - of its own class
        self._figures.lost += earlier.lost
        earlier.lost = 0  # these figures are of both

    def snapshot(self) -> DatagramFigures:
        """Return all figures as of one moment."""
        with self.capacity.lock:
            figures = self._figures
            return replace(
                figures,
                outcomes=figures.outcomes.copy(),
                lost=figures.lost + self.lost,
                handle=figures.handle.copy(),
            )


Totals = StreamTotals | DatagramTotals
