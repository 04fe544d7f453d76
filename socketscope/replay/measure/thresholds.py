"""Conditions such as ``--fail-on 'p99 > 20ms'``, under which a run has failed. No I/O."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from socketscope.units import parse_duration

Metric = Literal["errors", "dropped", "rate", "service", "intended"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_FORM = re.compile(r"\s*([^\s<>=\[]+)\s*(?:\[(.+)\])?\s*(>=|<=|>|<)\s*(\S+)\s*")
_QUANTILE = re.compile(r"(intended_)?(?:max|p([0-9]+(?:[._][0-9]+)?))")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_DIGITS = 9
"""Decimal places that are compared: more than figures have, fewer than show the rounding error of floats."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition under which a run has failed.

    Attributes:
        text: The condition as it was given.
        metric: What is compared: failed exchanges, dropped passes, passes a second, or a quantile of one of
            the two durations.
        comparison: The operator.
        value: Seconds, a count or a share.
        step: The step whose figure is compared; None for all steps.
        quantile: The quantile, as a share of the durations.
        is_share: Whether the value is a share of the exchanges that ended, or of the passes that were due,
            and not a count.
    """

    text: str
    metric: Metric
    comparison: str
    value: float
    step: str | None = None
    quantile: float = 1.0
    is_share: bool = False

    def failed(self, figure: float | None) -> bool:
        """Return whether a figure meets the condition; None does, as nothing was measured."""
        if figure is None:
            return True
        # Rounded, as in floats 7 of 1000 may be slightly more or less than 0.7 %.
        return _OPERATORS[self.comparison](round(figure, _DIGITS), round(self.value, _DIGITS))


def parse_threshold(text: str) -> Threshold:
    """Return the threshold for ``METRIC OP VALUE`` or ``METRIC[STEP] OP VALUE``.

    Raises:
        ValueError: It has another form, there is no such metric, or no figure could ever meet it.
    """
    threshold = _parse(text)
    if threshold.comparison == "<" and not threshold.value:
        raise ValueError(f"{text!r} is never met: nothing is less than 0")
    return threshold


def _parse(text: str) -> Threshold:
    if not (match := _FORM.fullmatch(text)):
        raise ValueError(f"{text!r} is not a condition; write it like 'p99 > 20ms' or 'errors > 0.1%'")
    name, step, comparison, value = match.groups()
    match name:
        case "errors" | "dropped" | "rate":
            if step is not None and name != "errors":
                raise ValueError(f"{name} is of the whole run and has no steps")
            number, is_share = _number(name, value)
            return Threshold(text, name, comparison, number, step, is_share=is_share)
    if (quantile := _QUANTILE.fullmatch(name)) is None:
        known = "errors, dropped, rate, max, a percentile like p99 or p99.9, intended_max, intended_p99"
        raise ValueError(f"{name!r} is not one of {known}")
    intended, percent = quantile.groups()
    share = float((percent or "100").replace("_", ".")) / 100
    if not 0 < share <= 1:
        raise ValueError(f"{name!r} is not a percentile: they are above 0, up to 100")
    kind: Metric = "intended" if intended else "service"
    return Threshold(text, kind, comparison, parse_duration(value), step, share)


def with_default(thresholds: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """Return the conditions and ``errors > 0``, unless one of them is about the errors of the whole run."""
    if any(threshold.metric == "errors" and threshold.step is None for threshold in thresholds):
        return thresholds
    return (parse_threshold("errors > 0"), *thresholds)


def _number(metric: str, text: str) -> tuple[float, bool]:
    """Return a count or a share, and whether it is a share."""
    is_share = text.endswith("%")
    digits = text.removesuffix("%").rstrip()
    if not _NUMBER.fullmatch(digits):
        raise ValueError(f"{text!r} is neither a count nor a share like 0.1%")
    if is_share and metric == "rate":
        raise ValueError("the rate is a number of passes a second, not a share")
    number = float(digits) / 100 if is_share else float(digits)
    if is_share and number > 1:  # 100% itself makes sense: all may fail
        raise ValueError(f"{text!r} is not a share: the most is 100%")
    return number, is_share
