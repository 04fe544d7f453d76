"""When passes are due: pure functions of the time since the run began."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from random import Random

from socketscope.units import YEAR, parse_duration

PRECISION = 1e-7
"""Seconds; how exactly a due time is computed."""

_LATEST = 1e15
"""Seconds; what would be due later is due then. Beyond it a float cannot tell the phase of a wave."""

_DIGITS = 9
"""The longest number of steps; one of several hundred digits does not fit into a float."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the load changes over time.

    Attributes:
        text: The shape as it was given.
        factor: Maps seconds since the begin to a factor, 0 to 1, of the rate or of the number of users.
        integral: Maps seconds to the integral of the factor from 0.
    """

    text: str
    factor: Callable[[float], float]
    integral: Callable[[float], float]


CONSTANT = Shape("constant", lambda _: 1.0, lambda t: t)
"""The load that does not change."""


def parse_shape(text: str) -> Shape:
    """Return the shape that ``NAME:KEY=VALUE,...`` names.

    Raises:
        ValueError: There is no such shape, or an argument is wrong.
    """
    name, _, rest = text.partition(":")
    parts = [part.partition("=")[::2] for part in rest.split(",") if part]
    arguments = dict(parts)
    known = {"constant": {}, "ramp": {"from": "0", "over": "30s"}, "wave": {"period": "3m", "low": "0.2"},
             "steps": {"count": "5", "every": "30s"}}  # fmt: skip
    if name not in known:
        raise ValueError(f"{name!r} is not one of {', '.join(known)}")
    if unknown := set(arguments) - set(known[name]):
        raise ValueError(f"{name} has no {min(unknown)!r}; it has {', '.join(known[name]) or 'no arguments'}")
    if len(arguments) < len(parts):
        raise ValueError(f"{rest!r} has an argument twice")
    given = {**known[name], **arguments}
    match name:
        case "ramp":
            return _ramp(text, _share(given["from"]), _length(given["over"]))
        case "wave":
            return _wave(text, _length(given["period"]), _share(given["low"]))
        case "steps":
            return _steps(text, _number(given["count"]), _length(given["every"]))
    return CONSTANT


def due_times(rate: float, shape: Shape, random: Random | None = None) -> Iterator[float]:
    """Yield when each pass is due, in seconds since the run began.

    Args:
        rate: Passes a second where the shape's factor is 1.
        shape: Multiplies the rate.
        random: With one, the gaps are those of a Poisson process; without, they are even.
    """
    area, time = 0.0, 0.0
    while True:
        time = _reach(shape, area / rate, time)
        yield time
        area += 1.0 if random is None else random.expovariate(1.0)


def _reach(shape: Shape, area: float, start: float) -> float:
    """Return when a shape's integral reaches an area, at or after `start`, by Newton's method in bounds."""
    low, high, guess, stride = start, inf, start, PRECISION
    while True:
        missing = area - shape.integral(guess)
        if missing > 0:
            low = guess
            if low >= _LATEST:
                return low
        else:
            high = guess
        slope = shape.factor(guess)
        # For large times, neighbouring floats are further apart than `PRECISION`.
        if high - low <= max(PRECISION, math.ulp(low)) or abs(missing) <= PRECISION * slope:
            return max(guess, start)
        guess += missing / slope if slope else inf
        if not low < guess < high:
            stride *= 2
            guess = low + stride if high == inf else (low + high) / 2
        guess = min(guess, _LATEST)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{text!r} is not a share from 0 to 1")
    return share


def _length(text: str) -> float:
    if (seconds := parse_duration(text)) <= PRECISION:
        raise ValueError("a length of time must be more than 0.1 us")
    if seconds > YEAR:
        raise ValueError(f"{text} is longer than a year")
    return seconds


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > _DIGITS or int(text) < 1:
        raise ValueError(f"{text!r} is not a number of steps")
    return int(text)


def _ramp(text: str, start: float, over: float) -> Shape:
    def integral(t: float) -> float:
        climbing = min(t, over)
        return start * climbing + (1 - start) * climbing**2 / (2 * over) + max(t - over, 0.0)

    return Shape(text, lambda t: start + (1 - start) * min(t / over, 1.0), integral)


def _wave(text: str, period: float, low: float) -> Shape:
    turn = 2 * math.pi / period
    swing = (1 - low) / 2
    return Shape(
        text,
        lambda t: low + swing * (1 - math.cos(turn * t)),
        lambda t: (low + swing) * t - swing * math.sin(turn * t) / turn,
    )


def _steps(text: str, count: int, every: float) -> Shape:
    def integral(t: float) -> float:
        whole = min(int(t // every), count - 1)
        return (whole * (whole + 1) / 2 * every + (whole + 1) * (t - whole * every)) / count

    return Shape(text, lambda t: min(int(t // every) + 1, count) / count, integral)
