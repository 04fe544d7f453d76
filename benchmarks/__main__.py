"""Measures this server beside its peers: `benchmarks/run`, or `benchmarks/run --only message-64 --rounds 3`.

A whole run writes docs/performance.json, .png and .md; a part of one prints its tables.
"""

import json
import sys
import time
from typing import Any

import click

from benchmarks import machine
from benchmarks.catalogue import all_measures
from benchmarks.generator import Rounds, column
from benchmarks.page import chart, report
from benchmarks.page.goals import Results
from benchmarks.programs import OURS, ROOT, SERVERS, Workshop
from benchmarks.ratios import ratio, spread

DOCS = ROOT / "docs"

_FORMS = {
    "rate": ("/s", 1, ".0f"),
    "per_core": ("/s a core", 1, ".0f"),
    "p50": ("ms p50", 1e3, ".3f"),
    "p99": ("ms p99", 1e3, ".3f"),
    "server_cpu": ("us CPU", 1e6, ".1f"),
    "start": ("ms to start", 1e3, ".0f"),
    "resident": ("MiB", 2**-20, ".1f"),
}


@click.command()
@click.option("--only", multiple=True, metavar="NAME", help="Measure this alone. Repeats.")
@click.option(
    "--server",
    "names",
    multiple=True,
    type=click.Choice(SERVERS),
    default=SERVERS,
    help="Compare this alone. Repeats.",
)
@click.option("--rounds", type=click.IntRange(min=1), help="How often each has its turn.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Length of a turn.")
def main(only: tuple[str, ...], names: tuple[str, ...], rounds: int | None, seconds: float | None) -> None:
    """Measure, print, and after a whole run write the page."""
    measures = all_measures(names)
    if unknown := set(only) - {measure.name for measure in measures}:
        known = ", ".join(measure.name for measure in measures)
        raise click.UsageError(f"{', '.join(unknown)} is not measured; there are {known}")
    if not machine.alone():
        click.echo(
            "other traffic is in this network namespace: figures may suffer; use benchmarks/run", err=True
        )
    machine.raise_descriptor_limit()
    results = {}
    began = time.monotonic()
    with Workshop() as workshop:
        for measure in measures:
            if only and measure.name not in only:
                continue
            found = measure.run(workshop, rounds or measure.rounds, seconds or measure.seconds)
            results[measure.name] = found
            print(f"{measure.title} ({time.monotonic() - began:.0f} s)\n{_as_text(found)}", flush=True)
    if not only and names == SERVERS:
        _write(results, machine.describe())


def _as_text(rounds: Rounds) -> str:
    """Return medians, and the ratio of ours to each where ours is among them."""
    lines = []
    for name, turns in rounds.items():
        cells = [f"  {name:30}"]
        for key, (unit, scale, form) in _FORMS.items():
            if key in turns[0]:
                cells.append(f"{spread(column(turns, key)).median * scale:>9{form}} {unit}")
        if OURS in rounds and name != OURS and "rate" in turns[0]:
            against = ratio(column(rounds[OURS], "rate"), column(turns, "rate"))
            cells.append(f"  x {against:.2f}")
        if failed := sum(turn.get("failed", 0) for turn in turns):
            cells.append(f"  {failed:.0f} failed")
        lines.append(" ".join(cells))
    return "\n".join(lines)


def _write(results: Results, described: dict[str, Any]) -> None:
    stored = {"machine": described, "results": results}
    (DOCS / "performance.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    page = DOCS / "performance.md"
    measured = report.render(results, described)
    page.write_text(report.into_page(page.read_text(encoding="utf-8"), measured), encoding="utf-8")
    chart.draw(results, described, DOCS / "performance.png")
    print(f"written: {page.relative_to(ROOT)}, and performance.json and .png beside it")


if __name__ == "__main__":
    sys.exit(main())
