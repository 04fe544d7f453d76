"""The results of all users: outcomes and durations of all exchanges, in bounded memory."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter

from socketscope.observe.distribution import Distribution
from socketscope.replay.measure.failures import Failure, Repeated
from socketscope.replay.measure.instruments import CONNECTION_OUTCOMES, OUTCOMES
from socketscope.replay.measure.sketch import Durations, Sketch, merged
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
from socketscope.replay.measure.timeline import FIRST_LENGTH, Ended, Slot

_BATCH = 200
"""Exchanges that are entered together. Fewer would cost more each; entering 200 takes 0.2 ms."""


class Ledger:
    """Written by the thread that plays; other threads read it within `settled`, as of one moment.

    Attributes:
        steps: Figures of each step, by its name.
        connections: Attempts to connect, by outcome.
        connect: Durations of the successful attempts.
        first_byte: Durations from the send to the first byte of the reply.
        sent: Bytes sent.
        received: Bytes received.
        passes: Passes that have ended, well or by a failure.
        counted_passes: Those that the summary counts.
        dropped: Passes that were due and did not start.
        outside: Counted passes, and parts of passes, that were in the warm-up or in the grace: no rate counts
            them.
        begun: Passes of a schedule that began after the warm-up; None in a closed loop.
        early: Those of them that were due in the warm-up; the share of dropped passes leaves them out.
        in_flight: Exchanges in progress when the run ended.
        unanswered: Those of them to which the server owed a reply: the step, and for how many seconds.
        open: Open connections.
        users: Users at work.
        lag: How late passes began although a user was free.
        last_lag: The lag of the last pass, in seconds.
        failures: Failures of the exchanges that the summary counts, by file, line and outcome; their number
            depends on the scripts, not on the length of the run.
        counting: Whether the summary counts what ends now; false during the warm-up.
        began: When the run began, on the loop's clock.
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
        self.failures: dict[tuple[str, int, str], Repeated] = {}
        self.counting = counting
        self.began = 0.0
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._lags: list[float] = []
        self._ended: list[Ended] = []

    @property
    def service(self) -> Durations:
        """Durations of the exchanges that the summary counts."""
        return merged(step.durations for step in self.steps.values())

    @property
    def intended(self) -> Durations:
        """The same with the lateness of their passes."""
        return merged(step.intended_durations for step in self.steps.values())

    def rate(self, seconds: float) -> float:
        """Return passes a second: on a schedule those that began, else those that ended."""
        return (self.counted_passes - self.outside if self.begun is None else self.begun) / seconds

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Enter everything, and hold all figures as they are meanwhile."""
        with self._lock:
            self._settle()
            yield

    def exchange(  # noqa: PLR0913, PLR0917 - an object for each exchange would cost too much
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
            service: Seconds from its beginning to the last byte of the reply.
            lateness: Seconds by which its pass began late.
            failure: What to show of it, if it did not end ok.
            ended: When it ended, on the loop's clock.
            first_byte: Seconds from the send to the first byte of the reply; None if none came.
            sent: Bytes sent.
            received: Bytes received.
        """
        self._entries.append((step, outcome, service, lateness, failure, ended, first_byte, sent, received))
        if len(self._entries) >= _BATCH:
            with self._lock:
                self._settle()

    @property
    def counted_outcomes(self) -> dict[str, int]:
        """Exchanges of all steps that the summary counts, by outcome."""
        return {outcome: sum(step.counted[outcome] for step in self.steps.values()) for outcome in OUTCOMES}

    def take_ended(self) -> list[Ended]:
        """Return what has ended since the last call; call it regularly, as all is kept until then."""
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
        """Count the close of a connection, and its bytes outside exchanges."""
        with self._lock:
            self.open -= 1
            self.sent += sent
            self.received += received

    def passed(self) -> None:
        """Count a pass that has ended, well or by a failure."""
        with self._lock:
            self.passes += 1
            self.counted_passes += 1

    def interrupted(self, step: str, waited: float | None, lateness: float = 0.0) -> None:
        """Count an exchange that was in progress at the end.

        Args:
            step: Its step.
            waited: Seconds for which the server had owed it a reply, which count as its duration, as a lower
                bound. None if the server owed nothing, as in a pause.
            lateness: Seconds by which its pass began late.
        """
        with self._lock:
            self.in_flight += 1
            if waited is not None:
                self.unanswered.append((step, waited))
                self.steps[step].durations.add([waited])
                self.steps[step].intended_durations.add([waited + lateness])

    def lagged(self, seconds: float) -> None:
        """Note by how many seconds a pass began late although its user was free."""
        self.last_lag = seconds
        self._lags.append(seconds)

    def working(self, change: int) -> None:
        """Note that users began or stopped working."""
        with self._lock:
            self.users += change

    def dropped_passes(self, number: int) -> None:
        """Count passes that were due and did not start."""
        with self._lock:
            self.dropped += number

    def count_from_now(self) -> None:
        """End the warm-up: the summary counts what ends from now on."""
        with self.settled():
            self.counting = True
            self.counted_passes = 0
            self.outside = 0.0
            self.lag = Durations()
            self.failures = {}
            for figures in self.steps.values():
                figures.count_from_now()

    def _settle(self) -> None:
        """Enter what has ended. The thread that plays may append meanwhile, as it takes no lock for that."""
        entries, lags = self._entries[:], self._lags[:]
        del self._entries[: len(entries)], self._lags[: len(lags)]
        self.lag.add(lags)
        for step, of_step in groupby(sorted(entries, key=itemgetter(STEP)), itemgetter(STEP)):
            self.steps[step].add(list(of_step))
        for _, group in groupby(entries, lambda entry: int((entry[ENDED] - self.began) / FIRST_LENGTH)):
            moment = list(group)
            self._ended.append(Ended(moment[0][ENDED], _slot(moment), self.counting))
        for entry in entries:
            if (failure := entry[FAILURE]) is not None:
                key = failure.file, failure.line, entry[OUTCOME]
                if key not in self.failures:
                    self.failures[key] = Repeated(failure, entry[OUTCOME], entry[ENDED] - self.began)
                self.failures[key].count += 1
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
