"""Stops a server a hundred times at random moments under 64 clients: `python -m tests.soak.stops`.

Prints how many replies were lost, and ends with an error where any was.
"""

import json
import os
import random
import subprocess
import sys
import time

from tests.faults.server.process import ROOT, serving

STOPS = int(os.environ.get("SOAK_STOPS", "100"))
PROCESSES, THREADS = 4, 16


def main() -> None:
    """Run it."""
    answered, lost = 0, list[str]()
    dice = random.Random(1)
    for _ in range(STOPS):
        with serving("--log-level", "warning") as server:
            command = [sys.executable, "-m", "tests.soak.clients", str(server.address()[1]), str(THREADS)]
            clients = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(PROCESSES)]
            time.sleep(0.5 + dice.random())
            assert server.stop() == 0
            for client in clients:
                said = json.loads(client.communicate(timeout=60)[0])
                answered += said["answered"]
                lost += said["lost"]
    print(f"lost: {len(lost)} of {answered + len(lost)} replies in {STOPS} stops")
    assert lost == []
    assert answered > STOPS * PROCESSES * THREADS


if __name__ == "__main__":
    main()
