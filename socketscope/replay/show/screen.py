"""The live view of a replay: a few lines of a terminal, redrawn in place by a process of its own.

In the process of the replay, each redraw would delay for milliseconds what is due then.
"""

import sys
from collections import Counter, deque
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
from socketscope.replay.measure.sketch import Sketch
from socketscope.replay.measure.timeline import Ended, Slot, Timeline
from socketscope.replay.show.charts import Size, chart, columns_of

LATELY = 5.0
"""Seconds over which the current figures are computed."""

_LABEL = 13
_TWO_COLUMNS = 60
"""The least columns of a terminal for a table of two columns."""

_TWO_CHARTS = 76
"""The least columns for two charts side by side."""

_LEAST_CHART, _HIGHEST_CHART = 3, 12
"""Lines of a chart, including the axis."""

_LEAST_WIDTH, _LEAST_HEIGHT = 40, 12
"""The least columns and lines for more than one line of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the view shows of a run: current figures, and those of the whole run so far.

    Attributes:
        heading: Target and mode.
        elapsed: Seconds since the run began.
        done: Share of the run that is over; None if it has no set end.
        ends: When it ends, as text.
        passes_per_second: Rate over the last seconds.
        target_rate: What the schedule asks for now; None in a closed loop.
        passes: Passes so far, including those of the warm-up.
        users: Users at work.
        open: Open connections.
        warming_up: Whether nothing counts yet.
        timeline: The whole run.
        failure: The first failure that counts, as lines of text; empty if there is none.
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
    warming_up: bool
    timeline: Timeline
    failure: Sequence[str]


class Screen:
    """Standard error, and a run so far."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._timeline = Timeline()
        self._passes: deque[tuple[float, int]] = deque([(0.0, 0)])
        self.live = Live(
            console=Console(stderr=True), auto_refresh=False, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def show(self, now: Mapping[str, Any]) -> None:
        """Redraw."""
        ended = (
            Ended(at, Slot(Counter(outcomes), *map(Sketch.of_bins, sketches)), counted)
            for at, outcomes, *sketches, counted in now["ended"]
        )
        self._timeline.follow(ended, now["began"])
        self._timeline.reach(now["elapsed"])
        self.live.update(draw(self._moment(now), self.live.console.size), refresh=True)

    def _moment(self, now: Mapping[str, Any]) -> Moment:
        elapsed, passes = now["elapsed"], now["passes"]
        while len(self._passes) > 1 and self._passes[0][0] < elapsed - LATELY:
            self._passes.popleft()
        since, before = self._passes[0]
        self._passes.append((elapsed, passes))
        done, ends = self._end(elapsed, passes)
        return Moment(
            heading=self._plan["heading"], elapsed=elapsed, done=done, ends=ends,
            passes_per_second=(passes - before) / max(elapsed - since, 1e-9),
            target_rate=now["target_rate"], passes=passes, users=now["users"], open=now["open"],
            warming_up=now["warming_up"], timeline=self._timeline, failure=now["failure"],
        )  # fmt: skip

    def _end(self, elapsed: float, passes: int) -> tuple[float | None, str]:
        if (duration := self._plan["duration"]) is not None:
            return min(elapsed / duration, 1.0), f"of {figures.clock(duration)}"
        if (planned := self._plan["passes"]) is not None:
            return passes / planned, f"{figures.count(passes)} of {figures.count(planned)} passes"
        return None, "until Ctrl-C"


def draw(moment: Moment, size: Size) -> RenderableType:
    """Return what to show in a terminal of that many columns and lines."""
    width, height = size
    if width < _LEAST_WIDTH or height < _LEAST_HEIGHT:
        return _in_a_line(moment)
    table = _table(moment, width)
    failure = _failure(moment)[: max(height - 4 - table.row_count, 0)]
    heading = Text(moment.heading, style="bold", no_wrap=True, overflow="ellipsis")
    # One line is for the cursor; each blank line, and the titles of the charts, take one too.
    left = height - 1 - (3 + table.row_count + len(failure) + 2)
    return Group(
        heading, _end_of(moment, width), Text(), table, *failure,
        *(_charts(moment.timeline, width, min(left, _HIGHEST_CHART)) if left >= _LEAST_CHART else ()),
    )  # fmt: skip


def _in_a_line(moment: Moment) -> Text:
    """Return one line, for a terminal that is too small for more."""
    counted = moment.timeline.counted
    return Text.assemble(
        f"{figures.clock(moment.elapsed)} ", (f"{counted.failed:,} failed " if counted.failed else "", "red"),
        f"{counted.ok:,} ok", no_wrap=True, overflow="ellipsis",
    )  # fmt: skip


def _failure(moment: Moment) -> list[Text]:
    if not moment.failure:
        return []
    title, *lines = moment.failure
    return [
        Text(),
        Text(title, style="red", no_wrap=True, overflow="ellipsis"),
        *(Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in lines),
    ]


def _end_of(moment: Moment, width: int) -> RenderableType:
    line = Text(f"{figures.clock(moment.elapsed)} {moment.ends}")
    if moment.warming_up:
        line.append("  warming up", style="yellow")
    if moment.done is None:
        return line
    grid = Table.grid(padding=(0, 2))
    grid.add_row(ProgressBar(total=1.0, completed=moment.done, width=max(width // 2, 10)), line)
    return grid


def _table(moment: Moment, width: int) -> Table:
    """Return the figures: a column for now, if there is room, and one for the whole run."""
    lately, counted = moment.timeline.last(LATELY), moment.timeline.counted
    asked = "" if moment.target_rate is None else f" of {figures.rate(moment.target_rate)}"
    rows: list[tuple[str | Text, str | Text]] = [
        (Text(f"last {LATELY:.0f} s", style="dim"), Text("so far", style="dim")),
        (figures.rate(moment.passes_per_second) + asked, figures.count(moment.passes)),
        (figures.count(lately.ok), figures.count(counted.ok)),
        (_failures(lately), _failures(counted)),
        (_quantiles(lately.service), _quantiles(counted.service)),
        (_quantiles(lately.intended), _quantiles(counted.intended)),
        (f"{moment.users} at work", f"{moment.open} connections open"),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=_LABEL - 2, style="dim")
    names = ("", "passes", "ok", "failed", "service", "intended", "users")
    for name, row in zip(names, rows, strict=True):
        if name != "intended" or moment.target_rate is not None:
            grid.add_row(name, *(row if width >= _TWO_COLUMNS else row[1:]))
    for column in grid.columns[1:]:
        column.no_wrap, column.min_width = True, 18
    return grid


def _failures(slot: Slot) -> Text:
    if not slot.failed:
        return Text("0")
    told = "  ".join(f"{name} {number:,}" for name, number in slot.outcomes.items() if name != "ok")
    return Text(told, style="red", no_wrap=True, overflow="ellipsis")


def _quantiles(sketch: Sketch) -> str:
    return f"p50 {figures.duration(sketch.quantile(0.5))}  p99 {figures.duration(sketch.quantile(0.99))}"


def _charts(timeline: Timeline, width: int, height: int) -> list[RenderableType]:
    """Return charts of the rate and the p99 over the run, without the last slot, which is unfinished."""
    across = 2 if width >= _TWO_CHARTS else 1
    inner = width // across - 1
    shown = timeline.coarser(columns_of(inner))
    whole, window = shown.slots[:-1], figures.edge(shown.seconds)
    rates = [slot.outcomes.total() / shown.seconds for slot in whole]
    slowest = [slot.service.quantile(0.99) for slot in whole]
    grid = Table.grid()
    for _ in range(across):
        grid.add_column(width=width // across, no_wrap=True)
    titles = [f"exchanges a second, each {window}", f"service p99, each {window}"]
    charts = [
        chart(rates, inner, height, figures.rate, shown.seconds, "green"),
        chart(slowest, inner, height, figures.duration, shown.seconds, "cyan"),
    ]
    grid.add_row(*(Text(title, style="dim") for title in titles[:across]))
    grid.add_row(*charts[:across])
    return [Text(), grid]


def main() -> None:
    """Show what comes on standard input, one JSON object per line; restore the terminal at the end."""
    lines = sys.stdin.buffer
    screen = Screen(orjson.loads(lines.readline()))
    with screen.live as live:
        # rich hides the cursor, which would be missing in the shell after Ctrl-Z.
        live.console.show_cursor()
        for line in lines:
            screen.show(orjson.loads(line))


if __name__ == "__main__":
    main()
