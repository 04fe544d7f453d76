"""Exchanges a second of this server and its peers, in interleaved rounds."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import generator
from benchmarks.generator import Load, Measured
from benchmarks.programs import NotInstalledError, Server, Workshop

Rounds = dict[str, list[Measured]]
"""What was measured of each server, round by round."""


@dataclass(frozen=True)
class Setting:
    """How servers are loaded in one comparison.

    Attributes:
        name: For `--only`.
        title: For people.
        kind: Of address.
        keep: Whether connections are kept, or carry one message each.
        clients: At once.
        rounds: How often each server has its turn.
        seconds: Of a turn, without its warm-up.
    """

    name: str
    title: str
    kind: str
    keep: bool
    clients: int
    rounds: int
    seconds: float


MAIN = (5, 1.5)
SIDE = (3, 0.8)
"""Rounds, and seconds each."""

SETTINGS = (
    Setting("message-64", "a connection a message, 64 clients", "tcp", False, 64, *MAIN),
    Setting("message-1", "a connection a message, 1 client", "tcp", False, 1, *SIDE),
    Setting("message-1000", "a connection a message, 1,000 clients", "tcp", False, 1000, *SIDE),
    Setting("persistent-64", "persistent connections, 64 clients", "tcp", True, 64, *MAIN),
    Setting("persistent-1", "persistent connections, 1 client", "tcp", True, 1, *SIDE),
    Setting("persistent-1000", "persistent connections, 1,000 clients", "tcp", True, 1000, *SIDE),
    Setting("unix-64", "Unix socket, a connection a message, 64 clients", "unix", False, 64, *SIDE),
    Setting("udp-64", "UDP, 64 clients", "udp", True, 64, *SIDE),
)


@contextlib.contextmanager
def all_serving(workshop: Workshop, names: Sequence[str], setting: Setting) -> Iterator[list[Server]]:
    """Run all servers at once: those that are not loaded sleep. One that is not installed is left out."""
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            try:
                serving = workshop.serving(name, setting.kind, keep=setting.keep, clients=setting.clients)
                servers.append(stack.enter_context(serving))
            except NotInstalledError:
                print(f"  {name} is not installed", file=sys.stderr)
        yield servers


def compare(workshop: Workshop, names: Sequence[str], setting: Setting) -> Rounds:
    """Measure servers in turns; each round begins with another one."""
    load = Load(setting.clients, setting.keep, setting.seconds)
    with all_serving(workshop, names, setting) as servers:
        rounds: Rounds = {server.name: [] for server in servers}
        for number in range(setting.rounds):
            shift = number % len(servers)
            for server in (*servers[shift:], *servers[:shift]):
                rounds[server.name].append(generator.run(workshop, server, load))
    return rounds
