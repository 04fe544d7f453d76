"""Lines through measured points, their error at a point held back, and what a number of clients takes."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DAY = 86_400.0
"""Seconds."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """A straight line, fitted to all points but the last, which tests it.

    Attributes:
        base: The value at 0.
        slope: What one more adds.
        last: The x of the last point that it was fitted to.
        held: The point held back.
    """

    base: float
    slope: float
    last: float
    held: tuple[float, float]

    def at(self, x: float) -> float:
        """Return what it predicts."""
        return self.base + self.slope * x

    @property
    def error(self) -> float:
        """How far off it is at the point held back, as a share of what was measured."""
        x, measured = self.held
        return self.at(x) / measured - 1


def fit(points: Points) -> Line:
    """Fit a line by least squares of relative errors, so that small points count as much as large ones.

    Raises:
        ValueError: There are fewer than three points.
    """
    *given, held = points
    if len(given) < 2:  # noqa: PLR2004 - a line has two ends
        raise ValueError("a line and a point held back need three points")
    weights = [1 / y**2 for _, y in given]
    total = sum(weights)
    x_mean = sum(w * x for w, (x, _) in zip(weights, given, strict=True)) / total
    y_mean = sum(w * y for w, (_, y) in zip(weights, given, strict=True)) / total
    spread = sum(w * (x - x_mean) ** 2 for w, (x, _) in zip(weights, given, strict=True))
    slope = sum(w * (x - x_mean) * (y - y_mean) for w, (x, y) in zip(weights, given, strict=True)) / spread
    return Line(y_mean - slope * x_mean, slope, given[-1][0], held)


def medians(rounds: Mapping[float, Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Return the median point of each setting, in the settings' order."""
    return [
        (statistics.median(x for x, _ in points), statistics.median(y for _, y in points))
        for _, points in sorted(rounds.items())
    ]


@dataclass(frozen=True)
class Behaviour:
    """What a client does.

    Attributes:
        kept: Whether it keeps its connection, or opens one for each message.
        every: Seconds between two of its messages.
        lasts: Seconds that a kept connection lasts.
    """

    name: str
    kept: bool
    every: float
    lasts: float = 3_600.0


@dataclass(frozen=True)
class Choice:
    """What an operator has chosen.

    Attributes:
        load: The largest share of a core that a replica is to use; it can use no more than one core.
        connections: The most that a replica is to hold open.
        interval: Seconds between two scrapes.
        retention: Days that Prometheus keeps samples.
    """

    load: float = 0.6
    connections: int = 4_000
    interval: float = 15.0
    retention: float = 15.0


@dataclass(frozen=True)
class Plan:
    """What a number of clients takes.

    Attributes:
        messages: A second.
        replicas: One more than the load needs, so that one may fail.
        bound_by: What determines their number.
        memory: Bytes, of all replicas.
        series: Of all replicas.
        prometheus: Bytes of its memory.
        disk: Bytes that it stores.
        log: Bytes a day.
    """

    messages: float
    replicas: int
    bound_by: str
    memory: float
    series: float
    prometheus: float
    disk: float
    log: float


@dataclass(frozen=True)
class Model:
    """The lines of one machine.

    Attributes:
        message: Cores used at so many connections a second, one message each.
        exchange: Cores used at so many exchanges a second on kept connections.
        memory: Bytes at so many open connections.
        series: Series of so many listeners.
        log: Bytes written for so many connections.
        scraped: Bytes of memory of a Prometheus with so many series.
        sample: Bytes on disk of one sample.
    """

    message: Line
    exchange: Line
    memory: Line
    series: Line
    log: Line
    scraped: Line
    sample: float

    def plan(self, clients: float, behaviour: Behaviour, choice: Choice) -> Plan:
        """Return what so many clients take."""
        messages = clients / behaviour.every
        if behaviour.kept:
            opened = clients / behaviour.lasts
            at_once = clients
            cores = messages * self.exchange.slope + opened * max(
                self.message.slope - self.exchange.slope, 0.0
            )
            idle = self.exchange.base
        else:
            opened = messages
            at_once = 0.0  # it lasts less than a millisecond
            cores = messages * self.message.slope
            idle = self.message.base
        by = {
            "CPU": cores / max(choice.load - idle, 1e-9),
            "connections": at_once / choice.connections,
        }
        bound_by = max(by, key=lambda name: by[name])
        replicas = math.ceil(by[bound_by]) + 1
        series = replicas * self.series.at(1)
        return Plan(
            messages=messages,
            replicas=replicas,
            bound_by=bound_by,
            memory=replicas * self.memory.base + at_once * self.memory.slope,
            series=series,
            prometheus=self.scraped.at(series),
            disk=series / choice.interval * choice.retention * DAY * self.sample,
            log=opened * DAY * self.log.slope,
        )
