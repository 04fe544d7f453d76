"""What all users did: every exchange with its outcome, and the durations, in bounded memory."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter

from hdrh.histogram import HdrHistogram

from client.instruments import CONNECTION_OUTCOMES, OUTCOMES
from socketscope.distribution import Distribution

_LONGEST = 3600 * 1_000_000
_DIGITS = 3


class Durations:
    """A histogram of seconds, to a microsecond and three digits, up to an hour."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST, _DIGITS)

    def add(self, seconds: float) -> None:
        """Add a duration; one above an hour counts as an hour."""
        self._histogram.record_value(min(max(int(seconds * 1e6), 1), _LONGEST))

    def quantile(self, share: float) -> float | None:
        """Return the duration that so many are within, in seconds; None where there are none."""
        if not self._histogram.get_total_count():
            return None
        # A bucket's upper edge can lie above the longest duration that is in it.
        value = min(self._histogram.get_value_at_percentile(share * 100), self._histogram.get_max_value())
        return float(value) / 1e6

    @property
    def longest(self) -> float | None:
        """The longest duration, in seconds; None where there are none."""
        return self.quantile(1.0)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exchange that did not end ok, for a person to look at."""

    file: str
    line: int
    expected: str
    got: str


Ended = tuple[float, str, float, float, Failure | None, bool]
"""An exchange: when it ended, on the performance counter; its outcome; its service duration and how late its
pass was, in seconds; what to show where it failed; whether the summary counts it."""


@dataclass(slots=True)
class StepFigures:
    """The exchanges of a step: all of them, and those that the summary counts."""

    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    durations: Durations = field(default_factory=Durations)
    service: Distribution = field(default_factory=Distribution)
    intended: Distribution = field(default_factory=Distribution)


class Ledger:
    """Counts under one lock, so that a scrape or summary is consistent.

    Attributes:
        lock: Hold it to read more than one figure.
        counting: Whether exchanges count in the summary's figures; not during the warm-up.
    """

    def __init__(self, steps: Iterable[str]) -> None:
        self.lock = threading.Lock()
        self.steps = {step: StepFigures() for step in steps}
        self.connections = dict.fromkeys(CONNECTION_OUTCOMES, 0)
        self.connect = Distribution()
        self.first_byte = Distribution()
        self.sent = self.received = 0
        self.passes = self.dropped = self.in_flight = 0
        self.open = self.users = 0
        self.last_lag = 0.0
        self.first_failure: Failure | None = None
        self.counting = True
        self.counted_passes = 0
        self.service = Durations()
        self.intended = Durations()
        self.lag = Durations()
        self._ended: list[Ended] = []

    def exchange(
        self, step: str, outcome: str, service: float, lateness: float, failure: Failure | None
    ) -> None:
        """Count an exchange that has ended.

        Args:
            step: Its step.
            outcome: How it ended.
            service: From its beginning to the last reply byte, seconds.
            lateness: How late its pass began, seconds.
            failure: What to show of it, where it did not end ok.
        """
        with self.lock:
            self._ended.append((perf_counter(), outcome, service, lateness, failure, self.counting))
            figures = self.steps[step]
            figures.outcomes[outcome] += 1
            if outcome == "ok":
                figures.service.observe(service)
                figures.intended.observe(service + lateness)
            elif self.counting and self.first_failure is None:
                self.first_failure = failure
            if self.counting:
                figures.counted[outcome] += 1
                if outcome == "ok":
                    figures.durations.add(service)
                    self.service.add(service)
                    self.intended.add(service + lateness)

    @property
    def counted_outcomes(self) -> dict[str, int]:
        """Exchanges of all steps that the summary counts, by how they ended."""
        return {outcome: sum(step.counted[outcome] for step in self.steps.values()) for outcome in OUTCOMES}

    def take_ended(self) -> list[Ended]:
        """Return the exchanges that have ended since the last call; while a run lasts, somebody must call."""
        with self.lock:
            taken, self._ended = self._ended, []
        return taken

    def connected(self, outcome: str, seconds: float) -> None:
        """Count an attempt to connect."""
        with self.lock:
            self.connections[outcome] += 1
            if outcome == "ok":
                self.open += 1
                self.connect.observe(seconds)

    def disconnected(self) -> None:
        """Count a connection that has closed."""
        with self.lock:
            self.open -= 1

    def moved(self, sent: int, received: int, first_byte: float | None) -> None:
        """Count the bytes of an exchange and, in seconds, the wait for its first reply byte."""
        with self.lock:
            self.sent += sent
            self.received += received
            if first_byte is not None:
                self.first_byte.observe(first_byte)

    def passed(self) -> None:
        """Count a pass that has ended, by success or failure."""
        with self.lock:
            self.passes += 1
            if self.counting:
                self.counted_passes += 1

    def interrupted(self) -> None:
        """Count an exchange that was under way at the end."""
        with self.lock:
            self.in_flight += 1

    def lagged(self, seconds: float) -> None:
        """Note how much later than meant a pass began although its user was free."""
        with self.lock:
            self.last_lag = seconds
            if self.counting:
                self.lag.add(seconds)

    def working(self, change: int) -> None:
        """Note that users began or ceased to work."""
        with self.lock:
            self.users += change

    def dropped_passes(self, number: int) -> None:
        """Count passes whose time came and that did not start."""
        with self.lock:
            self.dropped += number
