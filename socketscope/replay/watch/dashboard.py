"""Draws the boards of `top`, to fit a terminal, or as plain lines. No I/O."""

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Self

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from socketscope.replay.measure import figures
from socketscope.replay.measure import instruments as replay
from socketscope.replay.show.charts import Size, chart, columns_of
from socketscope.replay.watch.board import BAD, GOOD, WARNING, Board, Curve, Tile
from socketscope.replay.watch.colours import OF_FAILURE
from socketscope.replay.watch.curves import Curves
from socketscope.replay.watch.keys import HELP, Choices
from socketscope.replay.watch.replicas import LATELY, Look
from socketscope.replay.watch.scrape import quantile, total
from socketscope.views import instruments as server

_NAMES = {"server": "Servers", "replay": "Replays"}
_WINDOWS = {False: f"last {LATELY:g} s", True: "now"}

_CELLS = (18, 12, 14, 14, 11, 11)
"""Shares of the width for each tile, such that its longest text fits in 80 columns."""

_ALL_TILES = 78
"""The least columns for all tiles in one row; with fewer, the current figures are in a second row."""

_LEAST_WIDTH = 58
_TILE_LINES = 4
"""Lines of a row of tiles, including the heading with their window."""

_NARROWEST = 38
"""The least width of a chart, in characters."""

_CHART_LINES = 14
"""Lines of a chart above which there is a second row of charts rather than a higher chart."""

