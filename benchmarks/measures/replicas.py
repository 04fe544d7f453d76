"""One server against several behind one name, in Docker Compose: `python -m benchmarks.measures.replicas`.

The load comes from `replay` in a container of its own on the same cores; the servers' share of these is
told as CPU time. It is applied in two ways: as fast as replies come, and at a rate that one server can carry.
"""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks import machine
from benchmarks.generator import Figures, column, in_turns
from benchmarks.measures.tls import SCRIPT
from benchmarks.programs import ROOT
from benchmarks.ratios import spread

PROJECT = "socketscope-replicas"
SERVERS = (1, 2, 3)
CLIENTS = "32"
HANDLER = """
import socketserver, time

class Spin(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        until = time.thread_time() + 0.005
        while time.thread_time() < until:
            pass
        self.wfile.write(line)
"""
CPU = """
import urllib.request
for line in urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=10):
    if line.startswith(b"process_cpu_seconds_total"):
        print(float(line.split()[1]))
"""


@dataclass(frozen=True)
class Work:
    """What a handler does.

    Attributes:
        handler: `--handler`; None is the timestamp service.
        rate: Connections a second that one server can carry.
    """

    name: str
    handler: str | None
    rate: int


WORKS = (Work("the timestamp service", None, 500), Work("5 ms of Python", "spin:Spin", 100))


class Servers:
    """The services `server` and `replica` of docker-compose.yml, with some work to do."""

    def __init__(self, folder: Path, work: Work) -> None:
        self._folder = folder
        (folder / "spin.py").write_text(HANDLER, encoding="utf-8")
        (folder / "hello.talk").write_text(SCRIPT, encoding="utf-8")
        service: dict[str, Any] = {"volumes": [f"{folder}/spin.py:/app/spin.py:ro"]}
        if work.handler:
            service["environment"] = {"SERVER_HANDLER": work.handler}
        (folder / "work.yml").write_text(
            json.dumps({"services": {"server": service, "replica": service}}), encoding="utf-8"
        )

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose and return what it prints."""
        files = ("--file", f"{ROOT}/docker-compose.yml", "--file", f"{self._folder}/work.yml")
        ports = {"SERVER_PORT": "0", "SERVER_METRICS_PORT": "0"}
        images = {"SERVER_IMAGE": f"{PROJECT}-server", "CLIENT_IMAGE": f"{PROJECT}-client"}
        return subprocess.run(
            ["docker", "compose", "--project-name", PROJECT, *files, *arguments],
            env=os.environ | ports | images, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    def scale(self, servers: int) -> None:
        """Run this many, and wait until they are healthy."""
        options = ("--detach", "--wait", "--no-recreate", "--scale", f"replica={servers - 1}")
        self.compose("up", *options, "server", "replica")

    def cpu_seconds(self) -> float:
        """Return the CPU time that all of them have used."""
        running = self.compose("ps", "--quiet", "server", "replica").split()
        return sum(float(_run("docker", "exec", each, "python", "-c", CPU)) for each in running)

    def load(self, seconds: int, *options: str) -> tuple[dict[str, Any], float]:
        """Play; return the summary, and how many cores the servers have used."""
        before = self.cpu_seconds()
        told = _run(
            "docker", "run", "--rm", "--network", f"{PROJECT}_default",
            "--volume", f"{self._folder}/hello.talk:/hello.talk:ro", f"{PROJECT}-client",
            "replay", "/hello.talk", "--target", "tcp://server:21567", "--users", CLIENTS,
            "--duration", f"{seconds}s", *options, "--fail-on", "errors > 100%", "--summary", "json",
        )  # fmt: skip
        return json.loads(told), (self.cpu_seconds() - before) / seconds


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seconds", type=click.IntRange(min=1), default=8, show_default=True, help="Length of a load.")
def main(rounds: int, seconds: int) -> None:
    """Measure, and print a row for each kind of handler and number of servers."""
    print(machine.in_words(machine.describe()))
    for work in WORKS:
        with tempfile.TemporaryDirectory() as temporary:
            servers = Servers(Path(temporary), work)
            try:
                servers.compose("build", "server", "client")
                found = _measure(servers, work, rounds, seconds)
            finally:
                servers.compose("down", "--volumes", "--remove-orphans", "--timeout", "30")
        for number, turns in found.items():
            figures = "; ".join(f"{name} {spread(column(turns, name)):.3g}" for name in turns[0])
            print(f"{work.name}, {number}: {figures}")


def _measure(servers: Servers, work: Work, rounds: int, seconds: int) -> dict[int, list[Figures]]:
    found: dict[int, list[Figures]] = {number: [] for number in SERVERS}
    for number in in_turns(SERVERS, rounds):
        servers.scale(number)
        full, cores = servers.load(seconds)
        paced, _ = servers.load(seconds, "--rate", str(work.rate))
        found[number].append(
            {
                "connections/s": full["rate"]["achieved"],
                "p99 ms": full["service_seconds"]["p99"] * 1e3,
                "cores": cores,
                "failed": full["failed"],
                "p99 ms at the rate": paced["intended_seconds"]["p99"] * 1e3,
                "failed at the rate": paced["failed"] + paced["dropped"],
            }
        )
    return found


if __name__ == "__main__":
    main()
