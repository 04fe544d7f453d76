"""How `top` draws its boards: in as many lines as the terminal has, or as plain lines. No I/O."""

from collections import defaultdict, deque
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from socketscope.replay.measure import figures
from socketscope.replay.measure import instruments as replay
from socketscope.replay.show.charts import columns
from socketscope.replay.watch.board import BAD, GOOD, WARNING, Board, Curve
from socketscope.replay.watch.replicas import Look
from socketscope.replay.watch.scrape import quantile, total
from socketscope.views import instruments as server

Size = tuple[int, int]
"""Columns and lines."""

_NAMES = {"server": "Servers", "replay": "Replays"}
_KEPT = 400
"""Values of each curve that are kept: more than a terminal has columns."""

_NARROWEST = 38
"""Characters of a chart."""

_TALLEST = 12
_REPLICAS_SHOWN = 4


class Curves:
    """The values of all curves, as they came."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], deque[float | None]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def add(self, boards: Sequence[Board]) -> None:
        """Add what is now."""
        for board in boards:
            for curve in board.curves:
                self._values[board.kind, curve.title].append(curve.value)

    def of(self, board: Board, curve: Curve) -> list[float | None]:
        """Return a curve's values, from old to new."""
        return list(self._values[board.kind, curve.title])


def draw(
    looks: Sequence[Look], boards: Sequence[Board], curves: Curves, size: Size, now: float, note: str = ""
) -> Group:
    """Return what a terminal shows.

    Args:
        looks: At all replicas.
        boards: Of those whose kind is known.
        curves: How they went.
        size: Of the terminal.
        now: On the clock that the looks are from.
        note: What stands in the heading.
    """
    width, height = size
    unknown = [look for look in looks if look.kind is None]
    fixed = 1 + len(unknown) + sum(6 + _replica_lines(board) for board in boards)
    chart = min((height - fixed) // max(len(boards), 1), _TALLEST)
    parts: list[RenderableType] = [_heading(looks, width, note)]
    for board in boards:
        parts += _drawn(board, curves, width, chart, now)
    parts += [_replica(look, now) for look in unknown]
    return Group(*parts)


def _heading(looks: Sequence[Look], width: int, note: str) -> RenderableType:
    up = sum(look.up for look in looks)
    line = Text.assemble(
        ("socketscope top", "bold"), "  ",
        (f"{up} of {len(looks)} up", GOOD if up == len(looks) else f"bold {BAD}"),
    )  # fmt: skip
    line.append(f"  {note}")
    line.append("q ends".rjust(max(width - len(line) - 1, 8)), style="dim")
    return _line(line)


def _drawn(board: Board, curves: Curves, width: int, chart: int, now: float) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Rule(Text(_NAMES[board.kind], style="bold"), align="left", style="dim"),
        _tiles(board),
    ]
    if chart > 1:
        parts.append(_charts(board, curves, width, chart))
    parts += [_notes(board), _failures(board)]
    # Those that are down first: they are what somebody has to see.
    ordered = sorted(board.looks, key=lambda look: look.up)
    parts += [_replica(look, now) for look in ordered[:_REPLICAS_SHOWN]]
    if more := ordered[_REPLICAS_SHOWN:]:
        parts.append(Text(f"and {len(more)} more, {sum(look.up for look in more)} of them up", style="dim"))
    return parts


def _replica_lines(board: Board) -> int:
    return min(len(board.looks), _REPLICAS_SHOWN + 1)


def _tiles(board: Board) -> RenderableType:
    grid = Table.grid(expand=True)
    for _ in board.tiles:
        grid.add_column(ratio=1, no_wrap=True)
    grid.add_row(*(Text(tile.title, style="dim") for tile in board.tiles))
    grid.add_row(*(Text(tile.value, style=f"bold {tile.colour}") for tile in board.tiles))
    grid.add_row(*(Text(tile.below, style="dim") for tile in board.tiles))
    return grid


def _charts(board: Board, curves: Curves, width: int, height: int) -> RenderableType:
    """Return as many charts side by side as there is room for."""
    number = max(min(width // _NARROWEST, len(board.curves)), 1)
    inner = width // number - 2
    grid = Table.grid(expand=True)
    for _ in range(number):
        grid.add_column(ratio=1, no_wrap=True)
    shown = board.curves[:number]
    values = [curves.of(board, curve) for curve in shown]
    tops = [max((v for v in of[-inner:] if v is not None), default=None) for of in values]
    grid.add_row(*map(_title, shown, values, tops))
    grid.add_row(*(
        Text("\n".join(columns(of, inner, height - 1)), style=curve.colour)
        for curve, of in zip(shown, values, strict=True)
    ))  # fmt: skip
    return grid


def _title(curve: Curve, values: Sequence[float | None], top: float | None) -> Text:
    title = Text.assemble(f"{curve.title} ", (curve.show(values[-1] if values else None), "bold"))
    return title.append(f"  top {curve.show(top)}", style="dim")


def _notes(board: Board) -> Text:
    return _line(Text("  ".join(f"{name} {value}" for name, value in board.notes.items()), style="dim"))


def _failures(board: Board) -> Text:
    if not board.failures:
        return Text("no failures since the start", style="dim")
    line = Text("failures: ")
    ordered = sorted(board.failures.items(), key=lambda failure: failure[1], reverse=True)
    for name, (now, whole) in ordered:
        line.append(f"{name} {figures.rate(now)}", style=BAD if now else "default")
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
    line.append("  ".join(_replica_figures(look)), style="dim")
    return _line(line)


def _replica_figures(look: Look) -> list[str]:
    ended, took, are_open = (
        (server.ACCEPTED, server.RESPONSE, server.OPEN)
        if look.kind == "server"
        else (replay.EXCHANGES, replay.EXCHANGE_DURATION, replay.OPEN_CONNECTIONS)
    )
    return [
        figures.rate(total(look.lately, ended.name) if look.lately else None),
        f"p99 {figures.duration(quantile(0.99, look.lately, took.name))}",
        f"{figures.count(total(look.page, are_open.name))} open",
    ]


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def plain(looks: Sequence[Look], boards: Sequence[Board]) -> list[str]:
    """Return what is shown where there is no terminal: a line a board, and one a replica that is down."""
    lines = []
    for board in boards:
        up = sum(look.up for look in board.looks)
        told = [f"{board.kind} {up}/{len(board.looks)} up"]
        told += [f"{tile.title} {tile.value} ({tile.below})".removesuffix(" ()") for tile in board.tiles]
        told += [f"{name} {value}" for name, value in board.notes.items()]
        told += [
            f"{name} {figures.rate(now)} ({figures.count(whole)})"
            for name, (now, whole) in board.failures.items()
        ]
        lines.append("; ".join(told))
    return lines + [f"{look.name} down: {look.problem}" for look in looks if not look.up]
