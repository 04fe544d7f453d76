"""The report of a run (``--report``): one self-contained HTML page."""

import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2

from socketscope.replay.measure import figures
from socketscope.replay.measure.sketch import GROWTH, Sketch
from socketscope.replay.measure.summary import Summary
from socketscope.replay.measure.timeline import Slot, Timeline
from socketscope.replay.show import plots
from socketscope.replay.show.printout import QUANTILE_TITLES, compared, hints, lower_bounds, trust
from socketscope.version import __version__

WIDTH = 1000
HEIGHT = 210
LEFT, RIGHT, TOP, BOTTOM = 64, 34, 12, 26
_BARS = 80
_OUTPUT = 1
_FEWEST_SLOTS = 20
_IN_A_SLOT = 10
"""Exchanges in an average slot, if there are enough: with fewer a steady rate looks like a saw."""

_LEAST_LENGTH = 0.5
"""The least share of a slot over which its rate is computed, if the run ended within it."""


def _lasted(seconds: float) -> str:
    """Return a length of time; a short run takes less than a second."""
    return figures.duration(seconds) if seconds < 1 else figures.clock(seconds)


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_templates.filters |= {
    "duration": figures.duration, "count": figures.count, "rate": figures.rate,
    "share": figures.share, "compared": compared, "lasted": _lasted,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report of a run.

    Attributes:
        summary: The summary.
        timeline: All its exchanges.
        began: When the run began, seconds since the epoch.
        length: Seconds that it took, including the warm-up.
        warmup: Seconds at the start that the figures leave out.
    """

    summary: Summary
    timeline: Timeline
    began: float
    length: float
    warmup: float

    def render(self) -> str:
        """Return the page."""
        return _templates.get_template("report.html").render(
            report=self,
            summary=self.summary,
            trust="; ".join([*trust(self.summary), *hints(self.summary)]),
            lower_bounds=" ".join(lower_bounds(self.summary)),
            quantiles=QUANTILE_TITLES,
            began=datetime.fromtimestamp(self.began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            version=__version__,
            timeline=self._over_time(),
            distribution=self._distribution(),
            failures=sorted(self.summary.failures, key=lambda failure: -failure.count),
            seconds=lambda tick: f"{tick:g} s",
            plain=lambda tick: f"{tick:,.10g}",
            percent=lambda tick: f"{tick * 100:g} %",
            short=figures.edge,
            width=WIDTH, height=HEIGHT, left=LEFT, right=WIDTH - RIGHT, top=TOP, bottom=HEIGHT - BOTTOM,
        )  # fmt: skip

    def _over_time(self) -> dict[str, Any]:
        whole = sum(slot.outcomes.total() for slot in self.timeline.slots)
        timeline = self.timeline.coarser(max(whole // _IN_A_SLOT, _FEWEST_SLOTS))
        slots, seconds = timeline.slots, timeline.seconds
        length = max(self.length, seconds)
        along = plots.Scale(0.0, length, LEFT, WIDTH - RIGHT)
        edges = [along.at(min(n * seconds, length)) for n in range(len(slots) + 1)]
        middles = [(left + right) / 2 for left, right in pairwise(edges)]
        lengths = [
            min(max(length - n * seconds, seconds * _LEAST_LENGTH), seconds) for n in range(len(slots))
        ]
        ended = [slot.outcomes.total() for slot in slots]
        failed = [slot.failed for slot in slots]
        return {
            "along": along,
            "warm_until": along.at(self.warmup),
            "rates": [
                _columns("Exchanges a second", "all", edges, ended, lengths),
                *([_columns("Failures a second", "bad", edges, failed, lengths)] if any(failed) else []),
            ],
            "durations": self._durations(slots, middles),
            "slots": [
                {"left": left, "width": round(right - left, 2), "told": _told(slot, n * seconds, span)}
                for n, (slot, left, right, span) in enumerate(
                    zip(slots, edges, edges[1:], lengths, strict=False)
                )
            ],
        }

    def _durations(self, slots: list[Slot], middles: list[float]) -> dict[str, Any]:
        series = {
            "service p50": [slot.service.quantile(0.5) for slot in slots],
            "service p99": [slot.service.quantile(0.99) for slot in slots],
        }
        if self.summary.intended is not None:
            series["intended p99"] = [slot.intended.quantile(0.99) for slot in slots]
        known = [value for values in series.values() for value in values if value is not None]
        up = plots.durations(known, HEIGHT - BOTTOM, TOP)
        return {
            "up": up,
            "lines": {
                name: plots.line(
                    [(x, None if v is None else up.at(v)) for x, v in zip(middles, values, strict=True)]
                )
                for name, values in series.items()
            },
        }

    def _distribution(self) -> dict[str, Any] | None:
        """Return the distribution of durations: service durations as columns, intended ones as a line."""
        counted = self.timeline.counted
        if not counted.ok:
            return None
        sketches = {"service": counted.service}
        if self.summary.intended is not None:
            sketches["intended"] = counted.intended
        first = min(min(sketch.bins) for sketch in sketches.values())
        last = max(max(sketch.bins) for sketch in sketches.values())
        wide = max(math.ceil((last - first + 1) / _BARS), 3)
        bars = (last - first) // wide + 1
        low = GROWTH ** (first - 1)
        along = plots.Scale(low, low * GROWTH ** (wide * bars), LEFT, WIDTH - RIGHT, logarithmic=True)
        edges = [along.at(low * GROWTH ** (wide * n)) for n in range(bars + 1)]
        shares = {name: _shares(sketch, first, wide, bars) for name, sketch in sketches.items()}
        up = plots.from_zero(max(map(max, shares.values())), HEIGHT - BOTTOM, TOP)
        return {
            "along": along,
            "up": up,
            "paths": {
                name: plots.columns(edges, [up.at(part) for part in parts], HEIGHT - BOTTOM)
                for name, parts in shares.items()
            },
            "marks": [
                (name, QUANTILE_TITLES[quantile], along.at(seconds))
                for name, of in (("service", self.summary.service), ("intended", self.summary.intended))
                for quantile in ("p50", "p99")
                if of is not None and (seconds := of[quantile]) is not None
            ],
        }


def _shares(sketch: Sketch, first: int, wide: int, bars: int) -> list[float]:
    shares, total = [0.0] * bars, sketch.total
    for number, many in sketch.bins.items():
        shares[(number - first) // wide] += many / total
    return shares


def _columns(
    title: str, kind: str, edges: list[float], numbers: list[int], lengths: list[float]
) -> dict[str, Any]:
    rates = [number / length for number, length in zip(numbers, lengths, strict=True)]
    up = plots.from_zero(max(rates, default=0.0), HEIGHT - BOTTOM, TOP)
    heights = [up.at(rate) for rate in rates]
    return {"title": title, "kind": kind, "up": up, "path": plots.columns(edges, heights, HEIGHT - BOTTOM)}


def _told(slot: Slot, at: float, length: float) -> str:
    """Return the tooltip of a slot."""
    outcomes = ", ".join(f"{name} {number:,}" for name, number in slot.outcomes.items()) or "nothing ended"
    told = [f"{at:.5g} s to {at + length:.5g} s", outcomes]
    if slot.ok:
        for name, sketch in (("service", slot.service), ("intended", slot.intended)):
            p50, p99 = (figures.duration(sketch.quantile(share)) for share in (0.5, 0.99))
            told.append(f"{name}: p50 {p50}, p99 {p99}")
    return "\n".join(told)


def require_writable(path: Path) -> None:
    """Check before a run that its report can be written; the file stays as it is.

    Raises:
        OSError: It cannot be written, or would go to standard output like the summary.
    """
    is_output = path.exists() and os.path.samestat(path.stat(), os.fstat(_OUTPUT))
    if str(path) == "-" or (is_output and not path.samefile(os.devnull)):
        raise OSError("the summary goes there")
    if not path.is_fifo():  # closing it would end its reader
        path.open("a", encoding="utf-8").close()
