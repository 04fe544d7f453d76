"""What being scraped does to the service's latency at full load."""

from benchmarks import generator
from benchmarks.generator import Load, Rounds, in_turns
from benchmarks.programs import OURS, Workshop

SCRAPED = "scraped every 2 s"
NOT_SCRAPED = "not scraped"


def measure(workshop: Workshop, rounds: int, seconds: float) -> Rounds:
    """Measure one server, a connection a message and 64 clients, with scrapes and without in turns."""
    load = Load(64, keep=False, seconds=seconds)
    results: Rounds = {SCRAPED: [], NOT_SCRAPED: []}
    with workshop.serving(OURS, keep=False) as server:
        for how in in_turns(tuple(results), rounds):
            results[how].append(generator.run(workshop, server, load, scraped=how == SCRAPED))
    return results
