"""`python -m drills` lists them, `python -m drills NAME` does one: `make drill`, `make drill NAME`."""

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from drills.catalogue import DRILLS
from drills.drill import MEASURED, Drill
from drills.rehearsal import Outcome, Rehearsal, StoppedError
from drills.stack import FOLDER, Stack, StackError

ALL = "all"
FAILED, USAGE = 1, 2


def main(arguments: list[str]) -> int:
    """List the drills, or do one or all of them; return the exit status."""
    if not arguments:
        width = max(len(drill.name) for drill in DRILLS)
        for drill in DRILLS:
            print(f"{drill.name:{width}}  {drill.what}")
        print(f"{ALL:{width}}  All of them in turn, a quarter of an hour; docs/drills.md has what each took.")
        return 0
    everything = arguments == [ALL]
    chosen = [drill for drill in DRILLS if everything or arguments == [drill.name]]
    if not chosen:
        _complain(f"there is no {' '.join(arguments)}; make drill lists them")
        return USAGE
    came: list[int] = []
    stopped = threading.Event()

    def stop(number: int, _: object) -> None:
        came.append(number)
        stopped.set()

    # Closing the terminal ends it as Ctrl-C does, unless it was started by nohup.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        outcomes = _do(Stack(), chosen, stopped)
    except StackError as error:
        _complain(error)
        return FAILED
    except StoppedError:
        print("nothing is left of it")
        return 128 + came[0]
    if everything:
        _write(outcomes)
    return 0 if all(outcome.is_as_told(drill) for drill, outcome in outcomes) else FAILED


def _do(stack: Stack, chosen: Sequence[Drill], stopped: threading.Event) -> list[tuple[Drill, Outcome]]:
    outcomes = []
    for drill in chosen:
        _announce(stack, drill)
        outcome = Outcome()
        try:
            outcome = Rehearsal(stack, _say, stopped.wait).play(drill)
        except StackError as error:
            _complain(error)
        outcomes.append((drill, outcome))
    return outcomes


def _complain(problem: object) -> None:
    print(f"drills: {problem}", file=sys.stderr)


def _say(line: str) -> None:
    print(line, flush=True)


def _announce(stack: Stack, drill: Drill) -> None:
    """Say what to look at."""
    dashboard, title = drill.panel
    _say(f"{drill.name}: {drill.what}")
    at = f"on the dashboard {dashboard}, as Grafana does not run"
    if stack.grafana is not None:
        at = f"{stack.grafana}/d/socketscope-{dashboard}?viewPanel={_panel(dashboard, title)}"
    _say(f"    panel    {title}: {at}")
    _say(f"    series   {drill.seen}")
    _say(f"    alert    {drill.alert or 'none'}: {stack.prometheus}/alerts")
    _say(f"    runbook  {stack.prometheus}/user/runbook.html#{drill.anchor}")


def _panel(dashboard: str, title: str) -> int:
    """Return the number of a panel of a dashboard as it is committed."""
    drawn = json.loads((FOLDER / "grafana" / "dashboards" / f"{dashboard}.json").read_text(encoding="utf-8"))
    panels: list[dict[str, Any]] = drawn["panels"]
    inner = [panel for row in panels for panel in row.get("panels", ())]
    return next(int(panel["id"]) for panel in panels + inner if panel["title"] == title)


def _write(outcomes: list[tuple[Drill, Outcome]]) -> None:
    figures = {
        drill.name: {
            name: None if (seconds := getattr(outcome, name)) is None else round(seconds, 1)
            for name in ("seen", "told", "resolved")
        }
        for drill, outcome in outcomes
    }
    MEASURED.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left; the interpreter still flushes its output, and that must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    sys.exit(status)
