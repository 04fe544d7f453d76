"""What a run came to: its figures, as an object for machines, and the verdict."""

from dataclasses import dataclass, replace
from typing import Any

from socketscope.replay.measure.durations import Durations
from socketscope.replay.measure.figures import count, duration, share
from socketscope.replay.measure.ledger import Failure, Ledger
from socketscope.replay.measure.thresholds import COUNTS, QUANTILES, Threshold

SCHEMA = 1

HELD = 0.95
"""Share of the target rate from which on it counts as held."""

LAG_FLOOR = 1e-3
LAG_SHARE = 0.1
"""The generator's own p99 lag may be 1 ms, or a tenth of the p99 that it reports, to be trusted."""

BOTTLENECK = 0.9
"""Share of its time from which on a busy generator, rather than the server, sets what can be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a run, and whether it failed.

    Attributes:
        seconds: How long it took, without the warm-up.
        reasons: Why it failed, each for a person; none where it passed.
        busy: The share of its time in which the generator had something to do.
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
    service: dict[str, float | None]
    intended: dict[str, float | None] | None
    lag: dict[str, float | None] | None
    steps: dict[str, dict[str, Any]]
    first_failure: Failure | None
    connected: bool
    failed_thresholds: tuple[str, ...]
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
        """Exchanges that were begun."""
        return self.ok + self.failed + self.in_flight

    @property
    def verdict(self) -> str:
        """``pass`` or ``fail``."""
        return "fail" if self.reasons else "pass"

    @property
    def trustworthy(self) -> bool | None:
        """Whether the generator was quick enough to be believed.

        None where there is no schedule, or no user was ever free to keep it.
        """
        if self.lag is None or self.lag["p99"] is None:
            return None
        return self.lag["p99"] <= max(LAG_FLOOR, LAG_SHARE * (self.service["p99"] or 0.0))

    @property
    def is_bottleneck(self) -> bool:
        """Whether the generator had hardly a moment to wait for the server."""
        return self.busy >= BOTTLENECK

    @property
    def rate_held(self) -> bool:
        """Whether the passes came at the rate that was asked for."""
        if self.target_rate is None:
            return True
        return not self.dropped and self.achieved_rate >= HELD * self.target_rate

    def as_object(self) -> dict[str, Any]:
        """Return what ``--summary json`` prints."""
        failure = self.first_failure
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "target": self.target,
            "seed": self.seed,
            "attempted": self.attempted,
            "ok": self.ok,
            "failed": self.failed,
            "in_flight": self.in_flight,
            "outcomes": self.outcomes,
            "passes": self.passes,
            "dropped": self.dropped,
            "rate": {"target": self.target_rate, "achieved": round(self.achieved_rate, 3)},
            "service_seconds": self.service,
            "intended_seconds": self.intended,
            "lag_seconds": self.lag,
            "trustworthy": self.trustworthy,
            "steps": self.steps,
            "first_failure": failure
            and {
                "file": failure.file,
                "line": failure.line,
                "expected": failure.expected,
                "got": failure.got,
            },
        }


def summarize(  # noqa: PLR0913 - what was asked for, each for itself
    ledger: Ledger,
    *,
    target: str,
    mode: str,
    seed: int,
    seconds: float,
    target_rate: float | None,
    thresholds: tuple[Threshold, ...],
    with_connect: bool,
    strict_rate: bool = False,
    busy: float = 0.0,
) -> Summary:
    """Return the summary of what a ledger holds.

    Args:
        ledger: Of a run that has ended.
        target: The URL.
        mode: How the load was made, for a person.
        seed: Of everything random.
        seconds: How long the run took.
        target_rate: Passes a second that were asked for, on average; None in a closed loop.
        thresholds: What makes it fail.
        with_connect: Whether durations include the connect.
        strict_rate: Whether a rate that was not held makes it fail.
        busy: The share of its time in which the generator had something to do.
    """
    with ledger.settled():
        outcomes = ledger.counted_outcomes
        service = _quantiles(ledger.service)
        intended = None if target_rate is None else _quantiles(ledger.intended)
        lag = None if target_rate is None else {"p99": ledger.lag.quantile(0.99), "max": ledger.lag.longest}
        figures: dict[str, float | None] = {"dropped": float(ledger.dropped), **service}
        figures |= {f"intended_{name}": value for name, value in _quantiles(ledger.intended).items()}
        figures["errors"] = float(sum(outcomes.values()) - outcomes["ok"])
        failed = tuple(t for t in thresholds if t.failed(_figure(t, figures, sum(outcomes.values()))))
        summary = Summary(
            target=target,
            mode=mode,
            seed=seed,
            seconds=seconds,
            outcomes=outcomes,
            in_flight=ledger.in_flight,
            passes=ledger.counted_passes,
            dropped=ledger.dropped,
            target_rate=target_rate,
            achieved_rate=ledger.counted_passes / seconds,
            service=service,
            intended=intended,
            lag=lag,
            steps={
                name: {
                    "ok": step.counted["ok"],
                    "failed": sum(step.counted.values()) - step.counted["ok"],
                    "p99": step.durations.quantile(0.99),
                }
                for name, step in ledger.steps.items()
            },
            first_failure=ledger.first_failure,
            connected=ledger.connections["ok"] > 0,
            failed_thresholds=tuple(threshold.text for threshold in failed),
            reasons=tuple(
                f"{threshold.text} ({_shown(threshold, _figure(threshold, figures, sum(outcomes.values())))})"
                for threshold in failed
            ),
            with_connect=with_connect,
            busy=busy,
        )
    if not summary.connected:
        summary = replace(summary, reasons=("no connection ever succeeded", *summary.reasons))
    if strict_rate and not summary.rate_held:
        summary = replace(summary, reasons=(*summary.reasons, "the rate was not held"))
    return summary


def _figure(threshold: Threshold, figures: dict[str, float | None], total: int) -> float | None:
    figure = figures[threshold.metric]
    if threshold.is_share and figure is not None:
        return figure / total if total else None
    return figure


def _shown(threshold: Threshold, figure: float | None) -> str:
    """Return what a threshold was compared with, for a person."""
    if threshold.is_share:
        return share(figure)
    return count(figure) if threshold.metric in COUNTS else duration(figure)


def _quantiles(durations: Durations) -> dict[str, float | None]:
    return {name: durations.quantile(share) for name, share in QUANTILES.items()}
