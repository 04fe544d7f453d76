"""The library alone beside the standard library: one import changed, the same handler, nothing tuned."""

import contextlib
import sys
from dataclasses import dataclass

from benchmarks import generator, handler
from benchmarks.generator import Load, Rounds, in_turns
from benchmarks.programs import Server, Workshop, awake, wait_until_done, wait_until_it_answers

LIBRARIES = ("socketscope", "socketserver")


@dataclass(frozen=True)
class Case:
    """What a handler does, and for whom.

    Attributes:
        work: One of `handler.WORK`.
        kind: The kind of address.
        clients: How many at once, each with one connection or datagram after the other.
    """

    work: str
    kind: str
    clients: int

    def __str__(self) -> str:
        return f"{self.work}, {self.kind}, {self.clients}"


CASES = (
    Case("nothing", "tcp", 64),
    Case("nothing", "unix", 64),
    Case("nothing", "udp", 64),
    Case("sleep-200us", "tcp", 64),
    *(Case("sleep-50ms", kind, clients) for kind in ("tcp", "unix", "udp") for clients in (200, 500)),
    Case("sleep-50ms-beside-zlib", "tcp", 64),
    Case("pbkdf2-1ms", "tcp", 64),
    Case("pbkdf2-10ms", "tcp", 64),
    Case("python-5ms", "tcp", 64),
    Case("mix", "tcp", 64),
)


def label(case: Case, library: str) -> str:
    """Return the key of a result."""
    return f"{case}: {library}"


def measure(workshop: Workshop, rounds: int, seconds: float) -> Rounds:
    """Measure both in turns, case by case; the other is stopped meanwhile, as some work all the time."""
    results: Rounds = {}
    speeds = handler.speeds()
    for case in CASES:
        load = Load(case.clients, keep=case.kind == "udp", seconds=seconds, warmup=1.0, echo=True)
        with contextlib.ExitStack() as stack:
            servers = []
            for library in LIBRARIES:
                url = workshop.url(case.kind)
                command = [sys.executable, "-m", "benchmarks.handler", library, url, case.work, *speeds]
                process = stack.enter_context(workshop.running(command))
                wait_until_it_answers(library, url, process)
                servers.append(Server(library, url, process))
            for server in in_turns(servers, rounds):
                with awake(server, servers):
                    found = generator.run(workshop, server, load)
                    wait_until_done(server.process)
                results.setdefault(label(case, server.name), []).append(found)
    return results
