"""The running stack, as Docker and Prometheus know it."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1]
ANSWERING = 300.0
"""Seconds within which a command of Docker must end; it may stop servers, which takes some time."""
STARTING = 60.0
"""Seconds within which started servers must be scraped."""

# Prometheus is on this machine, which a proxy set in the environment cannot reach.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StackError(Exception):
    """The stack does not do what it was asked to; the message is for the user."""


class Stack:
    """The running stack of a folder's `docker-compose.yml`.

    Attributes:
        prometheus: URL.
        grafana: URL; None where it does not run.

    Raises:
        StackError: It does not run.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        try:
            self.prometheus = f"http://{self.compose('port', 'prometheus', '9090').strip()}"
            self.query("vector(1)")
        except StackError as error:
            raise StackError(
                f"the stack does not answer; start it by docker compose up --build --wait ({error})"
            ) from error
        self.grafana: str | None = None
        with suppress(StackError):
            self.grafana = f"http://{self.compose('port', 'grafana', '3000').strip()}"

    @cached_property
    def project(self) -> str:
        """What Compose calls the stack.

        Raises:
            StackError: It does not run.
        """
        label = '{{index .Config.Labels "com.docker.compose.project"}}'
        return self.docker("inspect", "--format", label, *self.containers("prometheus")).strip()

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose and return what it prints.

        Raises:
            StackError: It failed.
        """
        return self._run("docker", "compose", *arguments)

    def docker(self, *arguments: str) -> str:
        """Run a command of Docker and return what it prints.

        Raises:
            StackError: It failed.
        """
        return self._run("docker", *arguments)

    def in_background(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on while the drill does."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            command, cwd=self._folder, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def shell(self, command: str) -> str:
        """Run a command line in the stack's folder and return what it prints.

        Raises:
            StackError: It failed.
        """
        return self._run("bash", "-c", f"set -o pipefail; {command}")

    def _run(self, *command: str) -> str:
        try:
            ended = subprocess.run(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, timeout=ANSWERING,
                start_new_session=True,  # Ctrl-C is for the drill alone, which undoes what this did
            )  # fmt: skip
        except OSError as error:
            raise StackError(f"{command[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{' '.join(command[:3])}: not done within {ANSWERING:.0f} s") from error
        if ended.returncode:
            told = ended.stderr.strip().splitlines() or [f"status {ended.returncode}"]
            raise StackError(f"{' '.join(command[:3])}: {told[-1]}")
        return ended.stdout

    def containers(self, *services: str) -> list[str]:
        """Return the running containers of some services."""
        return self.compose("ps", "--quiet", *services).split()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what Prometheus finds for an expression now.

        Raises:
            StackError: It does not answer.
        """
        query = urllib.parse.urlencode({"query": expression})
        found: list[dict[str, Any]] = self._ask(f"query?{query}")["result"]
        return found

    def firing(self) -> dict[str, dict[str, Any]]:
        """Return the firing alerts by name, any one of several with the same name.

        Raises:
            StackError: Prometheus does not answer.
        """
        return {
            alert["labels"]["alertname"]: alert
            for alert in self._ask("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def _ask(self, what: str) -> dict[str, Any]:
        try:
            with _opener.open(f"{self.prometheus}/api/v1/{what}", timeout=10) as answer:
                answered: dict[str, Any] = json.load(answer)["data"]
                return answered
        except (OSError, ValueError) as error:
            raise StackError(f"{self.prometheus}: {error}") from error

    @contextmanager
    def at_least(self, servers: int) -> Iterator[None]:
        """Have at least this many servers within the block, all of them scraped, then as many as before."""
        before = len(self.containers("replica"))
        if before >= servers - 1:
            yield
            return
        try:
            self._scale(servers - 1)
            self._wait_for_scrapes(servers)
            try:
                yield
            finally:
                # A server that is back must be scraped before it goes, or Prometheus takes it for dead.
                with suppress(StackError):
                    self._wait_for_scrapes(servers)
        finally:
            self._scale(before)

    def _wait_for_scrapes(self, servers: int) -> None:
        """Wait until this many servers have answered a new scrape, and the rules have counted them."""
        now = time.time()
        deadline = time.monotonic() + STARTING
        answered = (
            f'count(up{{job="server"}} == 1 and timestamp(up{{job="server"}}) > {now:.3f}) >= {servers}'
            f' and on () job:server_up:count{{job="server"}} >= {servers}'
        )
        while not self.query(answered):
            if time.monotonic() > deadline:
                raise StackError(f"not all of {servers} servers were scraped within {STARTING:.0f} s")
            time.sleep(0.5)

    def _scale(self, replicas: int) -> None:
        options = ("--detach", "--wait", "--no-recreate", "--scale", f"replica={replicas}")
        self.compose("up", *options, "server", "replica")
