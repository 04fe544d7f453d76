"""The summary as text, for a terminal or a log."""

import math
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size

from socketscope.excerpt import escaped, printable
from socketscope.replay.measure.failures import Failure, Repeated
from socketscope.replay.measure.figures import count, duration, edge, rate, share
from socketscope.replay.measure.summary import LAG_FLOOR, QUANTILES, Summary

QUANTILE_TITLES = {name: name.replace("_", ".") for name in QUANTILES}

_NAME = 29
_WIDTH = 76
_KINDS = 10
"""The most kinds of failure that are shown; there may be one for each line of a script and outcome."""
_ROWS = 5
_SHOWN_BEFORE = 30
_SHOWN = 66
"""Characters that are shown before a difference, and in all."""


def as_text(summary: Summary) -> str:
    """Return the summary: the verdict first, then the figures it is based on."""
    total = sum(summary.outcomes.values())
    ended = f"{count(summary.ok)} ok, {count(summary.failed)} failed"
    lines = [
        f"FAIL: {'; '.join(summary.reasons)}" if summary.reasons else "PASS",
        "",
        f"target     {summary.target}",
        f"mode       {summary.mode}",
        f"length     {summary.seconds:.1f} s, seed {summary.seed}",
        f"exchanges  {count(summary.attempted)} attempted, {ended}",
        f"passes     {count(summary.passes)}, {_rate(summary)}",
        "",
        *lower_bounds(summary),
        *_durations(summary),
        "",
        f"{'step':30}{'ok':>12}{'failed':>12}{'p99':>12}",
        *(
            f"{_column(name)}{count(of['ok']):>12}{count(of['failed']):>12}{duration(of['p99']):>12}"
            for name, of in summary.steps.items()
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
        lines += ["", f"in flight at the end: {count(summary.in_flight)}"]
    for part in (trust(summary), hints(summary)):
        if part:
            lines += ["", *part]
    if summary.failures:
        lines += ["", failures(summary)]
    return printable("\n".join(line.rstrip() for line in lines) + "\n")


def trust(summary: Summary) -> list[str]:
    """Return whether the durations can be trusted, and why; empty if the run was no load."""
    if not summary.is_load:
        return []
    busy = f"this client was busy {share(summary.busy)} of the time: it is the limit here, not the server"
    return _lag(summary) + ([busy] if summary.is_bottleneck else [])


def _lag(summary: Summary) -> list[str]:
    if summary.lag is None:
        return ["closed loop: a server that stalls is asked less, so it hardly shows; see --rate"]
    if summary.trustworthy is None:
        return ["the generator's own lag: unknown, as no user was free in time; see --users"]
    lag = f"p99 {duration(summary.lag['p99'])}, max {duration(summary.lag['max'])}"
    believed = "can be trusted" if summary.trustworthy else "can NOT be trusted"
    limit = edge(LAG_FLOOR)
    if summary.lag_limit > LAG_FLOOR:
        limit = f"{duration(summary.lag_limit)}, a tenth of the service p99"
    return [f"the generator's own lag: {lag}", f"figures {believed}: that p99 may be at most {limit}"]


def hints(summary: Summary) -> list[str]:
    """Return which options would help if the rate was not held."""
    if summary.rate_held or not summary.dropped:
        return []
    if summary.is_bottleneck:
        return ["the rate was not held: this client can send no more; share it among several"]
    why = "the rate was not held, as no user was free in time"
    if not summary.passes:
        return [f"{why}: try more --users"]
    missing = math.ceil(summary.users * summary.dropped / summary.passes)
    return [f"{why}: try --users {summary.users + missing}"]


def lower_bounds(summary: Summary) -> list[str]:
    """Return which durations are lower bounds, as nobody waited for the reply."""
    why = {"timeout": "timed out", "unanswered": "unanswered at the end"}
    parts = [f"{count(number)} {why[name]}" for name, number in summary.lower_bounds.items() if number]
    if not parts:
        return []
    return [f"lower bounds among these: {', '.join(parts)}"]


def failures(summary: Summary) -> str:
    """Return each kind of failure: where it was, what was said, what was expected, and what came.

    Without failures, return the reasons why the run has failed.
    """
    if not summary.failures:
        return "; ".join(summary.reasons)
    lines: list[str] = []
    for kind in summary.failures[:_KINDS]:
        first = kind.first
        which = "another" if lines else "first"
        lines += [f"{which} failure: {place(kind, has_steps=len(summary.steps) > 1)}"]
        lines += [f"  {line}" for line in compared(first)]
    if (more := len(summary.failures) - _KINDS) > 0:
        lines.append(f"and {more} more: --report and --summary json have all")
    return "\n".join(lines)


def place(kind: Repeated, *, has_steps: bool) -> str:
    """Return where an exchange failed, how, and how often."""
    times = f", {count(kind.count)} times" if kind.count > 1 else ""
    step = f", step {kind.first.step}" if has_steps else ""
    return f"{kind.first.file}:{kind.first.line}, {kind.outcome}{times}{step}"


def compared(failure: Failure) -> list[str]:
    """Return what was said before, what was expected, and what came, with a caret at the difference."""
    said = [_cut(line, _WIDTH) for line in failure.said]
    if not failure.is_text:
        return [*said, *_wrapped("expected  ", failure.expected), *_wrapped("got       ", failure.got)]
    expected, got = f"'{failure.expected}'", f"'{failure.got}'"
    pairs = enumerate(zip_longest(expected, got))
    differs = next((n for n, (a, b) in pairs if a != b), len(expected))
    start = max(differs - _SHOWN_BEFORE, 0)
    shown = f"got       {_window(got, start)}"
    caret = " " * cell_len(shown[: 10 + differs - start]) + "^"
    return [*said, f"expected  {_window(expected, start)}", shown, caret]


def _wrapped(title: str, text: str) -> list[str]:
    rows = [text[start : start + _SHOWN] for start in range(0, len(text), _SHOWN)]
    if len(rows) > _ROWS:
        rows = [*rows[: _ROWS - 2], "…", text[-_SHOWN:]]
    return [f"{title if number == 0 else '':10}{row}" for number, row in enumerate(rows)]


def _rate(summary: Summary) -> str:
    if summary.target_rate is None:
        return rate(summary.achieved_rate)
    held = share(summary.achieved_rate / summary.target_rate if summary.target_rate else None)
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


def _column(name: str) -> str:
    """Return the name of a step for its column; of a long name the end, as several may share a path."""
    shown = escaped(name)
    if cell_len(shown) > _NAME:
        shown = "…" + set_cell_size(shown[::-1], _NAME - 1)[::-1]
    return set_cell_size(shown, _NAME + 1)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _window(text: str, start: int) -> str:
    cut = text[start : start + _SHOWN]
    return ("…" + cut[1:] if start else cut) + ("…" if start + _SHOWN < len(text) else "")
