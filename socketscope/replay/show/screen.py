"""The live view of a replay: a few lines of a terminal, redrawn in place by a process of its own.

In the replay's own process each redraw would hold up, for its milliseconds, what is due then.
"""

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from socketscope.replay.measure import figures
from socketscope.replay.measure.history import History
from socketscope.replay.measure.ledger import Ended
from socketscope.replay.measure.sketch import Sketch
from socketscope.replay.measure.timeline import Slot, Timeline
from socketscope.replay.show.charts import columns

LATELY = 5.0
"""Seconds that the figures of now are taken over."""

_LABEL = 13
_CHART_HEIGHT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the view shows of a run: figures of now, and of all of it so far.

    Attributes:
        heading: Target and mode.
        elapsed: Seconds since the run began.
        done: Share of it that is over; None where no end is set.
        ends: When it ends, for a person.
        passes_per_second: Lately.
        target_rate: What the schedule asks for now; None in a closed loop.
        passes: So far, those of the warm-up as well.
        users: At work.
        open: Connections.
        lately: What ended in the last seconds.
        counted: What the summary will count.
        warming_up: Whether nothing counts yet.
        timeline: All of the run.
    """

    heading: str
    elapsed: float
    done: float | None
    ends: str
    passes_per_second: float
    target_rate: float | None
    passes: int
    users: int
    open: int
    lately: Slot
    counted: Slot
    warming_up: bool
    timeline: Timeline


class Screen:
    """Standard error, and what a run has told so far."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._history = History()
        self._passes: deque[tuple[float, int]] = deque([(0.0, 0)])
        self.live = Live(
            console=Console(stderr=True), auto_refresh=False, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def show(self, now: Mapping[str, Any]) -> None:
        """Redraw."""
        self._history.add(
            (
                Ended(at, Slot(outcomes, Sketch.of_bins(service), Sketch.of_bins(intended)), [], counted)
                for at, outcomes, service, intended, counted in now["ended"]
            ),
            now["began"],
        )
        self._history.timeline.reach(now["elapsed"])
        self.live.update(draw(self._moment(now), self.live.console.width), refresh=True)

    def _moment(self, now: Mapping[str, Any]) -> Moment:
        elapsed, passes = now["elapsed"], now["passes"]
        while len(self._passes) > 1 and self._passes[0][0] < elapsed - LATELY:
            self._passes.popleft()
        since, before = self._passes[0]
        self._passes.append((elapsed, passes))
        done, ends = self._end(elapsed, passes)
        timeline = self._history.timeline
        return Moment(
            heading=self._plan["heading"], elapsed=elapsed, done=done, ends=ends,
            passes_per_second=(passes - before) / max(elapsed - since, 1e-9),
            target_rate=now["target_rate"], passes=passes, users=now["users"], open=now["open"],
            warming_up=now["warming_up"], lately=timeline.last(LATELY), counted=self._history.counted,
            timeline=timeline,
        )  # fmt: skip

    def _end(self, elapsed: float, passes: int) -> tuple[float | None, str]:
        if (duration := self._plan["duration"]) is not None:
            return min(elapsed / duration, 1.0), f"of {figures.clock(duration)}"
        if (planned := self._plan["passes"]) is not None:
            return passes / planned, f"{figures.count(passes)} of {figures.count(planned)} passes"
        return None, "until Ctrl-C"


def draw(moment: Moment, width: int) -> RenderableType:
    """Return what the terminal shows, for a terminal so many characters wide."""
    return Group(
        Text(moment.heading, style="bold", no_wrap=True, overflow="ellipsis"),
        _end_of(moment, width),
        Text(),
        _table(moment),
        Text(),
        *_charts(moment.timeline, width),
    )


def _end_of(moment: Moment, width: int) -> RenderableType:
    line = Text(f"{figures.clock(moment.elapsed)} {moment.ends}")
    if moment.warming_up:
        line.append("  warming up", style="yellow")
    if moment.done is None:
        return line
    grid = Table.grid(padding=(0, 2))
    grid.add_row(ProgressBar(total=1.0, completed=moment.done, width=max(width // 2, 10)), line)
    return grid


def _table(moment: Moment) -> RenderableType:
    """Return the figures: a column for now and one for the run."""
    lately, counted = moment.lately, moment.counted
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=_LABEL - 2, style="dim")
    grid.add_column(min_width=18)
    grid.add_column()
    grid.add_row("", Text(f"last {LATELY:.0f} s", style="dim"), Text("so far", style="dim"))
    asked = "" if moment.target_rate is None else f" of {figures.rate(moment.target_rate)}"
    grid.add_row("passes", figures.rate(moment.passes_per_second) + asked, figures.count(moment.passes))
    grid.add_row("ok", figures.count(lately.ok), figures.count(counted.ok))
    grid.add_row("failed", _failures(lately), _failures(counted))
    for name, of in (("service", "service"), ("intended", "intended")):
        if name == "intended" and moment.target_rate is None:
            continue
        grid.add_row(name, _quantiles(lately, of), _quantiles(counted, of))
    grid.add_row("users", f"{moment.users} at work", f"{moment.open} connections open")
    return grid


def _failures(slot: Slot) -> Text:
    if not slot.failed:
        return Text("0")
    told = "  ".join(f"{name} {number:,}" for name, number in slot.outcomes.items() if name != "ok")
    return Text(told, style="red", no_wrap=True, overflow="ellipsis")


def _quantiles(slot: Slot, of: str) -> str:
    sketch = slot.service if of == "service" else slot.intended
    return f"p50 {figures.duration(sketch.quantile(0.5))}  p99 {figures.duration(sketch.quantile(0.99))}"


def _charts(timeline: Timeline, width: int) -> list[RenderableType]:
    """Return the rate and the p99 over the latest part of the run, whose slots are all over."""
    whole = timeline.slots[:-1][-max(width - _LABEL, 1) :]
    rates = [sum(slot.outcomes.values()) / timeline.seconds for slot in whole]
    slowest = [slot.service.quantile(0.99) for slot in whole]
    return [
        _chart("exchanges", rates, figures.rate(max(rates, default=0.0)), width, "green"),
        _chart("p99", slowest, figures.duration(max((s for s in slowest if s), default=None)), width, "cyan"),
        Text(f"{'':{_LABEL}}{figures.clock(len(whole) * timeline.seconds)} up to now", style="dim"),
    ]


def _chart(name: str, values: Sequence[float | None], highest: str, width: int, style: str) -> Table:
    grid = Table.grid()
    grid.add_column(width=_LABEL)
    grid.add_column(no_wrap=True)
    lines = columns(values, max(width - _LABEL, 1), _CHART_HEIGHT)
    label = Text(f"{name}\nup to\n{highest}", style="dim")
    grid.add_row(label, Text("\n".join(lines), style=style))
    return grid


def main() -> None:
    """Show what comes on standard input, a JSON object a line, and leave the terminal as it was."""
    lines = sys.stdin.buffer
    screen = Screen(orjson.loads(lines.readline()))
    with screen.live:
        for line in lines:
            screen.show(orjson.loads(line))


if __name__ == "__main__":
    main()
