"""The replay client beside other load tools: exchanges per second of CPU time, and how late it runs.

All talk to the server in C, which echoes: fortio checks that it does. That server tells how many lines it has
answered, so no client is asked for its own speed.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import generator
from benchmarks.generator import Figures, Load, Rounds, in_turns
from benchmarks.programs import HERE, START_TIMEOUT, C, Server, Workshop, ask, cpu_seconds

REPLAY = "replay"
LOCUST = "locust"
FORTIO = "fortio"
GENERATOR = "C generator"
USERS = 64
RATE = 1_000
"""Exchanges a second of the open loop."""

SCRIPT = "> hello world\n< hello world\n"
LONGEST = "60s"
SETTLING = 1.0
"""Seconds after a client's first exchange that are not counted."""


def measure_closed_loop(workshop: Workshop, rounds: int, seconds: float) -> Rounds:
    """Measure each client that is installed, with kept connections, in turns."""
    results: Rounds = {}
    with workshop.serving(C, keep=True, clients=USERS + 1, options=("echo",)) as server:
        commands = _commands(workshop, server.url)
        for name in in_turns(tuple(commands), rounds):
            with workshop.running(commands[name], stderr=subprocess.DEVNULL) as process:
                _wait_for_traffic(server, name)
                cpu, answered, began = cpu_seconds(process), _answered(server), time.monotonic()
                time.sleep(seconds)
                cpu, answered = cpu_seconds(process) - cpu, _answered(server) - answered
                rate = answered / (time.monotonic() - began)
                results.setdefault(name, []).append({"rate": rate, "per_core": answered / cpu})
    return {name: results[name] for name in commands}


def measure_open_loop(workshop: Workshop, rounds: int, seconds: float) -> Rounds:
    """Measure the latencies that replay and the generator report of the same server on the same schedule."""
    results: Rounds = {REPLAY: [], GENERATOR: []}
    with workshop.serving(C, keep=True, clients=USERS + 1, options=("echo",)) as server:
        for name in in_turns(tuple(results), rounds):
            if name == GENERATOR:
                load = Load(USERS, keep=True, seconds=seconds, warmup=1, rate=RATE, echo=True)
                results[name].append(generator.run(workshop, server, load))
            else:
                results[name].append(_replay_on_schedule(workshop, server, seconds))
    return results


def _commands(workshop: Workshop, url: str) -> dict[str, list[str]]:
    commands = {
        REPLAY: [*_replay(workshop, url), "--duration", LONGEST],
        GENERATOR: [workshop.generator, *Load(USERS, keep=True, seconds=60, echo=True).arguments(url)],
    }
    if fortio := shutil.which("fortio"):
        flags = ["-c", str(USERS), "-qps", "-1", "-t", LONGEST, "-payload", "hello world\n", "-quiet"]
        commands[FORTIO] = [fortio, "load", *flags, url]
    if locust := shutil.which("locust", path=str(Path(sys.executable).parent)):
        flags = ["-u", str(USERS), "-r", str(USERS), "-t", LONGEST, "--headless", "--only-summary"]
        commands[LOCUST] = [locust, "-f", str(HERE / "locustfile.py"), "-H", url, *flags]
    return commands


def _replay(workshop: Workshop, url: str) -> list[str]:
    script = workshop.folder / "hello.talk"
    script.write_text(SCRIPT, encoding="utf-8")
    flags = ["--target", url, "--users", str(USERS), "--connect", "user"]
    return [sys.executable, "-m", "client", "replay", str(script), *flags]


def _replay_on_schedule(workshop: Workshop, server: Server, seconds: float) -> Figures:
    flags = ["--rate", str(RATE), "--duration", f"{seconds}s", "--warmup", "1s", "--summary", "json"]
    command = [*_replay(workshop, server.url), *flags]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=seconds + 30).stdout
    summary = json.loads(printed)
    latencies = summary["intended_seconds"]
    return {
        "rate": summary["rate"]["achieved"],
        "failed": summary["failed"],
        "p50": latencies["p50"],
        "p99": latencies["p99"],
        "lag_p99": summary["lag_seconds"]["p99"],
    }


def _answered(server: Server) -> int:
    return int(ask(server.url, b"count\n"))


def _wait_for_traffic(server: Server, name: str) -> None:
    before = _answered(server)
    give_up_at = time.monotonic() + START_TIMEOUT
    while _answered(server) < before + USERS * 10:
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"{name} sent nothing to {server.url}")
        time.sleep(0.1)
        before += 1  # the question itself
    time.sleep(SETTLING)
