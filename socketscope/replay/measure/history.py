"""How a run went over time, for the report and the live view."""

from collections.abc import Iterable

from socketscope.replay.measure.ledger import Ended
from socketscope.replay.measure.timeline import Slot, Timeline


class History:
    """Fed with exchanges as they end; its size depends on the scripts, not on the length of the run.

    Attributes:
        timeline: All exchanges, those of the warm-up as well.
        counted: Those that the summary's figures count.
    """

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.counted = Slot()

    def add(self, exchanges: Iterable[Ended], began: float) -> None:
        """Add exchanges that have ended.

        Args:
            exchanges: From `Ledger.take_ended`.
            began: When the run did, on the clock that theirs are from.
        """
        for ended in exchanges:
            self.timeline.add(ended.at - began, ended.figures)
            if ended.counted:
                self.counted.merge(ended.figures)
