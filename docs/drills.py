"""The page of drills, from their catalogue and the figures of the last run of all of them."""

import json

from drills.catalogue import DRILLS
from drills.drill import MEASURED, Drill

_HEAD = """\
# Drills

Made from `drills/catalogue.py` and `docs/drills.json` by `python -m docs`. A drill provokes one fault in the running stack,
says what to look at, waits until it shows, until its alert fires and, after the fault, resolves, and leaves the stack as
it was, even if you press Ctrl-C or close the terminal:

```sh
docker compose up --build --wait
make drill                  # lists them
make drill slow-clients     # does one
```

Its exit status is 0 if all was seen and no other alert fired, else 1. It needs Python 3.11 and, for the lines of the log, `jq`
(`apt-get install jq`). Faults are special clients and servers, and Docker's own commands; the server has no code for them.
What a drill starts is a container named after its stack, `socketscope-drill`; a stack has one at a time. Below are each drill's
panel, its alert with the section of the runbook, the query that shows it, and a command that prints its log lines while it lasts.

A drill spends as much of the [error budgets](slo.md) as a real fault: after some in one hour `BudgetBurnsFast` fires too, and
rightly. `docker compose down --volumes`, and the `up` above, forget it.

## How soon each shows

One run of `make drill all` on a machine of two cores that did other things too. Seconds from the drill's beginning, a
container's start included, until the series moved and until the alert fired; and from the fault's end until it resolved.

| Drill | Visible after | Alert | Fired after | Resolved after |
|---|---|---|---|---|
"""


def render_drills() -> str:
    """Return the page of all drills."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    rows = [_row(drill, measured.get(drill.name, {})) for drill in DRILLS]
    return "".join([_HEAD, *rows, *map(_section, DRILLS)])


def _row(drill: Drill, took: dict[str, float | None]) -> str:
    alert = f"`{drill.alert}`" if drill.alert else "none"
    seen, told, resolved = (_seconds(took.get(name)) for name in ("seen", "told", "resolved"))
    return f"| [{drill.name}](#{drill.name}) | {seen} | {alert} | {told} | {resolved} |\n"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} s"


def _section(drill: Drill) -> str:
    dashboard, title = drill.panel
    runbook = f"runbook.md#{drill.anchor}"
    alert = f"[`{drill.alert}`]({runbook}) fires" if drill.alert else f"no alert [should fire]({runbook})"
    servers = "" if drill.servers == 1 else f" With at least {drill.servers} servers."
    lines = "No lines: they are what is lost." if drill.lines is None else f"```sh\n{drill.lines}\n```"
    return f"""
## {drill.name}

{drill.what}{servers} See *{title}* of the dashboard *{dashboard}*; {alert}.

```promql
{drill.seen}
```

{lines}
"""
