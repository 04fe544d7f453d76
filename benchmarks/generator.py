"""Runs the load generator against a server, with the server's metrics scraped meanwhile."""

import contextlib
import json
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from benchmarks.programs import Server, Workshop

SCRAPE_INTERVAL = 2.0
"""Seconds, as in prometheus/prometheus.yml."""


@dataclass(frozen=True)
class Load:
    """What the generator does.

    Attributes:
        clients: That send at once.
        keep: Whether each keeps its connection.
        seconds: Counted.
        warmup: Seconds before.
        rate: Lines a second on a schedule; 0 is a closed loop.
        server_closes: Whether the server ends a connection after its reply.
    """

    clients: int
    keep: bool
    seconds: float
    warmup: float = 0.5
    rate: float = 0
    server_closes: bool = True

    def arguments(self, url: str) -> list[str]:
        """Return the generator's arguments."""
        arguments = ["load", url, str(self.clients), str(self.warmup), str(self.seconds)]
        if self.keep:
            arguments.append("keep")
        elif self.server_closes:
            arguments.append("server-closes")
        return [*arguments, f"rate={self.rate}"] if self.rate else arguments


@dataclass(frozen=True)
class Measured:
    """What came of it.

    Attributes:
        rate: Exchanges a second.
        failed: Exchanges without a whole reply.
        p50: Latency that half of the exchanges did not exceed, seconds; and so on.
        server_cpu: CPU time of the server, seconds an exchange.
    """

    rate: float
    failed: int
    p50: float
    p99: float
    p999: float
    server_cpu: float

    as_object = asdict


def run(workshop: Workshop, server: Server, load: Load, *, scraped: bool = True) -> Measured:
    """Load a server and return what was measured; its metrics, if it has any, are scraped meanwhile."""
    cpu = server.cpu_seconds()
    with scraping(server.metrics if scraped else None):
        printed = subprocess.run(
            [workshop.generator, *load.arguments(server.url)],
            capture_output=True, text=True, check=True, timeout=load.warmup + load.seconds + 30,
        ).stdout  # fmt: skip
    cpu = server.cpu_seconds() - cpu
    figures = json.loads(printed)
    rate = figures["exchanges"] / figures["seconds"]
    # The warm-up's exchanges are not counted, its CPU time is.
    cpu_each = cpu * load.seconds / (load.seconds + load.warmup) / max(figures["exchanges"], 1)
    return Measured(rate, figures["failed"], figures["p50"], figures["p99"], figures["p999"], cpu_each)


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
