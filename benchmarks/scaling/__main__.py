"""Measures what the model of docs/scaling.md is based on: `python -m benchmarks.scaling`.

Writes docs/scaling.json and the measured part of docs/scaling.md. Best in a network namespace of its own:
`unshare -rn sh -c 'ip link set lo up && python -m benchmarks.scaling'`.
"""

import json
import statistics
import subprocess
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.page.report import into_page
from benchmarks.programs import ROOT, Workshop
from benchmarks.scaling import points, prometheus
from benchmarks.scaling.model import medians
from benchmarks.scaling.page import MARKS, Measured, render

DOCS = ROOT / "docs"


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=3.0, show_default=True, help="Of a turn.")
@click.option(
    "--prometheus",
    "program",
    type=click.Path(exists=True, dir_okay=False),
    help="Measure this Prometheus, and not the server.",
)
def main(rounds: int, seconds: float, program: str | None) -> None:
    """Measure, and write the page; what is not measured keeps its figures."""
    machine.raise_descriptor_limit()
    stored = DOCS / "scaling.json"
    measured: Measured = json.loads(stored.read_text(encoding="utf-8"))
    with Workshop() as workshop:
        if program is None:
            measured |= _server(workshop, rounds, seconds)
        else:
            measured |= _prometheus(workshop, program)
    stored.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    _write(DOCS / "scaling.md", measured)


def _server(workshop: Workshop, rounds: int, seconds: float) -> Measured:
    lines, sizes = points.series(workshop)
    return {
        "machine": machine.describe(),
        "start": statistics.median(points.start(workshop, rounds)),
        "series": lines,
        "scrape": sizes,
        "log": points.log(workshop),
        "message": medians(points.cores(workshop, points.MESSAGES, rounds, seconds, keep=False)),
        "exchange": medians(points.cores(workshop, points.EXCHANGES, rounds, seconds, keep=True)),
        "memory": medians(points.memory(workshop, rounds)),
    }


def _prometheus(workshop: Workshop, program: str) -> Measured:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "prometheus": told.split()[2],
        "scraped": prometheus.memory(workshop, program),
        "sample": prometheus.sample(workshop, program),
    }


def _write(page: Path, measured: Measured) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(into_page(text, render(measured), MARKS), encoding="utf-8")
    print(f"written: {page.relative_to(ROOT)}, and scaling.json beside it")


if __name__ == "__main__":
    main()
