"""Serves a million connections, of which 2 % misbehave: `python -m tests.soak.million`.

Prints what it measured, and ends with an error where something was lost, leaked or miscounted.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import orjson

from socketscope.serve.threads import executors, linger
from tests.faults.server.process import ServerProcess, wait_for

CONNECTIONS = int(os.environ.get("SOAK_CONNECTIONS", "1000000"))
WARM_UP = CONNECTIONS // 50
CLIENTS = 128
FAULTS_PER_MILLE = 20
SCRAPE_EVERY = 1.0

OUTCOMES = {
    "orderly": "ok",
    "half_close": "ok",
    "reset": "reset",
    "flood": "line_too_long",
    "slow": "read_timeout",
}

# What may be more in the end than after the warm-up.
DESCRIPTORS, THREADS, MEMORY = 4, 4, 8 << 20


def compiled(folder: str) -> Path:
    program = Path(folder) / "crowd"
    subprocess.run(
        ["cc", "-O2", "-pthread", "-o", str(program), str(Path(__file__).with_name("crowd.c"))], check=True
    )
    return program


def samples(server: ServerProcess) -> dict[str, float]:
    """Return one scrape: the value of each series."""
    page = server.get("/metrics").decode().splitlines()
    lines = (line.rsplit(" ", 1) for line in page if line[0] != "#")
    return {name: float(value) for name, value in lines}


def closed(page: dict[str, float]) -> dict[str, float]:
    start = 'socketserver_connections_closed_total{listener="tcp",outcome="'
    return {name.removeprefix(start)[:-2]: n for name, n in page.items() if name.startswith(start)}


def check(page: dict[str, float]) -> None:
    """Check that nobody is missing in a scrape."""
    accepted = page['socketserver_connections_accepted_total{listener="tcp"}']
    opened = page['socketserver_connections_open{listener="tcp"}']
    assert accepted == opened + sum(closed(page).values()), page


def usage(server: ServerProcess) -> dict[str, int]:
    """Return what it holds once it is at rest."""
    wait_for(lambda: samples(server)['socketserver_connections_open{listener="tcp"}'] == 0, "all have left")
    time.sleep(max(linger.SECONDS, executors.STAY) + 1)  # lingering ends, and idle threads leave
    return {
        "descriptors": server.descriptors(),
        "threads": server.threads(),
        "memory": server.memory(),
        "series": len(samples(server)),
    }


def crowd(program: Path, server: ServerProcess, connections: int) -> tuple[Counter[str], int]:
    """Let clients come, scraping meanwhile; return how many came of each kind, and how often was scraped."""
    arguments = [str(server.address()[1]), str(connections), str(CLIENTS), str(FAULTS_PER_MILLE)]
    scrapes = 0
    with subprocess.Popen([str(program), *arguments], stdout=subprocess.PIPE, text=True) as clients:
        while clients.poll() is None:
            check(samples(server))
            scrapes += 1
            time.sleep(SCRAPE_EVERY)
        assert clients.stdout is not None
        came = Counter[str]()
        for line in clients.stdout:
            kind, number, failed = line.split()
            assert failed == "0", f"{failed} of {number} {kind} clients did not get what they should"
            came[kind] += int(number)
    return came, scrapes


def outcomes_in(log: Path) -> Counter[str]:
    with log.open("rb") as lines:
        return Counter(line["outcome"] for line in map(orjson.loads, lines) if line["event"] == "connection")


def as_clients_left(outcomes: Counter[str]) -> Counter[str]:
    """Return the outcomes, all resets as one: whether a server has read first what one follows is chance."""
    outcomes["reset"] += outcomes.pop("empty", 0)
    return outcomes


def main() -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        program = compiled(folder)
        server = ServerProcess("--read-timeout", "500ms", log=log)
        try:
            came, _ = crowd(program, server, WARM_UP)
            first = usage(server)
            seconds, scrapes, held = 0.0, 0, []
            for _ in range(2):
                began = time.monotonic()
                more, times = crowd(program, server, CONNECTIONS // 2)
                seconds += time.monotonic() - began
                scrapes += times
                came += more
                held.append(usage(server))
            half, last = held
            page = samples(server)
            assert server.stop() == 0
            assert server.errors == b""
        finally:
            server.close()
        logged = as_clients_left(outcomes_in(log))
    counted = as_clients_left(
        Counter({outcome: int(number) for outcome, number in closed(page).items() if number})
    )
    dropped = int(page["socketserver_log_lines_dropped_total"])
    print(f"{CONNECTIONS} connections in {seconds:.0f} s; accepted = open + closed in {scrapes} scrapes")
    print(f"clients: {dict(came)}; none failed")
    print(f"outcomes: {counted}; log lines dropped: {dropped}")
    for name, before in first.items():
        print(f"{name}: first {before}, half-way {half[name]}, last {last[name]}")
    expected = Counter[str]()
    for kind, number in came.items():
        expected[OUTCOMES[kind]] += number
    assert counted == expected
    assert dropped or logged == expected
    assert last["descriptors"] <= first["descriptors"] + DESCRIPTORS
    assert last["threads"] <= first["threads"] + THREADS
    assert last["series"] == first["series"]
    assert last["memory"] <= first["memory"] + MEMORY


if __name__ == "__main__":
    if shutil.which("cc") is None:
        sys.exit("the clients are compiled with cc, which is not installed")
    main()
