"""The points that the model is fitted to: a server under loads of several sizes, the last one held back."""

import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from benchmarks import generator
from benchmarks.generator import Load, in_turns
from benchmarks.measures.idle import LIMITS
from benchmarks.programs import OURS, Server, Workshop, ask, cpu_seconds
from benchmarks.scaling.model import Points

Rounds = dict[float, list[tuple[float, float]]]
"""For each setting its actual value and what was measured, round by round."""

CLIENTS = 64
MESSAGES = (1_000, 2_000, 3_000, 4_000, 6_000)
"""Connections a second, one message each: up to what a replica is to carry, and beyond.

At lower rates each costs more, as everybody is woken for it alone."""

EXCHANGES = (5_000, 10_000, 15_000, 20_000, 30_000)
"""Exchanges a second on kept connections."""

OPEN = (500, 1_000, 2_000, 4_000, 8_000)
LISTENERS = (1, 2, 4, 8)
LINES = (250, 500, 1_000, 4_000)

FLUSHED = 0.3
"""Seconds after which a line is in the file; the writer takes at most 200 ms."""


def cores(workshop: Workshop, rates: Sequence[int], rounds: int, seconds: float, *, keep: bool) -> Rounds:
    """Return the cores that a server uses at scheduled rates, while it is scraped."""
    found: Rounds = {rate: [] for rate in rates}
    with workshop.serving(OURS, keep=keep) as server:
        for rate in in_turns(rates, rounds):
            figures = generator.run(workshop, server, Load(CLIENTS, keep, seconds, rate=rate))
            found[rate].append((figures["rate"], figures["server_cpu"] * figures["rate"]))
    return found


def memory(workshop: Workshop, rounds: int) -> Rounds:
    """Return the memory of a server that holds connections, its threads' kernel stacks included, in bytes."""
    found: Rounds = {count: [] for count in OPEN}
    for count in in_turns(OPEN, rounds):
        with workshop.serving(OURS, keep=True, options=LIMITS) as server:
            kernel = kernel_stacks()
            with generator.holding(workshop, server, count):
                found[count].append((count, server.resident + kernel_stacks() - kernel))
    return found


def kernel_stacks() -> int:
    """Return the size of all kernel stacks, which are charged to no process, in bytes."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("KernelStack")) * 1024


def series(workshop: Workshop) -> tuple[Points, Points]:
    """Return the series of a server with several stream listeners, and the bytes of a scrape."""
    lines, sizes = [], []
    for count in LISTENERS:
        more = [word for _ in range(count - 1) for word in ("--listen", workshop.url("tcp"))]
        with workshop.serving(OURS, keep=False, options=tuple(more)) as server:
            text = scrape(server)
        lines.append((count, sum(not line.startswith(b"#") for line in text.splitlines())))
        sizes.append((count, len(text)))
    return lines, sizes


def log(workshop: Workshop) -> Points:
    """Return how many bytes of log a server has written after so many connections."""
    found = []
    for count in LINES:
        with workshop.serving(OURS, keep=False) as server:
            # The connection that `serving` has asked on is in the log, too.
            for _ in range(count - 1):
                ask(server.url, b"hello world\r\n")
            time.sleep(FLUSHED)
            found.append((count, _written(server, workshop.folder)))
    return found


def _written(server: Server, folder: Path) -> int:
    """Return the size of the file that a server's log is in; its standard output is a pipe to its writer."""
    files = {link.resolve() for link in Path(f"/proc/{server.process.pid}/fd").iterdir()}
    return next(file.stat().st_size for file in files if file.parent == folder.resolve())


def start(workshop: Workshop, rounds: int) -> list[float]:
    """Return the CPU seconds that a start takes: a new replica spends them before it serves."""
    found = []
    for _ in range(rounds):
        with workshop.serving(OURS, keep=False) as server:
            found.append(cpu_seconds(server.process))
    return found


def scrape(server: Server) -> bytes:
    """Return what a server's endpoint shows."""
    with urllib.request.urlopen(str(server.metrics), timeout=10) as response:
        text: bytes = response.read()
    return text
