"""Compares this server, fully observed, with its peers: `python -m benchmarks`."""

import dataclasses

import click

from benchmarks.programs import OURS, SERVERS, Workshop
from benchmarks.ratios import ratio, spread
from benchmarks.throughput import SETTINGS, Rounds, compare


def table(title: str, rounds: Rounds) -> str:
    """Return a comparison as text."""
    lines = [title]
    for name, measured in rounds.items():
        rates = spread([m.rate for m in measured])
        line = (
            f"  {name:16}{rates.median:>8.0f}/s ({rates.low:.0f} to {rates.high:.0f})  p50 "
            f"{spread([m.p50 for m in measured]).median * 1e3:.2f} ms  p99 "
            f"{spread([m.p99 for m in measured]).median * 1e3:.2f} ms  "
            f"{spread([m.server_cpu for m in measured]).median * 1e6:.1f} us CPU"
        )
        if OURS in rounds and name != OURS:
            against = ratio([m.rate for m in rounds[OURS]], [m.rate for m in measured])
            line += f"  x {against.median:.2f} ({against.low:.2f} to {against.high:.2f})"
        if failed := sum(m.failed for m in measured):
            line += f"  {failed} failed"
        lines.append(line)
    return "\n".join(lines)


@click.command()
@click.option("--only", multiple=True, type=click.Choice([s.name for s in SETTINGS]), help="Run these alone.")
@click.option("--server", "names", multiple=True, help="Compare these alone.", default=SERVERS)
@click.option("--rounds", type=int, help="Rounds of each.")
@click.option("--seconds", type=float, help="Seconds of a turn.")
def main(only: tuple[str, ...], names: tuple[str, ...], rounds: int | None, seconds: float | None) -> None:
    """Measure and print."""
    with Workshop() as workshop:
        for setting in SETTINGS:
            if only and setting.name not in only:
                continue
            changed = dataclasses.replace(
                setting, rounds=rounds or setting.rounds, seconds=seconds or setting.seconds
            )
            print(table(setting.title, compare(workshop, names, changed)), flush=True)


if __name__ == "__main__":
    main()
