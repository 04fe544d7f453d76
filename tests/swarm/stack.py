"""The stack on a swarm of one node, as docs/swarm.md has it typed."""

import contextlib
import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.clone import ROOT
from tests.integration.conftest import wait_for
from tests.pages import shell_lines

PAGE = (ROOT / "docs" / "swarm.md").read_text(encoding="utf-8")
NAMES = {
    "socketscope-server": "socketscope-swarm-test-server",
    "socketscope-client": "socketscope-swarm-test-client",
}
"""Images of the page, and what they are called here, so that others of these names stay."""

UPDATING = 300.0
"""Seconds that an update may take: three servers, and a machine that has other work too."""

SETTLED = ("completed", "paused", "rollback_completed", "rollback_paused")


def commands(section: str) -> list[str]:
    """Return what a section of the page has typed."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return shell_lines(text)


def docker(*arguments: str, text: str | None = None) -> str:
    """Run a command of Docker, see it succeed, and return what it prints."""
    ended = subprocess.run(
        ["docker", *arguments], input=text, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, f"docker {' '.join(arguments)}: {ended.stderr}"
    return ended.stdout


class Stack:
    """A clone, the shell in it, and what runs in the swarm.

    Attributes:
        folder: The clone.
        variables: What the shell has in its environment beside this process'.
        without_grafana: Why another image stands in for Grafana's, if one does.
    """

    def __init__(self, folder: Path, variables: dict[str, str], without_grafana: str) -> None:
        self.folder = folder
        self.variables = variables
        self.without_grafana = without_grafana

    def type(self, command: str, **variables: str) -> str:
        """Type a command of the page, see it succeed, and return what it prints."""
        for name, here in NAMES.items():
            command = command.replace(name, here)
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.folder, env=os.environ | self.variables | variables, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"{command}: {ended.stderr}"
        return ended.stdout

    def deploy(self, **variables: str) -> None:
        """Deploy the stack anew."""
        (command,) = [line for line in commands("From nothing") if line.startswith("docker stack deploy")]
        self.type(command, **variables)

    def update(self, image: str) -> str:
        """Deploy another image of the server; return how that ended."""
        self.deploy(SERVER_IMAGE=image)
        return self.updated()

    def updated(self) -> str:
        """Wait until the server is not updated any more; return how that ended."""

        def state() -> str | None:
            status = json.loads(
                docker("service", "inspect", "--format", "{{json .UpdateStatus}}", "socketscope_server")
            )
            return status["State"] if status and status["State"] in SETTLED else None

        ended: str = wait_for(state, "the update ends", UPDATING)
        return ended

    def runs(self) -> bool:
        """Whether each service has as many tasks as it should."""
        counts = docker("stack", "services", "--format", "{{.Replicas}}", "socketscope").split()
        return bool(counts) and all(count.partition("/")[0] == count.partition("/")[2] for count in counts)

    def containers(self, service: str, *options: str) -> list[str]:
        of_it = f"label=com.docker.swarm.service.name=socketscope_{service}"
        return docker("ps", "--quiet", "--filter", of_it, *options).split()

    def images(self) -> set[str]:
        """Return the images of the servers that run."""
        return {
            docker("inspect", "--format", "{{.Config.Image}}", each).strip()
            for each in self.containers("server")
        }

    def ends(self) -> set[str]:
        """Return the exit statuses of the servers that have ended."""
        ended = self.containers("server", "--filter", "status=exited")
        return set(docker("inspect", "--format", "{{.State.ExitCode}}", *ended).split()) if ended else set()

    def run_in(self, service: str, *command: str) -> str:
        return docker("exec", self.containers(service)[0], *command)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what Prometheus answers."""
        command = ("promtool", "query", "instant", "--format", "json", "http://localhost:9090", expression)
        found: list[dict[str, Any]] = json.loads(self.run_in("prometheus", *command))
        return found

    @contextlib.contextmanager
    def playing(self, target: str) -> Iterator[dict[str, Any]]:
        """Have a client play in the stack's network; at the end, fill in its summary."""
        name = f"socketscope-swarm-test-{uuid.uuid4().hex[:8]}"
        summary: dict[str, Any] = {}
        # A handshake costs both ends several times what the rest does, on cores that they share.
        by_kind = ["--ca", "/ca.pem", "--rate", "5"] if target.startswith("tls") else ["--rate", "15"]
        docker(
            "run", "--detach", "--name", name, "--network", "socketscope_default",
            "--volume", f"{self.folder}/ca.pem:/ca.pem:ro", self.variables["CLIENT_IMAGE"],
            "replay", "client/scripts", "--target", target, *by_kind,
            "--users", "32", "--duration", "1h", "--summary", "json",
        )  # fmt: skip
        try:
            yield summary
            docker("kill", "--signal", "INT", name)
            docker("wait", name)
            summary.update(json.loads(docker("logs", name)))
        finally:
            docker("rm", "--force", name)
