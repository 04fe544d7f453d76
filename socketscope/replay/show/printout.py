"""The summary as a person reads it, in a terminal or in a log."""

from itertools import zip_longest

from socketscope.replay.measure.figures import count, duration, rate, share
from socketscope.replay.measure.ledger import Failure
from socketscope.replay.measure.summary import Summary

QUANTILE_TITLES = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "max"}

_NAME = 30
_SHOWN_BEFORE = 30
_SHOWN = 66
"""Characters that are shown before a difference, and altogether."""


def as_text(summary: Summary) -> str:
    """Return the summary: the verdict first, and then what it rests on."""
    total = sum(summary.outcomes.values())
    lines = [
        f"FAIL: {'; '.join(summary.reasons)}" if summary.reasons else "PASS",
        "",
        f"target     {summary.target}",
        f"mode       {summary.mode}",
        f"length     {summary.seconds:.1f} s, seed {summary.seed}",
        f"exchanges  {count(summary.attempted)} attempted, {_ended(summary)}",
        f"passes     {count(summary.passes)}, {_rate(summary)}",
        "",
        *_durations(summary),
        "",
        f"{'step':30}{'ok':>12}{'failed':>12}{'p99':>12}",
        *(
            f"{_cut(name):30}{count(step['ok']):>12}{count(step['failed']):>12}{duration(step['p99']):>12}"
            for name, step in summary.steps.items()
        ),
    ]
    if summary.failed:
        lines += ["", "failures"]
        lines += [
            f"  {name:28}{count(number):>12}{share(number / total):>12}"
            for name, number in summary.outcomes.items()
            if number and name != "ok"
        ]
    if summary.in_flight:
        lines += ["", f"in flight at the end: {count(summary.in_flight)}, no errors"]
    lines += ["", *trust(summary)]
    if (failure := summary.first_failure) is not None:
        lines += ["", f"first failure: {failure.file}:{failure.line}"]
        lines += [f"  {line}" for line in compared(failure)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def trust(summary: Summary) -> list[str]:
    """Return whether the durations can be believed, and why."""
    busy = f"this client was busy {share(summary.busy)} of the time: it is the limit here, not the server"
    return _lag(summary) + ([busy] if summary.is_bottleneck else [])


def _lag(summary: Summary) -> list[str]:
    if summary.lag is None:
        return ["closed loop: a server that stalls is asked less, so it hardly shows; see --rate"]
    if summary.trustworthy is None:
        return ["the generator's own lag: unknown, as no user was free in time; see --users"]
    lag = f"p99 {duration(summary.lag['p99'])}, max {duration(summary.lag['max'])}"
    believed = "can be trusted" if summary.trustworthy else "can NOT be trusted"
    return [f"the generator's own lag: {lag}; figures {believed}"]


def compared(failure: Failure) -> list[str]:
    """Return what was expected above what came; where they begin alike, a caret is below where they part."""
    expected, got = repr(failure.expected), repr(failure.got)
    pairs = enumerate(zip_longest(expected, got))
    differs = next((n for n, (a, b) in pairs if a != b), len(expected))
    start = max(differs - _SHOWN_BEFORE, 0)
    caret = [" " * (10 + differs - start) + "^"] if differs > 1 else []
    return [f"expected  {_window(expected, start)}", f"got       {_window(got, start)}", *caret]


def _ended(summary: Summary) -> str:
    return f"{count(summary.ok)} ok, {count(summary.failed)} failed"


def _rate(summary: Summary) -> str:
    if summary.target_rate is None:
        return rate(summary.achieved_rate)
    held = share(summary.achieved_rate / summary.target_rate) if summary.target_rate else "-"
    asked = f"{rate(summary.achieved_rate)} of {rate(summary.target_rate)} asked for ({held})"
    return f"{asked}, {count(summary.dropped)} dropped"


def _durations(summary: Summary) -> list[str]:
    rows = [f"{'':11}" + "".join(f"{title:>12}" for title in QUANTILE_TITLES.values())]
    rows.append(_row("service", summary.service))
    if summary.intended is not None:
        rows.append(_row("intended", summary.intended))
    since = "the connect, which is included," if summary.with_connect else "the send"
    rows.append(f"service: from {since} to the last byte of the reply")
    if summary.intended is not None:
        rows.append("intended: the same from when it was due")
    return rows


def _row(name: str, quantiles: dict[str, float | None]) -> str:
    return f"{name:11}" + "".join(f"{duration(quantiles[q]):>12}" for q in QUANTILE_TITLES)


def _cut(name: str) -> str:
    return name if len(name) < _NAME else name[: _NAME - 2] + "…"


def _window(text: str, start: int) -> str:
    cut = text[start : start + _SHOWN]
    return ("…" + cut[1:] if start else cut) + ("…" if start + _SHOWN < len(text) else "")
