"""What all users did: every exchange with its outcome, and the durations, in bounded memory."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from socketscope.observe.distribution import Distribution
from socketscope.replay.measure.durations import Durations, merged
from socketscope.replay.measure.failures import Failure, Failures
from socketscope.replay.measure.instruments import CONNECTION_OUTCOMES, OUTCOMES
from socketscope.replay.measure.sketch import Sketch
from socketscope.replay.measure.steps import (
    ENDED,
    FAILURE,
    FIRST_BYTE,
    LATENESS,
    OUTCOME,
    RECEIVED,
    SENT,
    SERVICE,
    STEP,
    Entry,
    StepFigures,
    are_late,
)
from socketscope.replay.measure.timeline import FIRST_LENGTH, Slot

_BATCH = 200
"""Exchanges that are entered together. Fewer would cost more each; these delay what is due by 0.2 ms."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Exchanges that have ended shortly after one another.

    Attributes:
        at: When the first one did, on the loop's clock.
        figures: Of all of them.
        failures: Of those that did not end ok: when, how, and what to show.
        counted: Whether the summary counts them.
    """

    at: float
    figures: Slot
    failures: list[tuple[float, str, Failure]]
    counted: bool


class Ledger:
    """Written by the one thread that plays; others read it within `settled`, and find one moment's figures.

    Attributes:
        steps: Figures by the step's name.
        connections: Attempts to connect, by outcome.
        connect: How long those that succeeded took.
        first_byte: From the send to the reply's first byte.
        sent: Bytes.
        received: Bytes.
        passes: Played to their end or to a failure.
        counted_passes: Those that the summary counts.
        dropped: Passes whose time came and that did not start.
        outside: Counted passes, and parts of passes, that were in the warm-up or in the grace: no rate has
            them.
        begun: Passes of a schedule that began after the warm-up; None in a closed loop.
        early: Those of them that were due in the warm-up, which the share of the dropped ones leaves out.
        in_flight: Exchanges under way when the run ended.
        unanswered: Those of them to which the server owed a reply: the step, and for how many seconds.
        open: Connections.
        users: Users at work.
        lag: How late passes began although a user was free.
        last_lag: The latest of these, in seconds.
        failures: Of the exchanges that the summary counts.
        counting: Whether the summary counts what ends now; not during the warm-up.
        began: When the run did, on the loop's clock.
    """

    def __init__(self, steps: Iterable[str], *, counting: bool = True) -> None:
        self.steps = {step: StepFigures() for step in steps}
        self.connections = dict.fromkeys(CONNECTION_OUTCOMES, 0)
        self.connect = Distribution()
        self.first_byte = Distribution()
        self.sent = self.received = 0
        self.passes = self.counted_passes = self.dropped = self.in_flight = 0
        self.outside = 0.0
        self.begun: int | None = None
        self.early = 0
        self.unanswered: list[tuple[str, float]] = []
        self.open = self.users = 0
        self.lag = Durations()
        self.last_lag = 0.0
        self.failures = Failures()
        self.counting = counting
        self.began = 0.0
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._lags: list[float] = []
        self._ended: list[Ended] = []

    @property
    def service(self) -> Durations:
        """How long the exchanges took that the summary counts."""
        return merged(step.durations for step in self.steps.values())

    @property
    def intended(self) -> Durations:
        """The same with the lateness of their passes."""
        return merged(step.intended_durations for step in self.steps.values())

    def rate(self, seconds: float) -> float:
        """Return the passes a second: on a schedule those that began, else those that ended."""
        return (self.counted_passes - self.outside if self.begun is None else self.begun) / seconds

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Hold all figures as they are, with everything entered."""
        with self._lock:
            self._settle()
            yield

    def exchange(  # noqa: PLR0913, PLR0917 - what there is to know of one, without an object each
        self,
        step: str,
        outcome: str,
        service: float,
        lateness: float,
        failure: Failure | None = None,
        ended: float = 0.0,
        first_byte: float | None = None,
        sent: int = 0,
        received: int = 0,
    ) -> None:
        """Count an exchange that has ended.

        Args:
            step: Its step.
            outcome: How it ended.
            service: From its beginning to the last reply byte, seconds.
            lateness: How late its pass began, seconds.
            failure: What to show of it, where it did not end ok.
            ended: When, on the loop's clock.
            first_byte: From the send to the reply's first byte, seconds; None where none came.
            sent: Bytes.
            received: Bytes.
        """
        self._entries.append((step, outcome, service, lateness, failure, ended, first_byte, sent, received))
        if len(self._entries) >= _BATCH:
            with self._lock:
                self._settle()

    @property
    def counted_outcomes(self) -> dict[str, int]:
        """Exchanges of all steps that the summary counts, by how they ended."""
        return {outcome: sum(step.counted[outcome] for step in self.steps.values()) for outcome in OUTCOMES}

    def take_ended(self) -> list[Ended]:
        """Return what has ended since the last call. All of it is kept until then, so call it regularly."""
        with self.settled():
            taken, self._ended = self._ended, []
        return taken

    def connected(self, outcome: str, seconds: float) -> None:
        """Count an attempt to connect."""
        with self._lock:
            self.connections[outcome] += 1
            if outcome == "ok":
                self.open += 1
                self.connect.observe(seconds)

    def disconnected(self, sent: int, received: int) -> None:
        """Count a connection that has closed, and its bytes outside exchanges."""
        with self._lock:
            self.open -= 1
            self.sent += sent
            self.received += received

    def passed(self) -> None:
        """Count a pass that has ended, by success or failure."""
        with self._lock:
            self.passes += 1
            self.counted_passes += 1

    def interrupted(self, step: str, waited: float | None, lateness: float = 0.0) -> None:
        """Count an exchange that was under way at the end.

        Args:
            step: Its step.
            waited: For how long the server had owed it something, seconds: what is counted as its duration,
                which would have been longer. None where it did not, as in a pause.
            lateness: How late its pass began, seconds.
        """
        with self._lock:
            self.in_flight += 1
            if waited is not None:
                self.unanswered.append((step, waited))
                self.steps[step].durations.add([waited])
                self.steps[step].intended_durations.add([waited + lateness])

    def lagged(self, seconds: float) -> None:
        """Note how much later than meant a pass began although its user was free."""
        self.last_lag = seconds
        self._lags.append(seconds)

    def working(self, change: int) -> None:
        """Note that users began or ceased to work."""
        with self._lock:
            self.users += change

    def dropped_passes(self, number: int) -> None:
        """Count passes whose time came and that did not start."""
        with self._lock:
            self.dropped += number

    def count_from_now(self) -> None:
        """End the warm-up: the summary counts what ends from here on."""
        with self.settled():
            self.counting = True
            self.counted_passes = 0
            self.outside = 0.0
            self.lag = Durations()
            self.failures = Failures()
            for figures in self.steps.values():
                figures.count_from_now()

    def _settle(self) -> None:
        """Enter what has ended. The playing thread, which takes no lock for it, may add to it meanwhile."""
        entries, lags = self._entries[:], self._lags[:]
        del self._entries[: len(entries)], self._lags[: len(lags)]
        self.lag.add(lags)
        for step, of_step in groupby(sorted(entries, key=itemgetter(STEP)), itemgetter(STEP)):
            self.steps[step].add(list(of_step))
        for _, group in groupby(entries, lambda entry: int((entry[ENDED] - self.began) / FIRST_LENGTH)):
            moment = list(group)
            failures = [
                (entry[ENDED], entry[OUTCOME], entry[FAILURE])
                for entry in moment
                if entry[FAILURE] is not None
            ]
            self._ended.append(Ended(moment[0][ENDED], _slot(moment), failures, self.counting))
            self.failures.add(failures, self.began)
        self.first_byte.observe_sorted(
            sorted([entry[FIRST_BYTE] for entry in entries if entry[FIRST_BYTE] is not None])
        )
        self.sent += sum([entry[SENT] for entry in entries])
        self.received += sum([entry[RECEIVED] for entry in entries])


def _slot(entries: list[Entry]) -> Slot:
    service = intended = Sketch([entry[SERVICE] for entry in entries if entry[OUTCOME] == "ok"])
    if are_late(entries):
        intended = Sketch([entry[SERVICE] + entry[LATENESS] for entry in entries if entry[OUTCOME] == "ok"])
    return Slot(Counter([entry[OUTCOME] for entry in entries]), service, intended)
