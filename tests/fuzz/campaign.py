"""A target under many inputs: who gives them, and what is left of the target afterwards."""

import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from socketscope.serve.threads import executors, linger
from tests.faults.server.authority import Authority
from tests.faults.server.process import ServerProcess

from .targets import TARGETS, Target

WORKERS = 8
"""Processes that give inputs. More than cores, as each waits for its answers."""

ENOUGH = 3
"""Faults after which a worker gives up."""

LINE = 16 << 10
"""Most bytes of a log line."""


class Usage(NamedTuple):
    """What a process holds, memory in bytes."""

    descriptors: int
    threads: int
    memory: int


GROWTH = Usage(4, 4, 8 << 20)
"""What there may be more in the end than half-way."""


@dataclass(frozen=True)
class Given:
    """What came of a worker's inputs, or of all.

    Attributes:
        inputs: How many.
        faults: What was wrong, each with its case where it was in one.
        unanswered: Datagrams for which nothing came.
        before: What was held before them, by the server, or where there is none by the worker.
        after: The same in the end.
        next_case: With which to go on.
    """

    inputs: int
    faults: list[str]
    unanswered: int
    before: Usage
    after: Usage
    next_case: int = 0


def run(name: str, inputs: int, seed: int, workers: int = WORKERS) -> Given:
    """Give a target so many inputs, and look half-way and in the end at what it holds.

    Not earlier: the allocator's rooms fill for a while. Over UDP, whose datagrams are small or large at
    random, they had their size after a hundred thousand, 10 MiB more than after ten thousand.
    """
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder, serving(target, Path(folder)) as server:
        place = None if server is None else place_of(target, server)
        share = partial(give, name, place, seed, workers)
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            first = list(pool.map(share, [inputs // 2 // workers] * workers, range(workers)))
            before = None if server is None else usage_of(server)
            cases = [part.next_case for part in first]
            last = list(pool.map(share, [(inputs - inputs // 2) // workers] * workers, cases))
        given = Given(
            inputs=sum(part.inputs for part in first + last),
            faults=[fault for part in first + last for fault in part.faults],
            unanswered=sum(part.unanswered for part in first + last),
            before=before or _most(part.before for part in last),
            after=_most(part.after for part in last) if server is None else usage_of(server),
        )
        for what, was, now, most in zip(Usage._fields, given.before, given.after, GROWTH, strict=True):
            if now > was + most:
                given.faults.append(f"{what}: {now} in the end, {was} half-way")
        if server is not None:
            given.faults.extend(aftermath(server, Path(folder) / "log", given.unanswered))
    return given


def give(name: str, place: Any, seed: int, step: int, inputs: int, case: int) -> Given:
    """Give inputs: those of a case, of the one that is `step` further, and so on."""
    before, given, faults, unanswered = _own_usage(), 0, list[str](), 0
    while given < inputs and len(faults) < ENOUGH:
        try:
            given += play(name, place, seed, case)
        except TimeoutError as error:
            given += 1
            if "udp" in name:
                unanswered += 1
            else:
                faults.append(f"case {case}: no answer, and no end ({error})")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            given += 1
            faults.append(f"case {case}: {type(error).__name__}: {error}")
        case += step
    return Given(given, faults, unanswered, before, _own_usage(), case)


def play(name: str, place: Any, seed: int, case: int) -> int:
    """Play a case, which is the same for the same seed; return how many inputs it had."""
    return TARGETS[name].play(place, Random(f"{seed}/{name}/{case}"))


@contextlib.contextmanager
def serving(target: Target, folder: Path) -> Iterator[ServerProcess | None]:
    """Run what a target needs."""
    if not target.listen:
        yield None
        return
    options = [option.format(folder=folder) for option in target.options]
    if "--tls-cert" in options:
        Authority(folder).issue("localhost")
    listen = (target.listen.format(folder=folder),)
    server = ServerProcess(*options, "--log-level", "warning", listen=listen, log=folder / "log")
    try:
        yield server
    finally:
        server.close()


def place_of(target: Target, server: ServerProcess) -> Any:
    """Return where inputs go: a host and port, or a path."""
    (url,) = server.started["listeners"].values()
    parts = urlsplit(server.metrics_url if target.at_endpoint else url)
    return parts.path if parts.hostname is None else (parts.hostname, parts.port)


def usage_of(server: ServerProcess) -> Usage:
    """Return what it holds once it is at rest.

    Raises:
        AssertionError: It is not there any more.
    """
    assert server.process.poll() is None, f"the server has ended: {server.wait()} {server.errors.decode()}"
    time.sleep(max(linger.SECONDS, executors.STAY) + 1)  # lingering ends, and idle threads leave
    return Usage(server.descriptors(), server.threads(), server.memory())


def aftermath(server: ServerProcess, log: Path, unanswered: int) -> Iterator[str]:
    """Yield what is wrong with a server, and with what it wrote, now that its clients have left; stop it."""
    opened = server.metric("socketserver_connections_open")
    accepted = server.metric("socketserver_connections_accepted_total")
    closed = server.metric("socketserver_connections_closed_total")
    if opened or accepted != closed:
        yield f"{accepted:.0f} connections were accepted, {closed:.0f} closed, {opened:.0f} are open"
    for family in ("connections_closed", "datagrams"):
        if failed := server.metric(f"socketserver_{family}_total", outcome="handler_error"):
            yield f"the handler failed {failed:.0f} times"
    if unanswered > (lost := server.metric("socketserver_datagrams_lost_total")):
        yield f"{unanswered} datagrams were not answered, and the kernel lost {lost:.0f}"
    if status := server.stop():
        yield f"exit status {status}"
    if server.errors:
        yield f"on standard error: {server.errors.decode(errors='replace')[:500]}"
    yield from _wrong_lines(log)


def _wrong_lines(log: Path) -> Iterator[str]:
    with log.open("rb") as lines:
        for line in lines:
            if len(line) > LINE:
                yield f"a log line of {len(line)} bytes: {line[:200]!r}"
            elif orjson.loads(line)["level"] not in {"info", "warning"}:
                yield f"logged: {line.decode()[:500]}"


def _own_usage() -> Usage:
    held = Path("/proc/self")
    pages = int((held / "statm").read_text(encoding="ascii").split()[1])
    descriptors, tasks = (len(list((held / what).iterdir())) for what in ("fd", "task"))
    return Usage(descriptors, tasks, pages * os.sysconf("SC_PAGE_SIZE"))


def _most(usages: Iterator[Usage]) -> Usage:
    return Usage(*map(max, zip(*usages, strict=True)))
