"""Exchanges a second of this server and its peers, in interleaved rounds."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import generator
from benchmarks.generator import Load, Rounds, in_turns
from benchmarks.programs import NotInstalledError, Workshop


@dataclass(frozen=True)
class Setting:
    """How servers are loaded in a comparison.

    Attributes:
        kind: Of address.
        clients: At once.
        keep: Whether connections are kept, or carry one message each.
        server_closes: Whether the server ends a connection that is not kept, or its client.
    """

    kind: str
    clients: int
    keep: bool = False
    server_closes: bool = True


def compare(
    workshop: Workshop, rounds: int, seconds: float, *, names: Sequence[str], setting: Setting
) -> Rounds:
    """Measure servers in turns. All run at once, those that are not loaded asleep."""
    load = Load(setting.clients, setting.keep, seconds, server_closes=setting.server_closes)
    goes_on = setting.keep or not setting.server_closes
    results: Rounds = {}
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            try:
                serving = workshop.serving(name, setting.kind, keep=goes_on, clients=setting.clients)
                servers.append(stack.enter_context(serving))
            except NotInstalledError:
                print(f"{name} is not installed", file=sys.stderr)
        for server in in_turns(servers, rounds):
            results.setdefault(server.name, []).append(generator.run(workshop, server, load))
    return {name: results[name] for name in names if name in results}
