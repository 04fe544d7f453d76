"""docs/performance.md's measured part, from the results. No I/O."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.catalogue import THROUGHPUT
from benchmarks.generator import Rounds, column
from benchmarks.measures import clients, cost, idle, library, scrape
from benchmarks.page.goals import GOALS, Results, idle_memory
from benchmarks.programs import OURS, SERVERS
from benchmarks.ratios import Spread, ratio, spread

MARKS = ("<!-- measured: make bench writes from here -->", "<!-- measured: to here -->")
"""The measured part of docs/performance.md stands between these."""


def into_page(page: str, measured: str, marks: tuple[str, str] = MARKS) -> str:
    """Return a page with its measured part replaced; the text around it is left to its author.

    Raises:
        ValueError: It has no such part.
    """
    before, begin, rest = page.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end):
        raise ValueError(f"there is no {' and '.join(marks)}")
    return f"{before}{begin}\n\n{measured}\n{end}{after}"


def render(results: Results, machine: dict[str, Any]) -> str:
    """Return the measured part: goals, chart, comparisons, costs."""
    return "\n".join(
        [
            *_machine(machine),
            *_section("Goals", ("measure", "goal", "measured", "range", "met"), _goals(results)),
            *_section("Against the peers", ("", *_peers(results)), _matrix(results)),
            "How many times as many exchanges a second this server answers, fully observed: the median of",
            "the rounds' ratios and, in brackets, the lowest and the highest.",
            "",
            "![Exchanges a second, and what a connection costs](performance.png)",
            "",
            *_details(results, "message-64"),
            *_details(results, "persistent-64"),
            *_section(
                "The library alone",
                (
                    "handler, listener, clients",
                    "/s",
                    "`socketserver`",
                    "times",
                    "p99",
                    "`socketserver`",
                    "times",
                ),
                _library(results["library"]),
            ),
            *_section("What a connection costs", ("part", "CPU µs", "together"), _cost(results["cost"])),
            *_section(
                "Idle connections",
                ("server", "idle", "KiB each", "message, /s", "p99", "persistent, /s", "p99", "CPU µs"),
                _idle(results),
            ),
            *_section("While scraped", ("", "/s", "p50", "p99", "p99.9"), _scrape(results["scrape"])),
            *_section("Clients", ("closed loop", "/s", "/s a core"), _clients(results["clients"])),
            *_section(
                "", (f"open loop, {clients.RATE:,}/s", "/s", "p50", "p99"), _schedule(results["schedule"])
            ),
            *_section("Start", ("", "first answer", "memory then"), _start(results["start"])),
            *_section("Images", ("image", "MB"), _images(machine)),
        ]
    )


def _section(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [*([f"## {title}", ""] if title else []), *table(head, rows)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines, and an empty one."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def _machine(machine: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"{machine['date']}, commit {machine['commit']}; {machine['cores']} cores of {machine['cpu']},",
        f"{machine['memory']} of memory, Linux {machine['kernel']}; {versions}.",
        "",
    ]


def _goals(results: Results) -> Iterable[Sequence[str]]:
    for goal in GOALS:
        figure = goal.figure(results)
        met = "yes" if goal.is_met(figure) else "**no**"
        yield goal.title, goal.text, f"{figure.median:.3g} {goal.unit}", _range(figure), met


def _range(figure: Spread) -> str:
    return f"{figure.low:.3g} to {figure.high:.3g}"


def _peers(results: Results) -> list[str]:
    found = {name for measure in THROUGHPUT for name in results[measure]}
    return [name for name in SERVERS if name in found and name != OURS]


def _matrix(results: Results) -> Iterable[Sequence[str]]:
    for measure, (title, *_) in THROUGHPUT.items():
        rounds = results[measure]
        cells = []
        for name in _peers(results):
            if name in rounds:
                figure = ratio(column(rounds[OURS], "rate"), column(rounds[name], "rate"))
                cells.append(f"{figure:.2f}")
            else:
                cells.append("not installed")
        yield title, *cells


def _details(results: Results, measure: str) -> list[str]:
    title = THROUGHPUT[measure][0]
    rows = [
        (
            f"{name}, fully observed" if name == OURS else name,
            _rate(turns),
            f"{spread(column(turns, 'rate')).low:,.0f} to {spread(column(turns, 'rate')).high:,.0f}",
            *(_time(turns, key) for key in ("p50", "p99", "p999")),
            _cpu(turns),
            f"{sum(column(turns, 'failed')):.0f}",
        )
        for name, turns in results[measure].items()
    ]
    head = ("server", "/s", "range", "p50", "p99", "p99.9", "CPU µs of the server", "failed")
    return _section(title[0].upper() + title[1:], head, rows)


def _library(rounds: Rounds) -> Iterable[Sequence[str]]:
    for case in library.CASES:
        ours, theirs = (rounds[library.label(case, name)] for name in library.LIBRARIES)
        rate = ratio(column(ours, "rate"), column(theirs, "rate"))
        p99 = ratio(column(theirs, "p99"), column(ours, "p99"))
        yield (
            str(case),
            _rate(ours),
            _rate(theirs),
            f"{rate:.2f}",
            _time(ours, "p99"),
            _time(theirs, "p99"),
            f"{p99:.2f}",
        )


def cost_steps(rounds: Rounds) -> dict[str, float]:
    """Return the CPU µs that each part adds, by the medians."""
    steps, before = {}, 0.0
    for part in cost.VARIANTS:
        together = spread(column(rounds[part], "server_cpu")).median * 1e6
        steps[part] = together - before
        before = together
    return steps


def _cost(rounds: Rounds) -> Iterable[Sequence[str]]:
    together = 0.0
    for part, step in cost_steps(rounds).items():
        together += step
        yield f"{part}: {cost.VARIANTS[part][0]}", f"{step:.1f}", f"{together:.1f}"


def _idle(results: Results) -> Iterable[Sequence[str]]:
    rounds = results["idle"]
    for name, counts in idle.COUNTS.items():
        for count in counts:
            message, persistent = (
                rounds[idle.label(name, count, mode)] for mode in (idle.MESSAGE, idle.PERSISTENT)
            )
            each = f"{idle_memory(results, name, count).median:.1f}" if count >= idle.TELLING else ""
            yield (
                name,
                f"{count:,}",
                each,
                _rate(message),
                _time(message, "p99"),
                _rate(persistent),
                _time(persistent, "p99"),
                _cpu(persistent),
            )


def _scrape(rounds: Rounds) -> Iterable[Sequence[str]]:
    for how in (scrape.SCRAPED, scrape.NOT_SCRAPED):
        yield how, _rate(rounds[how]), *(_time(rounds[how], key) for key in ("p50", "p99", "p999"))


def _clients(rounds: Rounds) -> Iterable[Sequence[str]]:
    for name, turns in rounds.items():
        yield name, _rate(turns), _rate(turns, "per_core")


def _schedule(rounds: Rounds) -> Iterable[Sequence[str]]:
    for name, turns in rounds.items():
        yield name, _rate(turns), _time(turns, "p50"), _time(turns, "p99")


def _start(rounds: Rounds) -> Iterable[Sequence[str]]:
    for name, turns in rounds.items():
        memory = spread(column(turns, "resident")).median / 2**20
        yield name, f"{spread(column(turns, 'start')).median * 1e3:.0f} ms", f"{memory:.1f} MiB"


def _images(machine: dict[str, Any]) -> Iterable[Sequence[str]]:
    for name, size in machine["images"].items():
        yield name, f"{size / 1e6:.0f}"


def _rate(turns: list[dict[str, float]], key: str = "rate") -> str:
    return f"{spread(column(turns, key)).median:,.0f}"


def _time(turns: list[dict[str, float]], key: str) -> str:
    return f"{spread(column(turns, key)).median * 1e3:.2f} ms"


def _cpu(turns: list[dict[str, float]]) -> str:
    return f"{spread(column(turns, 'server_cpu')).median * 1e6:.1f}"
