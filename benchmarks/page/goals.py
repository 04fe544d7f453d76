"""The goals, and what was measured of each. No I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.generator import Rounds, column
from benchmarks.measures import clients, idle, scrape
from benchmarks.programs import OFF, OURS, C
from benchmarks.ratios import Spread, ratio, spread

Results = Mapping[str, Rounds]
"""What was measured, by the name of the measure."""

KIB = 1024


@dataclass(frozen=True)
class Goal:
    """One figure and its bound.

    Attributes:
        title: What is measured.
        sign: Whether the figure should be at least, or at most, its bound.
        figure: Finds it in the results.
    """

    title: str
    sign: Literal["≥", "≤"]
    bound: float
    unit: str
    figure: Callable[[Results], Spread]

    @property
    def text(self) -> str:
        """The bound, for people."""
        return f"{self.sign} {self.bound:g} {self.unit}"

    def is_met(self, figure: Spread) -> bool:
        """Return whether the median reaches the bound."""
        return figure.median >= self.bound if self.sign == "≥" else figure.median <= self.bound


def _ratio(measure: str, one: str, other: str, key: str) -> Callable[[Results], Spread]:
    """Return a function that finds the ratio of one's figure to the other's."""
    return lambda results: ratio(column(results[measure][one], key), column(results[measure][other], key))


def _against(theirs: str) -> Callable[[Results], Spread]:
    return _ratio("message-64", OURS, theirs, "rate")


def _against_the_better(results: Results) -> Spread:
    rounds = results["persistent-64"]
    theirs = map(max, column(rounds["socketserver"], "rate"), column(rounds["asyncio"], "rate"))
    return ratio(column(rounds[OURS], "rate"), list(theirs))


def idle_memory(results: Results, name: str = OURS, count: int = 10_000) -> Spread:
    """Return the KiB that an idle connection takes."""
    rounds = results["idle"]
    without = column(rounds[idle.label(name, 0, idle.PERSISTENT)], "resident")
    beside = column(rounds[idle.label(name, count, idle.PERSISTENT)], "resident")
    # Those that a goal compares had more turns than the rest.
    return spread([(b - a) / count / KIB for a, b in zip(without, beside, strict=False)])


def _beside_idle(mode: str) -> Callable[[Results], Spread]:
    return _ratio("idle", idle.label(OURS, 10_000, mode), idle.label(OURS, 0, mode), "p99")


MESSAGE = "a connection a message, 64 clients, fully observed, against"

GOALS = (
    Goal(f"{MESSAGE} bare `ThreadingTCPServer`", "≥", 4, "times", _against("socketserver")),
    Goal(f"{MESSAGE} bare asyncio streams", "≥", 1.6, "times", _against("asyncio")),
    Goal(f"{MESSAGE} a C thread pool", "≥", 0.7, "times", _against(C)),
    Goal(f"{MESSAGE} the same with observation off", "≥", 0.9, "times", _against(OFF)),
    Goal(
        "persistent, 64 connections, fully observed, against the better of `ThreadingTCPServer` and asyncio",
        "≥",
        1,
        "times",
        _against_the_better,
    ),
    Goal("10,000 idle connections, memory each", "≤", 32, "KiB", idle_memory),
    Goal(
        "p99 of persistent connections with 10,000 idle ones beside, against without",
        "≤",
        1.5,
        "times",
        _beside_idle(idle.PERSISTENT),
    ),
    Goal(
        "p99 of a connection a message with 10,000 idle ones beside, against without",
        "≤",
        1.5,
        "times",
        _beside_idle(idle.MESSAGE),
    ),
    Goal(
        "p99 at full load, scraped every 2 s against not scraped",
        "≤",
        1.1,
        "times",
        _ratio("scrape", scrape.SCRAPED, scrape.NOT_SCRAPED, "p99"),
    ),
    Goal(
        "`replay`, closed loop, exchanges a second a core, against locust",
        "≥",
        5,
        "times",
        _ratio("clients", clients.REPLAY, clients.LOCUST, "per_core"),
    ),
)
