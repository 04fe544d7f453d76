"""One process on several cores: an interpreter without a lock, beside one with a lock and beside replicas.

`python -m benchmarks.measures.cores FREE_PYTHON ORDINARY_PYTHON`, each with the library's dependencies and
click installed. Replicas are two processes of the ordinary one, each at a port of its own and loaded by a
generator of its own with half of the clients.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import click

from benchmarks import generator, machine
from benchmarks.generator import Figures, Load, Rounds, column, in_turns
from benchmarks.programs import Server, Workshop, wait_until_it_answers
from benchmarks.ratios import ratio, spread

CLIENTS = 64
BASE = "socketscope, ordinary"
"""What the others are compared with."""

WORKLOADS = {
    "a connection a message": Load(CLIENTS, keep=False),
    "persistent connections": Load(CLIENTS, keep=True),
    "a connection a message, 10,000 turns of a loop in Python": Load(CLIENTS, keep=False, echo=True),
}


@click.command()
@click.argument("free")
@click.argument("ordinary")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Of a turn.")
def main(free: str, ordinary: str, rounds: int, seconds: float) -> None:
    """Measure, and print a table for each kind of load."""
    print(f"{machine.in_words(machine.describe())}; {_version(free)}; {_version(ordinary)}")
    with Workshop() as workshop:
        for title, load in WORKLOADS.items():
            print(f"\n| {title} | /s | p99 | CPU µs | times {BASE} |\n|---|---|---|---|---|")
            found = _measure(workshop, {"free": free, "ordinary": ordinary}, load, rounds, seconds)
            for name, turns in found.items():
                rate, p99, cpu = (spread(column(turns, key)).median for key in ("rate", "p99", "server_cpu"))
                times = ratio(column(turns, "rate"), column(found[BASE], "rate"))
                print(
                    f"| {name} | {rate:,.0f} | {p99 * 1e3:.1f} ms | {cpu * 1e6:.0f} | {times:.2f} |",
                    flush=True,
                )


def _version(python: str) -> str:
    told = subprocess.run([python, "-c", "import sys; print(sys.version)"], capture_output=True, check=True)
    return f"Python {told.stdout.decode().partition(' (')[0]}"


def _measure(workshop: Workshop, pythons: dict[str, str], load: Load, rounds: int, seconds: float) -> Rounds:
    found: Rounds = {}
    with contextlib.ExitStack() as stack:
        names = ["socketscope", "socketserver", *([] if load.echo else ["asyncio"])]
        competitors = [
            (f"{name}, {build}", [stack.enter_context(_serving(workshop, name, python, load))])
            for name in names
            for build, python in pythons.items()
        ]
        for name in names:
            if name != "socketserver":
                twins = [_serving(workshop, name, pythons["ordinary"], load) for _ in range(2)]
                servers = [stack.enter_context(twin) for twin in twins]
                competitors.append((f"{name}, two ordinary replicas", servers))
        for title, servers in in_turns(competitors, rounds):
            found.setdefault(title, []).append(_turn(workshop, title, servers, load, seconds))
    return found


@contextlib.contextmanager
def _serving(workshop: Workshop, name: str, python: str, load: Load) -> Iterator[Server]:
    url = workshop.url("tcp")
    if load.echo:
        command = [python, "-m", "benchmarks.handler", name, url, "python-10000"]
    elif name == "socketscope":
        mode = "--keep-alive" if load.keep else "--one-shot"
        command = [python, "-m", "server", "--metrics", "none", "--listen", url, mode]
    else:
        command = [python, "-m", "benchmarks.peers", name, url, *(["keep"] if load.keep else [])]
    with workshop.running(command) as process:
        wait_until_it_answers(name, url, process)
        yield Server(name, url, process)


def _turn(workshop: Workshop, title: str, servers: Sequence[Server], load: Load, seconds: float) -> Figures:
    """Return the exchanges a second of all processes, the worst p99 and the CPU time of an exchange."""
    each = replace(load, clients=load.clients // len(servers), seconds=seconds, warmup=0.5)
    with ThreadPoolExecutor(len(servers)) as pool:
        turns = list(pool.map(lambda server: generator.run(workshop, server, each), servers))
    if failed := sum(turn["failed"] for turn in turns):
        raise RuntimeError(f"{title}: {failed:.0f} exchanges failed")
    rate = sum(turn["rate"] for turn in turns)
    cpu = sum(turn["server_cpu"] * turn["rate"] for turn in turns)
    return {"rate": rate, "p99": max(turn["p99"] for turn in turns), "server_cpu": cpu / rate}


if __name__ == "__main__":
    main()
