"""What a run came to: as an object for machines, as text for people, and as a verdict."""

from dataclasses import dataclass
from typing import Any

from client.ledger import Durations, Failure, Ledger
from client.thresholds import QUANTILES, Threshold

SCHEMA = 1

HELD = 0.95
"""Share of the target rate from which on it counts as held."""

LAG_FLOOR = 1e-3
LAG_SHARE = 0.1
"""The generator's own p99 lag may be 1 ms, or a tenth of the p99 that it reports, to be trusted."""

QUANTILE_TITLES = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "max"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a run, and whether it failed."""

    target: str
    mode: str
    seed: int
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
    with_connect: bool

    @property
    def ok(self) -> int:
        """Exchanges that ended ok."""
        return self.outcomes["ok"]

    @property
    def failed(self) -> int:
        """Exchanges that ended otherwise."""
        return sum(self.outcomes.values()) - self.ok

    @property
    def trustworthy(self) -> bool | None:
        """Whether the generator was quick enough to be believed; None where there is no schedule."""
        if self.lag is None:
            return None
        lag = self.lag["p99"] or 0.0
        return lag <= max(LAG_FLOOR, LAG_SHARE * (self.service["p99"] or 0.0))

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
            "verdict": "fail" if self.failed_thresholds else "pass",
            "target": self.target,
            "seed": self.seed,
            "attempted": self.ok + self.failed + self.in_flight,
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


def summarize(
    ledger: Ledger,
    *,
    target: str,
    mode: str,
    seed: int,
    seconds: float,
    target_rate: float | None,
    thresholds: tuple[Threshold, ...],
    with_connect: bool,
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
    """
    with ledger.lock:
        outcomes = dict(ledger.counted_outcomes)
        service = _quantiles(ledger.service)
        intended = None if target_rate is None else _quantiles(ledger.intended)
        lag = None if target_rate is None else {"p99": ledger.lag.quantile(0.99), "max": ledger.lag.longest}
        figures: dict[str, float | None] = {"dropped": float(ledger.dropped), **service}
        figures |= {f"intended_{name}": value for name, value in _quantiles(ledger.intended).items()}
        return Summary(
            target=target,
            mode=mode,
            seed=seed,
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
                    "ok": step.outcomes["ok"],
                    "failed": sum(step.outcomes.values()) - step.outcomes["ok"],
                    "p99": step.durations.quantile(0.99),
                }
                for name, step in ledger.steps.items()
            },
            first_failure=ledger.first_failure,
            connected=ledger.connections["ok"] > 0,
            failed_thresholds=tuple(t.text for t in thresholds if t.failed(_figure(t, figures, outcomes))),
            with_connect=with_connect,
        )


def _figure(threshold: Threshold, figures: dict[str, float | None], outcomes: dict[str, int]) -> float | None:
    if threshold.metric != "errors":
        return figures[threshold.metric]
    total = sum(outcomes.values())
    errors = total - outcomes["ok"]
    if threshold.is_share:
        return errors / total if total else None
    return float(errors)


def _quantiles(durations: Durations) -> dict[str, float | None]:
    return {name: durations.quantile(share) for name, share in QUANTILES.items()}


def as_text(summary: Summary) -> str:
    """Return the summary for a person."""
    verdict = f"FAIL: {', '.join(summary.failed_thresholds)}" if summary.failed_thresholds else "PASS"
    attempted = summary.ok + summary.failed + summary.in_flight
    rate = f"{summary.achieved_rate:.1f} passes/s"
    if summary.target_rate is not None:
        rate = f"{rate} of {summary.target_rate:.1f} asked for, {summary.dropped} dropped"
    lines = [
        verdict,
        f"target     {summary.target}, {summary.mode}, seed {summary.seed}",
        f"exchanges  {attempted} attempted, {summary.ok} ok, {summary.failed} failed",
        f"rate       {rate}",
        "",
        *_duration_rows(summary),
        "",
        f"{'step':24}{'ok':>10}{'failed':>10}{'p99':>12}",
        *(
            f"{name[:23]:24}{step['ok']:>10}{step['failed']:>10}{_time(step['p99']):>12}"
            for name, step in summary.steps.items()
        ),
    ]
    if summary.failed:
        lines += ["", "failures"]
        lines += [f"  {name:22}{n:>10}" for name, n in summary.outcomes.items() if n and name != "ok"]
    if summary.in_flight:
        lines += ["", f"in flight at the end: {summary.in_flight}, no errors"]
    lines += ["", _trust(summary)]
    if (failure := summary.first_failure) is not None:
        lines += ["", *_first_failure(failure)]
    return "\n".join(lines) + "\n"


def _duration_rows(summary: Summary) -> list[str]:
    includes = " (connect included)" if summary.with_connect else ""
    rows = [f"{'':11}" + "".join(f"{title:>12}" for title in QUANTILE_TITLES.values())]
    rows.append("service    " + "".join(f"{_time(summary.service[q]):>12}" for q in QUANTILES) + includes)
    if summary.intended is not None:
        rows.append("intended   " + "".join(f"{_time(summary.intended[q]):>12}" for q in QUANTILES))
    return rows


def _trust(summary: Summary) -> str:
    if summary.lag is None:
        return "closed loop: a server that stalls is asked less, so its stall shows less in these durations"
    lag = f"the generator's own lag: p99 {_time(summary.lag['p99'])}, max {_time(summary.lag['max'])}"
    return f"{lag}: these figures {'can' if summary.trustworthy else 'can NOT'} be trusted"


def _first_failure(failure: Failure) -> list[str]:
    differs = next(
        (n for n, (a, b) in enumerate(zip(failure.expected, failure.got, strict=False)) if a != b),
        min(len(failure.expected), len(failure.got)),
    )
    return [
        f"first failure: {failure.file}:{failure.line}",
        f"  expected  {failure.expected!r}",
        f"  got       {failure.got!r}",
        " " * (13 + differs) + "^",
    ]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.0f} µs"
