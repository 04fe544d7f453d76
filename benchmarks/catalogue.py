"""All that is measured, by name: the order of the run, rounds and seconds of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.generator import Load, Rounds
from benchmarks.measures import clients, cost, idle, library, scrape, start
from benchmarks.measures.throughput import compare
from benchmarks.programs import Workshop


@dataclass(frozen=True)
class Measure:
    """One thing that is measured.

    Attributes:
        rounds: How many turns each competitor has.
        seconds: How much of a turn is counted.
    """

    name: str
    title: str
    rounds: int
    seconds: float
    run: Callable[[Workshop, int, float], Rounds]


THROUGHPUT = {
    "message-64": ("a connection a message, 64 clients", "tcp", Load(64, keep=False)),
    "message-1": ("a connection a message, 1 client", "tcp", Load(1, keep=False)),
    "message-1000": ("a connection a message, 1,000 clients", "tcp", Load(1000, keep=False)),
    "persistent-64": ("persistent connections, 64 clients", "tcp", Load(64, keep=True)),
    "persistent-1": ("persistent connections, 1 client", "tcp", Load(1, keep=True)),
    "persistent-1000": ("persistent connections, 1,000 clients", "tcp", Load(1000, keep=True)),
    "closing-64": (
        "a connection a message, closed by its client, 64 clients",
        "tcp",
        Load(64, keep=False, server_closes=False),
    ),
    "unix-64": ("Unix socket, a connection a message, 64 clients", "unix", Load(64, keep=False)),
    "udp-64": ("UDP, 64 clients", "udp", Load(64, keep=True)),
}
"""By name of the comparison: its title, the kind of address and the load."""

OF_GOALS = frozenset({"message-64", "persistent-64"})
"""Comparisons with a goal; they get more rounds."""


def all_measures(names: Sequence[str]) -> list[Measure]:
    """Return the measures, the comparisons among them of these servers."""
    comparisons = [
        Measure(
            name,
            title,
            9 if name in OF_GOALS else 3,
            0.5,
            partial(compare, names=names, kind=kind, load=load),
        )
        for name, (title, kind, load) in THROUGHPUT.items()
    ]
    return [
        *comparisons,
        Measure("library", "the library alone", 3, 1.5, library.measure),
        Measure("cost", "what a connection costs", 5, 0.5, cost.measure),
        Measure("idle", "idle connections", 3, 0.8, idle.measure),
        Measure("scrape", "p99 while scraped", 4, 4.0, scrape.measure),
        Measure("clients", "clients, closed loop", 3, 1.5, clients.measure_closed_loop),
        Measure("schedule", "clients, open loop", 3, 2.0, clients.measure_open_loop),
        Measure("start", "start", 3, 0.0, start.measure),
    ]
