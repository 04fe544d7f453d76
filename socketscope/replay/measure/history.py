"""What the report and the live view know of a run beyond its summary: time, durations and failures."""

from collections.abc import Iterable
from dataclasses import dataclass

from socketscope.replay.measure.ledger import Ended, Failure
from socketscope.replay.measure.timeline import Slot, Timeline


@dataclass(slots=True)
class Repeated:
    """A failure, and how often the same line of the same script failed in the same way.

    Attributes:
        first: The first of them.
        outcome: How the exchange ended.
        at: When the first one did, in seconds since the run began.
        count: How many there were.
    """

    first: Failure
    outcome: str
    at: float
    count: int = 1


class History:
    """Fed with exchanges as they end; its size depends on the scripts, not on the length of the run.

    Attributes:
        timeline: All exchanges, those of the warm-up as well.
        counted: Those that the summary's figures count.
        failures: Of those, by file, line and outcome, in the order in which they came up.
    """

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.counted = Slot()
        self.failures: dict[tuple[str, int, str], Repeated] = {}

    def add(self, exchanges: Iterable[Ended], began: float) -> None:
        """Add exchanges that have ended.

        Args:
            exchanges: From `Ledger.take_ended`.
            began: When the run did, on the clock that theirs are from.
        """
        for ended in exchanges:
            self.timeline.add(ended.at - began, ended.figures)
            if not ended.counted:
                continue
            self.counted.merge(ended.figures)
            for at, outcome, failure in ended.failures:
                self._note(failure, outcome, at - began)

    def _note(self, failure: Failure, outcome: str, at: float) -> None:
        key = (failure.file, failure.line, outcome)
        if key in self.failures:
            self.failures[key].count += 1
        else:
            self.failures[key] = Repeated(failure, outcome, at)
