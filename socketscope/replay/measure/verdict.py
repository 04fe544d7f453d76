"""Why a run has failed: the conditions that it met, and reasons why it proves nothing."""

from collections.abc import Iterator, Mapping, Sequence

from socketscope.replay.measure.figures import count, duration, rate, share
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.sketch import merged
from socketscope.replay.measure.thresholds import Threshold

STALL = 1.0
"""Seconds; a longer wait at the end is a stall, if no reply of the step took as long."""


def objections(ledger: Ledger, scripts: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield, as messages, why a run has failed whatever conditions were set.

    Args:
        ledger: The run's, settled.
        scripts: The scripts that were to be played, and the steps of each.
    """
    if not ledger.connections["ok"]:
        yield "no connection ever succeeded"
        return
    if not ledger.counting:
        yield "the run ended within its warm-up, of which nothing counts"
        return
    if not ledger.counted_outcomes["ok"]:
        yield "no exchange ended ok"
    met = {step for step, _ in ledger.unanswered}
    missing = [
        script
        for script, steps in scripts.items()
        if not any(step in met or any(ledger.steps[step].counted.values()) for step in steps)
    ]
    if missing:
        others = f" and {count(len(missing) - 1)} more were" if len(missing) > 1 else " was"
        yield f"{missing[0]}{others} never played"
    stalled = [
        waited for step, waited in ledger.unanswered if waited > max(STALL, ledger.steps[step].longest_ok)
    ]
    if stalled:
        exchanges = "1 exchange was" if len(stalled) == 1 else f"{count(len(stalled))} exchanges were"
        yield f"{exchanges} unanswered at the end, after {duration(max(stalled))}"


def compare(thresholds: Sequence[Threshold], ledger: Ledger, seconds: float) -> list[str]:
    """Return the conditions that a run met, each with its figure.

    Args:
        thresholds: The conditions.
        ledger: The run's, settled.
        seconds: For how long passes were due or began.
    """
    figures = [(threshold, _figure(threshold, ledger, seconds)) for threshold in thresholds]
    return [f"{t.text} ({_shown(t, figure)})" for t, figure in figures if t.failed(figure)]


def _figure(threshold: Threshold, ledger: Ledger, seconds: float) -> float | None:
    """Return the figure that a threshold is compared with; None if there is none."""
    steps = list(ledger.steps.values()) if threshold.step is None else [ledger.steps[threshold.step]]
    match threshold.metric:
        case "service":
            return merged(step.durations for step in steps).quantile(threshold.quantile)
        case "intended":
            return merged(step.intended_durations for step in steps).quantile(threshold.quantile)
        case "rate":
            return ledger.rate(seconds)
        case "dropped":
            begun = ledger.counted_passes if ledger.begun is None else ledger.begun
            number, whole = ledger.dropped, begun - ledger.early + ledger.dropped or 1
        case "errors":
            whole = sum(sum(step.counted.values()) for step in steps)
            number = whole - sum(step.counted["ok"] for step in steps)
    if not threshold.is_share:
        return float(number)
    return number / whole if whole else None


def _shown(threshold: Threshold, figure: float | None) -> str:
    """Return the figure that a threshold was compared with, as text."""
    if threshold.is_share:
        return share(figure)
    if threshold.metric in {"service", "intended"}:
        return duration(figure)
    return rate(figure) if threshold.metric == "rate" else count(figure)
