"""How a run went over time, in bounded memory: slots that grow longer as it does. No I/O, no clock."""

from socketscope.replay.measure.sketch import Sketch

SLOTS = 240
SHORTEST = 0.25
"""Seconds of a slot in the beginning. Each time that all are used, two become one of twice the length."""


class Slot:
    """What ended within a stretch of time.

    Attributes:
        outcomes: Exchanges by how they ended; those that none ended with are absent.
        service: Durations of those that ended ok.
        intended: The same with the lateness of their passes.
    """

    __slots__ = ("intended", "outcomes", "service")

    def __init__(
        self,
        outcomes: dict[str, int] | None = None,
        service: Sketch | None = None,
        intended: Sketch | None = None,
    ) -> None:
        self.outcomes = outcomes or {}
        self.service = service or Sketch()
        self.intended = intended or Sketch()

    def merge(self, other: "Slot") -> None:
        """Add all that another one has."""
        for outcome, number in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number
        self.service.merge(other.service)
        self.intended.merge(other.intended)

    @property
    def ok(self) -> int:
        """Exchanges that ended ok."""
        return self.outcomes.get("ok", 0)

    @property
    def failed(self) -> int:
        """Exchanges that ended otherwise."""
        return sum(self.outcomes.values()) - self.ok


class Timeline:
    """Slots of one length, from a run's beginning on.

    Attributes:
        seconds: The length of each slot.
        slots: In order; the last one may not be over yet.
    """

    def __init__(self) -> None:
        self.seconds = SHORTEST
        self.slots: list[Slot] = []

    def add(self, at: float, figures: Slot) -> None:
        """Add exchanges that ended at the same time, in seconds since the run began."""
        self.reach(at)
        self.slots[int(max(at, 0.0) / self.seconds)].merge(figures)

    def reach(self, at: float) -> None:
        """Have slots up to a time, also where nothing ended."""
        while at >= SLOTS * self.seconds:
            self._halve()
        while len(self.slots) * self.seconds <= at or not self.slots:
            self.slots.append(Slot())

    def last(self, seconds: float) -> Slot:
        """Return what the latest slots hold together, as many as this takes, the unfinished one left out."""
        whole = Slot()
        most = max(round(seconds / self.seconds), 1)
        for slot in self.slots[:-1][-most:] or self.slots:
            whole.merge(slot)
        return whole

    def _halve(self) -> None:
        first, second = self.slots[::2], self.slots[1::2]
        for slot, following in zip(first, second, strict=False):
            slot.merge(following)
        self.slots = first
        self.seconds *= 2
