"""A run over time, for the report and the live view."""

from collections.abc import Iterable

from socketscope.replay.measure.ledger import Ended
from socketscope.replay.measure.timeline import Slot, Timeline


class History:
    """The exchanges of a run over time; its size depends on the scripts, not on the length of the run.

    Attributes:
        timeline: All exchanges, including those of the warm-up.
        counted: Those that the summary counts.
    """

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.counted = Slot()

    def add(self, exchanges: Iterable[Ended], began: float) -> None:
        """Add exchanges that have ended.

        Args:
            exchanges: From `Ledger.take_ended`.
            began: When the run began, on the same clock.
        """
        for ended in exchanges:
            self.timeline.add(ended.at - began, ended.figures)
            if ended.counted:
                self.counted.merge(ended.figures)
