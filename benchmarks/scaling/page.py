"""docs/scaling.md's measured part, from docs/scaling.json. No I/O."""

from typing import Any

from benchmarks.page.report import table
from benchmarks.scaling.model import Behaviour, Choice, Line, Model, Plan, fit

MARKS = ("<!-- measured: python -m benchmarks.scaling writes from here -->", "<!-- measured: to here -->")

Measured = dict[str, Any]
"""What docs/scaling.json has: the points of each line, x and y, the last held back."""

CLIENTS = (1e3, 1e5, 1e7)
BEHAVIOURS = (
    Behaviour("a connection a message", kept=False, every=10),
    Behaviour("connections of an hour", kept=True, every=10),
)
CHOICE = Choice()

_OF_LINES = ("what, over what", "base", "for each", "fitted up to", "held back at", "measured", "error")
_OF_PLANS = (
    "clients", "messages/s", "replicas", "bound by", "memory", "series", "Prometheus", "disk", "log a day",
)  # fmt: skip

_MI, _GI, _GB = 2**20, 2**30, 1e9


def render(measured: Measured) -> str:
    """Return the measured part: the lines and their errors, then what so many clients take."""
    lines = ("message", "exchange", "memory", "series", "log", "scraped")
    model = Model(**{name: fit(measured[name]) for name in lines}, sample=measured["sample"])
    machine = measured["machine"]
    rows = (
        ("CPU, connections a second with one message each", model.message, 1e6, "µs", 1e2, "% of a core"),
        ("CPU, exchanges a second on kept connections", model.exchange, 1e6, "µs", 1e2, "% of a core"),
        ("memory, connections open", model.memory, 1 / 1024, "KiB", 1 / _MI, "MiB"),
        ("series, stream listeners", model.series, 1, "", 1, ""),
        ("bytes of a scrape, stream listeners", fit(measured["scrape"]), 1, "", 1, ""),
        ("bytes of the log, connections", model.log, 1, "", 1, ""),
        ("Prometheus' memory, series", model.scraped, 1 / 1024, "KiB", 1 / _MI, "MiB"),
    )
    return "\n".join(
        [
            f"{machine['date']}, commit {machine['commit']}; {machine['cores']} cores of {machine['cpu']},",
            f"Linux {machine['kernel']}, Python {machine['versions']['Python']},",
            f"Prometheus {measured['prometheus']}.",
            "",
            *table(_OF_LINES, (_line(*row) for row in rows)),
            f"A sample takes {measured['sample']:.2f} bytes of chunks on disk;",
            f"a start takes {measured['start']:.2f} s of CPU time.",
            "",
            *table(
                _OF_PLANS,
                (
                    _plan(count, behaviour, model.plan(count, behaviour, CHOICE))
                    for behaviour in BEHAVIOURS
                    for count in CLIENTS
                ),
            ),
        ]
    )


def _line(title: str, line: Line, slope: float, of_slope: str, base: float, of_base: str) -> tuple[str, ...]:
    x, y = line.held
    return (
        title,
        f"{line.base * base:.1f} {of_base}".strip(),
        f"{line.slope * slope:,.1f} {of_slope}".strip(),
        f"{line.last:,.0f}",
        f"{x:,.0f}",
        f"{y * base:,.1f} {of_base}".strip(),
        f"{round(line.error, 3) or 0.0:+.1%}",  # none has no sign, whatever the last digits are
    )


def _plan(clients: float, behaviour: Behaviour, plan: Plan) -> tuple[str, ...]:
    return (
        f"{clients:,.0f}, {behaviour.name}",
        f"{plan.messages:,.0f}",
        f"{plan.replicas:,}",
        plan.bound_by,
        _bytes(plan.memory),
        f"{plan.series:,.0f}",
        _bytes(plan.prometheus),
        f"{plan.disk / _GB:,.1f} GB",
        f"{plan.log / _GB:,.2f} GB",
    )


def _bytes(count: float) -> str:
    return f"{count / _MI:,.0f} MiB" if count < _GI else f"{count / _GI:,.1f} GiB"
