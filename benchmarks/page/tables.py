"""What was measured, as a table for the terminal."""

from benchmarks.generator import Rounds, column
from benchmarks.programs import OURS
from benchmarks.ratios import ratio, spread

_FORMS = {
    "rate": ("/s", 1, ".0f"),
    "per_core": ("/s a core", 1, ".0f"),
    "p50": ("ms p50", 1e3, ".3f"),
    "p99": ("ms p99", 1e3, ".3f"),
    "server_cpu": ("us CPU", 1e6, ".1f"),
    "start": ("ms to start", 1e3, ".0f"),
    "resident": ("MiB", 2**-20, ".1f"),
}


def as_text(rounds: Rounds) -> str:
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
