"""A run over time, in bounded memory: slots of time, which get longer as the run does. No I/O, no clock."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from socketscope.replay.measure.sketch import Sketch

SLOTS = 240
FIRST_LENGTH = 1 / 32
"""Seconds of a slot at first. Whenever all slots are used, each pair becomes one of twice the length."""

RECENT = 10.0
"""The last seconds, which are kept in short slots however long the run is."""

_FINE = 1 / 8
"""Seconds of a short slot."""

_LATEST = round(RECENT / _FINE) + 1
"""How many short slots are kept, including the unfinished one."""


@dataclass(slots=True)
class Slot:
    """What ended within a slot of time.

    Attributes:
        outcomes: Number of exchanges, by outcome; without those that are 0.
        service: Durations of those that ended ok.
        intended: The same plus the lateness of their passes.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    service: Sketch = field(default_factory=Sketch)
    intended: Sketch = field(default_factory=Sketch)

    def merge(self, other: "Slot") -> None:
        """Add the figures of another slot."""
        self.outcomes.update(other.outcomes)
        self.service.merge(other.service)
        self.intended.merge(other.intended)

    @property
    def ok(self) -> int:
        """Exchanges that ended ok."""
        return self.outcomes["ok"]

    @property
    def failed(self) -> int:
        """Exchanges that ended otherwise."""
        return self.outcomes.total() - self.ok


@dataclass(frozen=True, slots=True)
class Ended:
    """Exchanges that ended at about the same time.

    Attributes:
        at: When the first one ended, on the loop's clock.
        figures: Outcomes and durations of all of them.
        counted: Whether the summary counts them.
    """

    at: float
    figures: Slot
    counted: bool


class Timeline:
    """The exchanges of a run, those of the warm-up included, in slots of equal length from its beginning.

    Attributes:
        seconds: The length of each slot.
        slots: In order; the last one may not be over yet.
        counted: Those that the summary counts, all together.
    """

    def __init__(self) -> None:
        self.seconds = FIRST_LENGTH
        self.slots: list[Slot] = []
        self.counted = Slot()
        self._latest: deque[Slot] = deque(maxlen=_LATEST)
        self._reached = 0  # short slots that there have been so far

    def follow(self, exchanges: Iterable[Ended], began: float) -> None:
        """Add what `Ledger.take_ended` returns; the run began at `began`, on the same clock."""
        for ended in exchanges:
            self.add(ended.at - began, ended.figures)
            if ended.counted:
                self.counted.merge(ended.figures)

    def add(self, at: float, figures: Slot) -> None:
        """Add exchanges that ended at the same time, in seconds since the run began."""
        self.reach(at)
        self.slots[int(max(at, 0.0) / self.seconds)].merge(figures)
        if (ago := self._reached - int(max(at, 0.0) / _FINE)) <= len(self._latest):
            self._latest[-ago].merge(figures)

    def reach(self, at: float) -> None:
        """Add slots up to a time, even if nothing ended in them."""
        while at >= SLOTS * self.seconds:
            self._halve()
        while len(self.slots) * self.seconds <= at or not self.slots:
            self.slots.append(Slot())
        self._reached = max(self._reached, int(at / _FINE) - _LATEST)  # earlier ones would be dropped
        while self._reached * _FINE <= at or not self._latest:
            self._latest.append(Slot())
            self._reached += 1

    def last(self, seconds: float) -> Slot:
        """Return what ended in the last seconds, at most `RECENT`, without the unfinished slot."""
        latest = list(self._latest)
        return _together(latest[:-1][-round(seconds / _FINE) :] or latest)

    def coarser(self, most: int) -> "Timeline":
        """Return the same in at most that many slots."""
        shown = Timeline()
        shown.seconds, shown.slots = self.seconds, self.slots
        while len(shown.slots) > max(most, 1):
            shown._halve()
        return shown

    def _halve(self) -> None:
        self.slots = [_together(self.slots[n : n + 2]) for n in range(0, len(self.slots), 2)]
        self.seconds *= 2


def _together(slots: Iterable[Slot]) -> Slot:
    whole = Slot()
    for slot in slots:
        whole.merge(slot)
    return whole
