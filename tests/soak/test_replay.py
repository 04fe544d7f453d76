"""A schedule held for a minute: what was due against what was sent, how late, and in how much memory."""

import json
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.faults.server.process import ROOT, serving
from tests.ports import free_port

pytestmark = pytest.mark.timeout(300)

RATE, SECONDS = 500, 60
SETTLED = 10
"""Seconds after which the memory should have its size."""

GROWTH = 4 << 20
"""Bytes. A few per exchange, kept, would be as many."""


def resident(url: str) -> float:
    page = urllib.request.urlopen(url).read().decode()
    (line,) = (line for line in page.splitlines() if line.startswith("process_resident_memory_bytes "))
    return float(line.split()[1])


def test_500_passes_a_second_for_a_minute_are_sent_in_time_and_take_no_memory(tmp_path, capsys):
    script = tmp_path / "ask.talk"
    script.write_text("> hello ${seq}\n<~ ] hello ${seq}$\n")
    metrics = f"127.0.0.1:{free_port()}"
    with serving("--log-level", "warning") as server:
        host, port = server.address()
        replay = subprocess.Popen(
            [sys.executable, "-m", "client", "replay", script, "--target", f"tcp://{host}:{port}",
             "--rate", str(RATE), "--duration", f"{SECONDS}s", "--users", "64", "--summary", "json",
             "--metrics", metrics],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(SETTLED)
        before = resident(f"http://{metrics}/metrics")
        time.sleep(SECONDS - SETTLED - 3)
        after = resident(f"http://{metrics}/metrics")
        summary = json.loads(replay.communicate(timeout=60)[0])
    with capsys.disabled():
        lag, intended = summary["lag_seconds"], summary["intended_seconds"]
        print(
            f"\n{RATE * SECONDS} passes due, {summary['attempted']} sent, {summary['ok']} ok, "
            f"{summary['in_flight']} in flight at the end, {summary['dropped']} dropped; "
            f"lag p99 {lag['p99'] * 1e3:.2f} ms, max {lag['max'] * 1e3:.2f} ms; "
            f"intended p99 {intended['p99'] * 1e3:.2f} ms; "
            f"memory {before / 1e6:.1f} MB after {SETTLED} s, {after / 1e6:.1f} MB at the end"
        )
    assert replay.returncode == 0
    assert summary["attempted"] + summary["dropped"] == RATE * SECONDS
    assert summary["dropped"] < RATE
    assert lag["p99"] < 0.1
    assert after - before < GROWTH
