"""Somebody in a clone, who types one command after the other."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.faults.replay.terminal import Terminal

from .conftest import get, wait_for

SERVICES = "server client prometheus"
"""What README.md names where Grafana's image cannot be had."""


class Session:
    """A shell, and the terminals beside it.

    Attributes:
        folder: The clone.
        without_grafana: Why the stack runs without Grafana, if it does.
        without_alertmanager: Why there is no Alertmanager, if there is none.
        opened: What runs in terminals, by its command.
    """

    def __init__(self, folder: Path, without_grafana: str, without_alertmanager: str = "") -> None:
        self.folder = folder
        self.without_grafana = without_grafana
        self.without_alertmanager = without_alertmanager
        self.opened: dict[str, Terminal] = {}
        self._before = ""

    def run(self, command: str, *, status: int | set[int] = 0, seconds: float = 120, **variables: str) -> str:
        """Type a command, see it end as it should, and return what it printed."""
        ended = subprocess.run(
            ["timeout", f"{seconds}", "bash", "-c", self._before + command],
            cwd=self.folder, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        wanted = status if isinstance(status, set) else {status}
        assert ended.returncode in wanted, f"{ended.returncode}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def up(self, command: str, services: str = SERVICES) -> None:
        """Bring something up, with the services named where not all of them can run."""
        self.run(f"{command} {services}" if self.without_grafana else command)

    def from_now_on(self, command: str) -> None:
        """Have a command's effect on its shell last for what is typed after it."""
        self.run(command)
        self._before = f"{{ {command}; }} >/dev/null\n"

    def open(self, command: str) -> Terminal:
        """Type a command that goes on, in a terminal of its own."""
        shown = Terminal("bash", "-c", self._before + command, columns=120, lines=50, folder=self.folder)
        self.opened[command] = shown
        return shown

    def end(self, command: str, keys: str = "\x03", status: int = 0) -> None:
        """Type what ends a command; Ctrl-C, unless said otherwise."""
        shown = self.opened.pop(command)
        try:
            shown.type(keys)
            assert shown.wait() == status, shown.text
        finally:
            shown.close()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def close(self) -> None:
        for shown in self.opened.values():
            shown.close()


def replies(port: int) -> bool:
    """Whether a server answers a line with one that ends with it."""
    try:
        with socket.create_connection(("localhost", port), timeout=10) as person:
            person.sendall(b"hello\n")
            return person.makefile("rb").readline().endswith(b"hello\n")
    except OSError:
        return False


def serves(port: int = 21567, metrics: int = 9464) -> None:
    """Wait until a server serves, and says so at its endpoint."""
    wait_for(lambda: replies(port), f"a reply at {port}", 30)
    counted = r"socketserver_connections_accepted_total"
    assert counted in get(f"http://localhost:{metrics}/metrics")


def alerts(port: int = 9090) -> set[str]:
    """Return what fires."""
    answer: dict[str, Any] = json.loads(get(f"http://localhost:{port}/api/v1/alerts"))
    return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"] if alert["state"] == "firing"}


def answering() -> int:
    """Return how many servers Prometheus gets an answer of."""
    answer: dict[str, Any] = json.loads(get('http://localhost:9090/api/v1/query?query=sum(up{job="server"})'))
    return sum(int(found["value"][1]) for found in answer["data"]["result"])
