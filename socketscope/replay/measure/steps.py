"""The exchanges of one step: outcomes, and durations in bounded memory."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from socketscope.observe.distribution import Distribution
from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.instruments import OUTCOMES
from socketscope.replay.measure.sketch import Durations

UNANSWERED = ("timeout", "connect_timeout")
"""Outcomes of exchanges whose reply was waited for in vain."""

Entry = tuple[str, str, float, float, Failure | None, float, float | None, int, int]
"""An exchange that has ended: the arguments of `ledger.Ledger.exchange`, in their order.

A plain tuple, as there is one for each exchange: entering a named tuple takes a fifth longer.
"""

STEP: Final = 0
OUTCOME: Final = 1
SERVICE: Final = 2
LATENESS: Final = 3
FAILURE: Final = 4
ENDED: Final = 5
FIRST_BYTE: Final = 6
SENT: Final = 7
RECEIVED: Final = 8
"""Indexes into an entry."""


def _no_outcomes() -> dict[str, int]:
    return dict.fromkeys(OUTCOMES, 0)


@dataclass(slots=True)
class StepFigures:
    """The exchanges of a step: all of them, and those that the summary counts.

    Attributes:
        outcomes: Number of exchanges, by outcome.
        service: Durations of those that ended ok.
        intended: The same plus the lateness of their passes.
        counted: As `outcomes`, for those that the summary counts.
        durations: Of those that the summary counts: durations if they ended ok, and waits if they were not
            answered.
        intended_durations: The same plus the lateness of their passes.
        longest_ok: The longest duration of those that ended ok, in seconds.
    """

    outcomes: dict[str, int] = field(default_factory=_no_outcomes)
    service: Distribution = field(default_factory=Distribution)
    intended: Distribution = field(default_factory=Distribution)
    counted: dict[str, int] = field(default_factory=_no_outcomes)
    durations: Durations = field(default_factory=Durations)
    intended_durations: Durations = field(default_factory=Durations)
    longest_ok: float = 0.0

    def add(self, entries: list[Entry]) -> None:
        """Enter exchanges of this step."""
        for outcome, number in Counter([entry[OUTCOME] for entry in entries]).items():
            self.outcomes[outcome] += number
            self.counted[outcome] += number
        service = intended = sorted([entry[SERVICE] for entry in entries if entry[OUTCOME] == "ok"])
        if are_late(entries):
            intended = sorted(
                [entry[SERVICE] + entry[LATENESS] for entry in entries if entry[OUTCOME] == "ok"]
            )
        self.service.observe_sorted(service)
        self.intended.observe_sorted(intended)
        if service:
            self.longest_ok = max(self.longest_ok, service[-1])
        if len(service) < len(entries):
            # A wait that was given up is a lower bound; without it the figures would be too good.
            given_up = [entry for entry in entries if entry[OUTCOME] in UNANSWERED]
            service = [*service, *(entry[SERVICE] for entry in given_up)]
            intended = [*intended, *(entry[SERVICE] + entry[LATENESS] for entry in given_up)]
        self.durations.add(service)
        self.intended_durations.add(intended)

    def count_from_now(self) -> None:
        """Start counting for the summary now."""
        self.counted = _no_outcomes()
        self.durations = Durations()
        self.intended_durations = Durations()
        self.longest_ok = 0.0


def are_late(entries: list[Entry]) -> bool:
    """Return whether any of their passes began late; if none did, both kinds of duration are the same."""
    return any(entry[LATENESS] for entry in entries)
