"""The summary of a run: its figures, also as JSON, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from socketscope.replay.measure.failures import Failure, Repeated
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.sketch import Durations
from socketscope.replay.measure.steps import UNANSWERED
from socketscope.replay.measure.thresholds import Threshold
from socketscope.replay.measure.verdict import compare, objections
from socketscope.version import __version__

SCHEMA = 1

HELD = 0.95
"""The rate counts as held from this share of the rate asked for."""

LAG_FLOOR = 1e-3
LAG_SHARE = 0.1
"""To be trusted, the generator may have a p99 lag of 1 ms, or of a tenth of the p99 that it reports."""

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
"""The quantiles of each summary."""

BOTTLENECK = 0.9
"""A generator that is busy for at least this share of the time limits the rate, rather than the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a run, and whether it failed.

    Attributes:
        scripts: The scripts that were played.
        users: How many users played.
        seconds: For how long passes were due or began, without the warm-up.
        unanswered: For each exchange without a reply at the end, the seconds it had waited. The durations
            include these, as lower bounds.
        rate_held: Whether passes began at the rate that was asked for; true if none was.
        failures: All kinds of failure, in the order of their first occurrence.
        reasons: Why the run failed, as messages; empty if it passed.
        busy: The share of the time in which the generator had something to do.
    """

    target: str
    mode: str
    seed: int
    seconds: float
    outcomes: dict[str, int]
    in_flight: int
    passes: int
    dropped: int
    target_rate: float | None
    achieved_rate: float
    rate_held: bool
    service: dict[str, float | None]
    intended: dict[str, float | None] | None
    lag: dict[str, float | None] | None
    steps: dict[str, dict[str, Any]]
    scripts: tuple[str, ...]
    users: int
    unanswered: tuple[float, ...]
    failures: tuple[Repeated, ...]
    connected: bool
    reasons: tuple[str, ...]
    with_connect: bool
    busy: float

    @property
    def ok(self) -> int:
        """Exchanges that ended ok."""
        return self.outcomes["ok"]

    @property
    def failed(self) -> int:
        """Exchanges that ended otherwise."""
        return sum(self.outcomes.values()) - self.ok

    @property
    def attempted(self) -> int:
        """Exchanges that began."""
        return self.ok + self.failed + self.in_flight

    @property
    def lower_bounds(self) -> dict[str, int]:
        """How many durations are lower bounds, as there was no reply, by what ended the wait."""
        timeouts = sum(self.outcomes[outcome] for outcome in UNANSWERED)
        return {"timeout": timeouts, "unanswered": len(self.unanswered)}

    @property
    def is_load(self) -> bool:
        """Whether scripts were played more than once or on a schedule, so that speed is of interest."""
        return self.target_rate is not None or self.passes > max(len(self.scripts), 1)

    @property
    def lag_limit(self) -> float:
        """The highest p99 lag of the generator, in seconds, with which the figures are trusted."""
        return max(LAG_FLOOR, LAG_SHARE * (self.service["p99"] or 0.0))

    @property
    def verdict(self) -> str:
        """``pass`` or ``fail``."""
        return "fail" if self.reasons else "pass"

    @property
    def trustworthy(self) -> bool | None:
        """Whether the generator was quick enough for its figures to be trusted.

        None if there is no schedule, or no user was ever free when a pass was due.
        """
        if self.lag is None or self.lag["p99"] is None:
            return None
        return self.lag["p99"] <= self.lag_limit

    @property
    def is_bottleneck(self) -> bool:
        """Whether the generator, and not the server, limited the rate."""
        return self.busy >= BOTTLENECK

    def as_object(self) -> dict[str, Any]:
        """Return what ``--summary json`` prints."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "verdict": self.verdict,
            "reasons": self.reasons,
            "target": self.target,
            "scripts": self.scripts,
            "users": self.users,
            "duration": round(self.seconds, 3),
            "seed": self.seed,
            "attempted": self.attempted,
            "ok": self.ok,
            "failed": self.failed,
            "in_flight": self.in_flight,
            "outcomes": self.outcomes,
            "passes": self.passes,
            "dropped": self.dropped,
            "rate": {"target": self.target_rate, "achieved": round(self.achieved_rate, 3)},
            "lower_bounds": self.lower_bounds,
            "service_seconds": self.service,
            "intended_seconds": self.intended,
            "lag_seconds": self.lag,
            "trustworthy": self.trustworthy,
            "steps": self.steps,
            "first_failure": _place(self.failures[0].first) if self.failures else None,
            "failures": [
                {"outcome": each.outcome, "count": each.count, **_place(each.first)} for each in self.failures
            ],
        }


def _place(failure: Failure) -> dict[str, Any]:
    return {
        "file": failure.file, "line": failure.line, "step": failure.step,
        "expected": failure.expected, "got": failure.got, "said": failure.said,
    }  # fmt: skip


def summarize(  # noqa: PLR0913 - they are all keywords
    ledger: Ledger,
    *,
    target: str,
    mode: str,
    seed: int,
    seconds: float,
    target_rate: float | None,
    thresholds: tuple[Threshold, ...],
    with_connect: bool,
    scripts: Mapping[str, Sequence[str]],
    users: int = 1,
    strict_rate: bool = False,
    busy: float = 0.0,
    drawn_rate: float | None = None,
) -> Summary:
    """Return the summary of what a ledger holds.

    Args:
        ledger: The ledger of a run that has ended.
        target: The URL.
        mode: A description of the load, for people.
        seed: The seed of all that was random.
        seconds: For how long passes were due or began.
        target_rate: Passes a second that were asked for, on average; None in a closed loop.
        thresholds: The conditions under which the run has failed.
        with_connect: Whether durations include the connect.
        scripts: The scripts that were played, and the steps of each.
        users: How many users played.
        strict_rate: Whether the run has failed if the rate was not held.
        busy: The share of the time in which the generator had something to do.
        drawn_rate: Passes a second of a random schedule, which differ from the target by chance.
    """
    with ledger.settled():
        achieved = ledger.rate(seconds)
        asked = target_rate if drawn_rate is None else drawn_rate
        held = asked is None or (not ledger.dropped and achieved >= HELD * asked)
        reasons = [*objections(ledger, scripts), *compare(thresholds, ledger, seconds)]
        if strict_rate and not held:
            reasons.append("the rate was not held")
        lag = {"p99": ledger.lag.quantile(0.99), "max": ledger.lag.quantile(1.0)}
        return Summary(
            target=target,
            mode=mode,
            scripts=tuple(scripts),
            users=users,
            seed=seed,
            seconds=seconds,
            outcomes=ledger.counted_outcomes,
            in_flight=ledger.in_flight,
            unanswered=tuple(waited for _, waited in ledger.unanswered),
            passes=ledger.counted_passes,
            dropped=ledger.dropped,
            target_rate=target_rate,
            achieved_rate=achieved,
            rate_held=held,
            service=_quantiles(ledger.service),
            intended=None if target_rate is None else _quantiles(ledger.intended),
            lag=None if target_rate is None else lag,
            steps={
                name: {
                    "ok": step.counted["ok"],
                    "failed": sum(step.counted.values()) - step.counted["ok"],
                    "p99": step.durations.quantile(0.99),
                }
                for name, step in ledger.steps.items()
            },
            failures=tuple(ledger.failures.values()),
            connected=ledger.connections["ok"] > 0,
            reasons=tuple(reasons),
            with_connect=with_connect,
            busy=busy,
        )


def _quantiles(durations: Durations) -> dict[str, float | None]:
    return {name: durations.quantile(share) for name, share in QUANTILES.items()}
