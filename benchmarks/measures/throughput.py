"""Exchanges a second of this server and its peers, in interleaved rounds."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import generator
from benchmarks.generator import Load, Rounds, in_turns
from benchmarks.programs import NotInstalledError, Workshop


def compare(
    workshop: Workshop, rounds: int, seconds: float, *, names: Sequence[str], kind: str, load: Load
) -> Rounds:
    """Measure servers at a kind of address in turns. All run at once, those that are not loaded asleep."""
    load = replace(load, seconds=seconds)
    goes_on = load.keep or not load.server_closes
    results: Rounds = {}
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            try:
                serving = workshop.serving(name, kind, keep=goes_on, clients=load.clients)
                servers.append(stack.enter_context(serving))
            except NotInstalledError:
                print(f"{name} is not installed", file=sys.stderr)
        for server in in_turns(servers, rounds):
            results.setdefault(server.name, []).append(generator.run(workshop, server, load))
    return {name: results[name] for name in names if name in results}
