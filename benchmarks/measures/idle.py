"""What connections cost that only stay open: memory, and the speed of the traffic beside them."""

import contextlib

from benchmarks import generator
from benchmarks.generator import Load, Rounds, in_turns
from benchmarks.programs import OURS, Workshop

COUNTS = {OURS: (0, 10, 100, 1_000, 10_000), "socketserver": (0, 10_000), "asyncio": (0, 10_000)}
"""How many idle connections each server holds."""

OF_GOAL = (0, 10_000)
"""Those of our server that its goals compare."""

TELLING = 1_000
"""The fewest connections whose memory stands out from the process' own."""

MESSAGE = "message"
PERSISTENT = "persistent"
CLIENTS = 64
LIMITS = ("--max-connections", "11000", "--idle-timeout", "10m")


def label(name: str, idle: int, mode: str) -> str:
    """Return the key of a result."""
    return f"{name}, {idle} idle, {mode}"


def measure(workshop: Workshop, rounds: int, seconds: float) -> Rounds:
    """Measure each server with each number of idle connections, all of them running at once."""
    results: Rounds = {}
    with contextlib.ExitStack() as stack:
        competitors = []
        for name, counts in COUNTS.items():
            for idle in counts:
                options = LIMITS if name == OURS else ()
                server = stack.enter_context(workshop.serving(name, keep=True, options=options))
                stack.enter_context(generator.holding(workshop, server, idle))
                competitors += [(server, idle, mode) for mode in (MESSAGE, PERSISTENT)]
        # What a goal compares takes adjacent turns, and more of them: what disturbs one then disturbs all.
        of_goal = [one for one in competitors if one[0].name == OURS and one[1] in OF_GOAL]
        others = [one for one in competitors if one not in of_goal]
        for server, idle, mode in (*in_turns(of_goal, 2 * rounds), *in_turns(others, rounds)):
            load = Load(CLIENTS, mode == PERSISTENT, seconds, server_closes=False)
            figures = generator.run(workshop, server, load)
            figures["resident"] = server.resident
            results.setdefault(label(server.name, idle, mode), []).append(figures)
    return results
