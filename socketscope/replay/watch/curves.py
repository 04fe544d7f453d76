"""The history of `top`'s curves: one value per look, or the highest of several. No I/O, no clock."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import pairwise

from socketscope.replay.watch.board import Board, Curve
from socketscope.replay.watch.keys import SPANS

_KEPT = 300 * SPANS[-1]
"""Values of each curve that are kept: as many columns as a wide terminal has, at the longest span."""


class Curves:
    """The values of all curves, as they came.

    Attributes:
        every: Seconds between two looks.
    """

    def __init__(self, every: float) -> None:
        self.every = every
        self._looks = 0
        self._values: dict[tuple[str, str], deque[float | None]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def add(self, boards: Sequence[Board]) -> None:
        """Add what is now."""
        self._looks += 1
        for board in boards:
            for curve in board.curves:
                self._values[board.kind, curve.title].append(curve.value)

    def of(self, board: Board, curve: Curve, columns: int, looks: int = 1) -> list[float | None]:
        """Return the latest columns of a curve from old to new, at most so many.

        Each has of so many looks the highest value, which no mean hides. Which looks belong together does not
        change as new ones come, so that a spike keeps its height and moves only with time.
        """
        values = list(self._values[board.kind, curve.title])
        latest = self._looks % looks or looks
        edges = [len(values), *range(len(values) - latest, 0, -looks), 0]
        return [_highest(values[start:end]) for end, start in pairwise(edges[: columns + 1])][::-1]


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
