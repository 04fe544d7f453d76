"""The history of `top`'s curves: one value for each look. No I/O, no clock."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import pairwise

from socketscope.replay.watch.board import Board, Curve
from socketscope.replay.watch.keys import SPANS

_KEPT = 300 * SPANS[-1]
"""Values that are kept of each curve: enough for a wide terminal at the longest span."""


class Curves:
    """The values of all curves over time.

    Attributes:
        every: Seconds between two looks.
    """

    def __init__(self, every: float) -> None:
        self.every = every
        self._looks = 0
        self._values: dict[tuple[str, str], deque[float | None]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def add(self, boards: Sequence[Board]) -> None:
        """Add the current values."""
        self._looks += 1
        for board in boards:
            for curve in board.curves:
                self._values[board.kind, curve.title].append(curve.value)

    def of(self, board: Board, curve: Curve, columns: int, looks: int = 1) -> list[float | None]:
        """Return the last columns of a curve, from old to new.

        Each column is the highest value of several looks, so that no mean hides it. Looks stay in their group
        as new ones come, so that a spike keeps its height while it moves.
        """
        values = list(self._values[board.kind, curve.title])
        latest = self._looks % looks or looks
        edges = [len(values), *range(len(values) - latest, 0, -looks), 0]
        return [_highest(values[start:end]) for end, start in pairwise(edges[: columns + 1])][::-1]


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