_LEAST_CHART = 3
_LEAST_WITH_NOTES = 8
_REPLICAS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known at one moment.

    Attributes:
        looks: What is known of each replica.
        boards: Boards of the replicas whose kind is known.
        curves: Their curves over time.
        now: The time, on the clock of the looks.
    """

    looks: Sequence[Look]
    boards: Sequence[Board]
    curves: Curves
    now: float

    def kept(self) -> Self:
        """Return a copy, which later looks do not change."""
        return replace(self, curves=copy.deepcopy(self.curves))


def draw(seen: Seen, size: Size, choices: Choices, note: str = "") -> Group:
    """Return what fills a terminal; in one that is too small, a line says which size is needed.

    Args:
        seen: What is known.
        size: Size of the terminal.
        choices: What the user has chosen to see.
        note: A note for the heading.
    """
    width, height = size
    heading = _heading(seen.looks, width, note, choices)
    if choices.is_help:
        return Group(heading, _line(Text(HELP)))
    unknown = [look for look in seen.looks if look.kind is None]
    groups = 1 if width >= _ALL_TILES else 2
    fixed = [groups * _TILE_LINES + 1 + min(len(board.looks), _REPLICAS_SHOWN + 1) for board in seen.boards]
    least = 1 + len(seen.boards) * (groups * _TILE_LINES + 2)
    if width < _LEAST_WIDTH or height < least:
        needed = f"needs {max(width, _LEAST_WIDTH)}x{max(height, least)}, q ends"
        return Group(_line(Text(needed, style=WARNING)), _line(Text(*_up(seen.looks))))
    left = max(height - 1 - len(unknown) - sum(fixed), 0)
    parts: list[RenderableType] = [heading]
    for number, board in enumerate(seen.boards):
        share = (left + number) // len(seen.boards)
        parts += _drawn(board, seen, width, share, choices.looks)
    parts += [_replica(look, seen.now) for look in unknown]
    return Group(*parts)


def _up(looks: Sequence[Look]) -> tuple[str, str]:
    """Return how many replicas answer, as text, and its style."""
    up = sum(look.up for look in looks)
    return f"{up} of {len(looks)} up", GOOD if up == len(looks) else f"bold {BAD}"


def _heading(looks: Sequence[Look], width: int, note: str, choices: Choices) -> RenderableType:
    line = Text.assemble(
        ("socketscope top", "bold"), "  ", _up(looks),
        ("  paused" if choices.is_paused else "", f"bold {WARNING}"), f"  {note}",
    )  # fmt: skip
    keys = "? help, q ends"
    line.truncate(max(width - len(keys) - 2, 0), overflow="ellipsis")
    line.append(keys.rjust(max(width - len(line), 0)), style="dim")
    return _line(line)


def _drawn(board: Board, seen: Seen, width: int, height: int, looks: int) -> list[RenderableType]:
    """Return a board, with that many lines for what is optional: charts, and notes."""
    has_notes = 0 < height < _LEAST_CHART or height >= _LEAST_WITH_NOTES
    parts = [*_tiles(board, width)]
    if height >= _LEAST_CHART:
        parts += _charts(board, seen.curves, (width, height - has_notes), looks)
    parts += [_line(Text(_worded(board.notes), style="dim"))] * has_notes
    parts.append(_failures(board))
    # Those that are down come first, as they must be seen.
    ordered = sorted(board.looks, key=lambda look: look.up)
    parts += [_replica(look, seen.now) for look in ordered[:_REPLICAS_SHOWN]]
    if more := ordered[_REPLICAS_SHOWN:]:
        parts.append(Text(f"and {len(more)} more, {sum(look.up for look in more)} of them up", style="dim"))
    return parts


def _tiles(board: Board, width: int) -> list[RenderableType]:
    """Return the tiles, below headings that name their window."""
    cells = list(zip(board.tiles, _CELLS, strict=True))
    if width >= _ALL_TILES:
        return _row(_NAMES[board.kind], cells, width)
    return [
        part
        for is_now, of in groupby(cells, lambda cell: cell[0].is_now)
        for part in _row("" if is_now else _NAMES[board.kind], list(of), width)
    ]


def _row(name: str, cells: Sequence[tuple[Tile, int]], width: int) -> list[RenderableType]:
    tiles = [tile for tile, _ in cells]
    whole = sum(share for _, share in cells)
    edges = [width * sum(share for _, share in cells[:n]) // whole for n in range(len(cells) + 1)]
    grid = Table.grid()
    rule = Text(no_wrap=True)
    for before, tile, (left, right) in zip([None, *tiles[:-1]], tiles, pairwise(edges), strict=True):
        grid.add_column(width=right - left, no_wrap=True)
        if before is None or tile.is_now != before.is_now:
            rule.append("─" * (left - len(rule) - 1) + " " if left else "", style="dim")
            rule.append(f"{name}, " if name and not left else "", style="bold")
            rule.append(f"{_WINDOWS[tile.is_now]} ")
    rule.append("─" * (width - len(rule)), style="dim")
    grid.add_row(*(Text(tile.title, style="dim") for tile in tiles))
    grid.add_row(*(Text(tile.value, style=f"bold {tile.colour}") for tile in tiles))
    grid.add_row(*(Text(tile.below, style="dim") for tile in tiles))
    return [rule, grid]


def _charts(board: Board, curves: Curves, size: Size, looks: int) -> list[RenderableType]:
    """Return as many charts as there is room for, in rows."""
    width, height = size
    number = len(board.curves)
    lines = min(max(height // _CHART_LINES, 1), number)
    across = max(min(width // _NARROWEST, math.ceil(number / lines)), 1)
    lines = min(lines, math.ceil(number / across))
    parts: list[RenderableType] = []
    for line in range(lines):
        shown = board.curves[line * across :][:across]
        high = (height + line) // lines
        grid = Table.grid(expand=True)
        for _ in range(across):
            grid.add_column(ratio=1, no_wrap=True)
        inner = width // across - 1
        grid.add_row(*(_title(board, curve, curves) for curve in shown))
        grid.add_row(*(_chart(board, curve, curves, (inner, high - 1), looks) for curve in shown))
        parts.append(grid)
    return parts


def _chart(board: Board, curve: Curve, curves: Curves, size: Size, looks: int) -> Text:
    values = curves.of(board, curve, columns_of(size[0]), looks)
    return chart(values, *size, curve.show, curves.every * looks, curve.colour)


def _title(board: Board, curve: Curve, curves: Curves) -> Text:
    window = "now" if curve.is_now else f"last {figures.edge(curves.every)}"
    # Not the value of the board, which may be newer than the last column.
    (value,) = curves.of(board, curve, columns=1)
    return Text.assemble(f"{curve.title} ", (curve.show(value), "bold"), (f", {window}", "dim"))


def _worded(tiles: Iterable[Tile]) -> str:
    """Return figures as text, with each window named once."""
    told = []
    for is_now, of in groupby(sorted(tiles, key=lambda tile: tile.is_now), lambda tile: tile.is_now):
        figures_of = [f"{tile.title} {tile.value} ({tile.below})".removesuffix(" ()") for tile in of]
        told.append(f"{_WINDOWS[is_now]}: {', '.join(figures_of)}")
    return "; ".join(told)


def _failures(board: Board) -> Text:
    if not board.failures:
        is_known = any(look.up for look in board.looks)
        return Text("no failures since the start" if is_known else "failures unknown", style="dim")
    line = Text.assemble("failures, ", (f"{_WINDOWS[False]} (since the start)", "dim"), ": ")
    ordered = sorted(board.failures.items(), key=lambda failure: failure[1], reverse=True)
    for name, (now, whole) in ordered:
        # A prefix says what kind of thing has the outcome.
        colour = OF_FAILURE.get(name) or OF_FAILURE.get(name.partition(" ")[2], BAD)
        line.append(f"{name} {figures.rate(now)}", style=colour if now else "default")
        line.append(f" ({figures.count(whole)})  ", style="dim")
    return _line(line)


def _replica(look: Look, now: float) -> Text:
    line = Text.assemble((f"{look.name:24} ", "bold"))
    if not look.up:
        line.append(f"down for {figures.clock(now - look.since)}: {look.problem}", style=f"bold {BAD}")
        return _line(line)
    if total(look.page, server.DRAINING.name):
        line.append("draining  ", style=f"bold {WARNING}")
    else:
        line.append("up  ", style=GOOD)
    line.append(_replica_figures(look), style="dim")
    return _line(line)


def _replica_figures(look: Look) -> str:
    ended, took, are_open = (
        (server.ACCEPTED, server.RESPONSE, server.OPEN)
        if look.kind == "server"
        else (replay.EXCHANGES, replay.EXCHANGE_DURATION, replay.OPEN_CONNECTIONS)
    )
    rate = figures.rate(total(look.lately, ended.name) if look.lately else None)
    p99 = figures.duration(quantile(0.99, look.lately, took.name))
    return (
        f"{_WINDOWS[False]}: {rate}, p99 {p99}; "
        f"{_WINDOWS[True]}: {figures.count(total(look.page, are_open.name))} open"
    )


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def plain(looks: Sequence[Look], boards: Sequence[Board]) -> list[str]:
    """Return what is shown without a terminal: a line for each board, and for each replica that is down."""
    lines = []
    for board in boards:
        up = sum(look.up for look in board.looks)
        told = [f"{board.kind} {up}/{len(board.looks)} up", _worded([*board.tiles, *board.notes])]
        if board.failures:
            failed = [
                f"{name} {figures.rate(now)} ({figures.count(whole)})"
                for name, (now, whole) in board.failures.items()
            ]
            told.append(f"failures, {_WINDOWS[False]} (since the start): {', '.join(failed)}")
        lines.append("; ".join(told))
    return lines + [f"{look.name} down: {look.problem}" for look in looks if not look.up]
