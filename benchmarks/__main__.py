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
from benchmarks.page import chart, report
from benchmarks.page.goals import Results
from benchmarks.page.tables import as_text
from benchmarks.programs import ROOT, SERVERS, Workshop

DOCS = ROOT / "docs"


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
            print(f"{measure.title} ({time.monotonic() - began:.0f} s)\n{as_text(found)}", flush=True)
    if not only and names == SERVERS:
        _write(results, machine.describe())


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
