import json
import random
import subprocess
import sys
import time

import pytest

from tests.faults.server.process import ROOT, serving

pytestmark = pytest.mark.timeout(1200)

STOPS = 100
PROCESSES, THREADS = 4, 16


def test_a_hundred_stops_under_load_lose_no_reply(capsys):
    answered, lost = 0, []
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
    with capsys.disabled():
        print(f"\nlost: {len(lost)} of {answered + len(lost)} replies in {STOPS} stops")
    assert lost == []
    assert answered > STOPS * PROCESSES * THREADS
