"""docs/performance.png: the exchanges a second of all servers, and what a connection costs."""

from pathlib import Path
from typing import Any

from benchmarks.catalogue import OF_GOALS, THROUGHPUT
from benchmarks.generator import Rounds, column
from benchmarks.machine import in_words
from benchmarks.page.goals import Results
from benchmarks.page.report import cost_steps
from benchmarks.programs import OFF, OURS
from benchmarks.ratios import spread

OUR_COLOUR, OFF_COLOUR, THEIR_COLOUR = "#1f6fb2", "#9cc3e0", "#b8b8b8"


def draw(results: Results, machine: dict[str, Any], path: Path) -> None:
    """Draw the chart into a PNG file."""
    # Only here: a comparison alone needs no chart.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(11, 7.5), dpi=130, layout="constrained")
    panels = figure.subplot_mosaic([sorted(OF_GOALS), ["cost", "cost"]], height_ratios=[3, 1.3])
    for measure in OF_GOALS:
        _bars(panels[measure], THROUGHPUT[measure][0], results[measure])
    _costs(panels["cost"], results["cost"])
    figure.suptitle(in_words(machine), fontsize=9)
    figure.savefig(path)


def _bars(axes: Any, title: str, rounds: Rounds) -> None:
    names = list(rounds)[::-1]
    spreads = [spread(column(rounds[name], "rate")) for name in names]
    medians = [s.median for s in spreads]
    errors = [[s.median - s.low for s in spreads], [s.high - s.median for s in spreads]]
    colours = {OURS: OUR_COLOUR, OFF: OFF_COLOUR}
    axes.barh(
        [f"{name},\nfully observed" if name == OURS else name for name in names],
        medians,
        xerr=errors,
        color=[colours.get(name, THEIR_COLOUR) for name in names],
        error_kw={"elinewidth": 1, "capsize": 3},
    )
    for position, figure in enumerate(spreads):
        axes.text(figure.high * 1.02, position, f"{figure.median:,.0f}", va="center", fontsize=9)
    axes.set_xlim(0, max(s.high for s in spreads) * 1.18)
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("exchanges a second (median, and range of the rounds)")
    axes.spines[["top", "right"]].set_visible(False)


def _costs(axes: Any, rounds: Rounds) -> None:
    left = 0.0
    shades = ("#4d4d4d", "#8c8c8c", "#08519c", "#3182bd", "#6baed6", "#9ecae1", "#c6dbef")
    for (part, step), shade in zip(cost_steps(rounds).items(), shades, strict=True):
        width = max(step, 0.0)
        axes.barh(0, width, left=left, color=shade, label=f"{part} {step:.1f}")
        left += width
    axes.set_title("CPU time of a connection, µs: each part is what it adds", fontsize=11)
    axes.set_yticks([])
    axes.set_xlim(0, left * 1.02)
    axes.legend(ncols=7, loc="upper center", bbox_to_anchor=(0.5, -0.25), frameon=False, fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
