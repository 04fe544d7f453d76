"""The page of drills, from their catalogue and the figures of the last run of all of them."""

import json

from drills.catalogue import DRILLS
from drills.drill import MEASURED, Drill

_HEAD = """\
# Drills

A drill provokes one fault in the running stack and says what to look at. It waits until the fault shows, until its alert fires
and, after the fault, resolves. It leaves the stack as it was, even if you press Ctrl-C or close the terminal:

```sh
docker compose up --build --wait
make drill                  # lists them
make drill slow-clients     # does one
```

Its exit status is 0 if all was seen and no other alert fired, else 1. It needs Python 3.11 and, for the log lines, `jq`
(`apt-get install jq`). Faults are special clients and servers, and Docker commands; the server has no code for them. A drill starts
a container named after its stack, `socketscope-drill`; a stack runs one drill at a time.

A drill spends the [error budgets](slo.md) like a real fault: after several in one hour `BudgetBurnsFast` fires too, rightly.
`docker compose down --volumes`, followed by the `up` above, resets them.

Each section below has the drill's panel, its alert with the section of the runbook, the query that shows the fault, and a command
that prints its log lines while it lasts. `python -m docs` generates this page from `drills/catalogue.py` and `docs/drills.json`.

## How soon each shows

One run of `make drill all` on a busy machine of two cores. *Visible* and *fired* count from the drill's beginning, including a
container's start; *resolved* counts from the fault's end.

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
    lines = (
        "No log lines: the drill is that they are lost."
        if drill.lines is None
        else f"```sh\n{drill.lines}\n```"
    )
    return f"""
## {drill.name}

{drill.what}{servers} See *{title}* of the dashboard *{dashboard}*; {alert}.

```promql
{drill.seen}
```

{lines}
"""
