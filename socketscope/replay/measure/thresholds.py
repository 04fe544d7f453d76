"""``--fail-on 'p99 > 20ms'``: what makes a run fail. No I/O."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from socketscope.units import parse_duration

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
COUNTS = ("errors", "dropped")
METRICS = (*COUNTS, *QUANTILES, *(f"intended_{name}" for name in QUANTILES))

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_FORM = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition under which a run has failed.

    Attributes:
        text: As it was given.
        metric: One of `METRICS`.
        is_share: Whether the value is a share of the exchanges and not a count.
        value: Seconds, a count or a share.
    """

    text: str
    metric: str
    operator: str
    value: float
    is_share: bool = False

    def failed(self, figure: float | None) -> bool:
        """Return whether a figure fails; a duration that there is none of does, as nothing was measured."""
        if figure is None:
            return self.metric not in COUNTS
        return _OPERATORS[self.operator](figure, self.value)


def parse_threshold(text: str) -> Threshold:
    """Return the threshold that ``METRIC OP VALUE`` names.

    Raises:
        ValueError: It has another form, or there is no such metric.
    """
    if not (match := _FORM.fullmatch(text)):
        raise ValueError(f"{text!r} is no condition; write it like 'p99 > 20ms' or 'errors > 0.1%'")
    metric, comparison, value = match.groups()
    if metric not in METRICS:
        raise ValueError(f"{metric!r} is none of {', '.join(METRICS)}")
    if metric not in COUNTS:
        return Threshold(text, metric, comparison, parse_duration(value))
    is_share = value.endswith("%")
    try:
        number = float(value.removesuffix("%"))
    except ValueError as error:
        raise ValueError(f"{value!r} is neither a count nor a share like 0.1%") from error
    if is_share and metric == "dropped":
        raise ValueError("dropped passes are a count, not a share")
    return Threshold(text, metric, comparison, number / 100 if is_share else number, is_share)
