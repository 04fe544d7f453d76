"""Runs the load generator against a server, with the server's metrics scraped meanwhile."""

import contextlib
import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.programs import Server, Workshop, cpu_seconds

SCRAPE_INTERVAL = 2.0
"""Seconds, as in prometheus/prometheus.yml."""

Figures = dict[str, float]
"""What was measured in one turn, in seconds, bytes and numbers."""

Rounds = dict[str, list[Figures]]
"""What was measured of each competitor, round by round."""

_T = TypeVar("_T")


def column(turns: Sequence[Figures], key: str) -> list[float]:
    """Return one figure of all rounds."""
    return [turn[key] for turn in turns]


@dataclass(frozen=True)
class Load:
    """What the generator does.

    Attributes:
        clients: How many send at once.
        keep: Whether each keeps its connection, or opens one for each message.
        seconds: How long exchanges are counted; the measure sets it.
        warmup: Seconds before that.
        rate: Lines a second on a schedule; 0 is a closed loop.
        server_closes: Whether the server ends a connection after its reply.
        echo: Whether the reply is the line alone.
    """

    clients: int
    keep: bool
    seconds: float = 0.0
    warmup: float = 0.3
    rate: float = 0
    server_closes: bool = True
    echo: bool = False

    def arguments(self, url: str) -> list[str]:
        """Return the generator's arguments."""
        arguments = ["load", url, str(self.clients), str(self.warmup), str(self.seconds)]
        if self.keep:
            arguments.append("keep")
        elif self.server_closes:
            arguments.append("server-closes")
        if self.echo:
            arguments.append("echo")
        return [*arguments, f"rate={self.rate}"] if self.rate else arguments


def in_turns(competitors: Sequence[_T], rounds: int) -> Iterator[_T]:
    """Yield whose turn it is: all of them in each round, each round starting with another one."""
    for number in range(rounds):
        shift = number % len(competitors)
        yield from (*competitors[shift:], *competitors[:shift])


def run(workshop: Workshop, server: Server, load: Load, *, scraped: bool = True) -> Figures:
    """Load a server; its metrics, if it has any, are scraped meanwhile.

    Returns:
        `rate` of exchanges a second, those `failed`, the latencies `p50`, `p99` and `p999`, and the server's
        CPU time for an exchange, `server_cpu`.
    """
    cpu = cpu_seconds(server.process)
    with scraping(server.metrics if scraped else None):
        printed = subprocess.run(
            [workshop.generator, *load.arguments(server.url)],
            capture_output=True,
            check=True,
            timeout=load.warmup + load.seconds + 30,
        ).stdout
    cpu = cpu_seconds(server.process) - cpu
    figures: Figures = json.loads(printed)
    exchanges, seconds = figures.pop("exchanges"), figures.pop("seconds")
    # The warm-up's CPU time is counted, its exchanges are not.
    figures["server_cpu"] = cpu * seconds / (load.warmup + seconds) / max(exchanges, 1)
    return {"rate": exchanges / seconds, **figures}


@contextlib.contextmanager
def holding(workshop: Workshop, server: Server, connections: int) -> Iterator[None]:
    """Hold this many connections to a server, each idle after one exchange.

    Raises:
        RuntimeError: The server did not take them.
    """
    command = [workshop.generator, "hold", server.url, str(connections)]
    with workshop.running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{server.name} does not hold {connections} connections")
        yield


@contextlib.contextmanager
def scraping(url: str | None) -> Iterator[None]:
    """Scrape an endpoint every `SCRAPE_INTERVAL` until the end of the block; None scrapes nothing.

    Raises:
        OSError: A scrape failed.
    """
    if url is None:
        yield
        return
    ended = threading.Event()
    failures: list[OSError] = []

    def scrape() -> None:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=10) as response:
                    response.read()
            except OSError as error:
                failures.append(error)
            if ended.wait(SCRAPE_INTERVAL):
                return

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failures:
        raise failures[0]
