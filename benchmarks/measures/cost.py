"""What a connection costs in CPU time, and which part of the server takes it.

Variants of the server, each with one part more than the one before, are loaded in turns; the difference
between two is the cost of that part, in Python and in the kernel.
"""

import contextlib

from benchmarks import generator
from benchmarks.generator import Load, Rounds, in_turns
from benchmarks.programs import OFF, OURS, Workshop

QUIET = ("--log-level", "error")

VARIANTS = {
    "accept": ("pool, accept, one receive and one send, close", "accept", QUIET, False),
    "handler": ("the standard library's handler and the service's lines", OFF, QUIET, False),
    "socket": ("the observed socket, with nothing to note for", "socket", QUIET, False),
    "record": ("the connection's record, and its deadlines", "record", QUIET, False),
    "metrics": ("totals, histograms, the connection limit", OURS, QUIET, False),
    "log": ("a JSON line, rendered and written to a file", OURS, (), False),
    "scrape": ("`/metrics` every 2 s", OURS, (), True),
}
"""What each adds to the one before, the server that has it, its options, and whether it is scraped."""


def measure(workshop: Workshop, rounds: int, seconds: float) -> Rounds:
    """Measure the variants with a connection a message and 64 clients."""
    load = Load(64, keep=False, seconds=seconds)
    results: Rounds = {part: [] for part in VARIANTS}
    with contextlib.ExitStack() as stack:
        servers = [
            (part, stack.enter_context(workshop.serving(name, keep=False, options=options)), scraped)
            for part, (_, name, options, scraped) in VARIANTS.items()
        ]
        for part, server, scraped in in_turns(servers, rounds):
            results[part].append(generator.run(workshop, server, load, scraped=scraped))
    return results
