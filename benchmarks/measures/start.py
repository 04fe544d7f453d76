"""How long servers take from their start to their first answer, and their memory then."""

from benchmarks.generator import Rounds, in_turns
from benchmarks.programs import OURS, Workshop

NAMES = (OURS, "socketserver", "asyncio")


def measure(workshop: Workshop, rounds: int, _: float) -> Rounds:
    """Start each server in turns; a start before all others compiles the modules, as images do."""
    results: Rounds = {name: [] for name in NAMES}
    for number, name in enumerate(in_turns(NAMES, rounds + 1)):
        with workshop.serving(name, keep=False) as server:
            if number >= len(NAMES):
                results[name].append({"start": server.started_in, "resident": server.resident})
    return results
