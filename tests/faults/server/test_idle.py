"""What a server costs that has nothing to do."""

import time
from pathlib import Path

import pytest

from .process import ServerProcess, serving, wait_for

SECONDS = 2.0
MOST = 15
"""Wake-ups a second, of all threads together."""


def wake_ups(server: ServerProcess) -> dict[str, int]:
    """Return how often each thread has waited for something."""
    found = {}
    for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
        status = (thread / "status").read_text().splitlines()
        number = next(line.split()[1] for line in status if line.startswith("voluntary_ctxt_switches"))
        found[thread.name] = int(number)
    return found


@pytest.mark.parametrize("listeners", [1, 4])
def test_a_process_with_nothing_to_do_hardly_wakes_up(listeners):
    with serving(listen=("tcp://127.0.0.1:0",) * listeners) as server:
        for number in range(listeners):
            server.ask(b"x\n", "tcp" if not number else f"tcp-{number + 1}")
        wait_for(lambda: server.metric("socketserver_connections_open") == 0, "all have left")
        time.sleep(2)  # whoever watched over connections has left too
        before = wake_ups(server)
        time.sleep(SECONDS)
        after = wake_ups(server)
    since = {thread: number - before.get(thread, 0) for thread, number in after.items()}
    assert sum(since.values()) < MOST * SECONDS, since
