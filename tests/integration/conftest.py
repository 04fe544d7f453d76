"""Stacks on free ports: one that most tests share, others of their own, always torn down."""

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from testcontainers.compose import DockerCompose

from tests.ending import heeding_sigterm
from tests.faults.server.process import summed

from .clone import ROOT

PATIENCE = 60.0
PORTS = ("GRAFANA_PORT", "PROMETHEUS_PORT", "SERVER_PORT", "SERVER_METRICS_PORT", "ALERTMANAGER_PORT")
OBJECTIVES = 4
"""Two of the clients, and two of the servers."""
PULLING = 120.0
"""Seconds that Grafana's image may take to come."""

_DEFAULT = re.search(r"ARG GRAFANA_IMAGE=(\S+)", (ROOT / "Dockerfile").read_text())
assert _DEFAULT is not None
GRAFANA_IMAGE = os.environ.get("GRAFANA_IMAGE", _DEFAULT[1])


def _answers(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Docker where there is none; the stack's start counts against the first test."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    docker = shutil.which("docker") is not None and _answers("docker", "compose", "version")
    docker = docker and _answers("docker", "info")
    for item in here:
        item.add_marker(pytest.mark.timeout(600))
        if not docker and "without_grafana" in getattr(item, "fixturenames", ()):
            item.add_marker(
                pytest.mark.skip(reason="needs Docker with Compose v2, which does not answer here")
            )


class Stack:
    """The running stack, asked as a user asks it."""

    def __init__(self, compose: DockerCompose) -> None:
        self.compose = compose

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run a command of Compose and return what it prints."""
        ended = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=self.compose.context, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout

    def run_beside(self, service: str, *arguments: str) -> str:
        """Run a container of a service's image in the stack's network, once, and return what it prints."""
        image = self.run("images", "--format", "json", service)
        name = json.loads(image)[0]["Repository"]
        network = f"{os.environ['COMPOSE_PROJECT_NAME']}_default"
        ended = subprocess.run(
            ["docker", "run", "--rm", "--network", network, name, *arguments],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return ended.stdout

    def containers(self, service: str) -> list[str]:
        return self.run("ps", "--quiet", service).split()

    def scale(self, servers: int) -> None:
        """Have so many servers, the one with published ports among them; return when they are healthy."""
        options = ("--detach", "--wait", "--no-recreate", "--scale", f"replica={servers - 1}")
        self.run("up", *options, "server", "replica")

    def port(self, service: str, port: int) -> int:
        return int(self.compose.get_service_port(service, port) or 0)

    def metric(self, name: str, **labels: str) -> float:
        """Return a sum over the samples of the first server that have these labels."""
        return summed(self.metrics(), name, **labels)

    def metrics(self) -> str:
        return get(f"http://127.0.0.1:{self.port('server', 9464)}/metrics")

    @functools.cached_property
    def prometheus(self) -> str:
        """Prometheus' URL, for which Compose is asked once: no test takes Prometheus away."""
        return f"http://127.0.0.1:{self.port('prometheus', 9090)}"

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return what Prometheus answers now, or of another time."""
        parameters = urllib.parse.urlencode(
            {"query": expression} if at is None else {"query": expression, "time": at}
        )
        answer = json.loads(get(f"{self.prometheus}/api/v1/query?{parameters}"))
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, expression: str) -> float:
        """Return the one value that an expression has; 0 for none."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else 0.0

    def log(self, service: str = "server") -> list[dict[str, Any]]:
        """Return the log's events."""
        # Of a container that has stopped, the first line begins with a terminal's control sequence.
        text = self.run("logs", "--no-log-prefix", "--no-color", service).replace("\x1b[2K", "")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body.decode()


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return the first true value of a condition."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return value


def wait_for_budgets(stack: Stack) -> None:
    """Wait until what panels show of each objective is recorded: each rule looks at times of its own."""
    recorded = [f"count(job_slo:error_budget:{name})" for name in ("left30d", "burn1h")]
    wait_for(
        lambda: all(stack.value(each) >= OBJECTIVES for each in recorded),
        "the first look at the budgets",
        240,
    )


@contextlib.contextmanager
def running(folder: Path, *services: str) -> Iterator[Stack]:
    """Run a folder's stack on free ports, under a name and with images of its own; leave nothing of it."""
    name = f"socketscope-test-{uuid.uuid4().hex[:8]}"
    images = {"SERVER_IMAGE": f"{name}-server", "CLIENT_IMAGE": f"{name}-client"}
    ports = dict.fromkeys(PORTS, "0")
    environment = {"COMPOSE_PROJECT_NAME": name, **images, **ports}
    with heeding_sigterm(), mock.patch.dict(os.environ, environment):
        compose = DockerCompose(folder, services=list(services), build=True, wait=True)
        try:
            compose.start()
            yield Stack(compose)
        finally:
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder's stack and the images that were built for it."""
    down = (
        "docker", "compose", "--profile", "alerts", "down", "--volumes", "--remove-orphans", "--rmi", "local",
        "--timeout", "0",
    )  # fmt: skip
    subprocess.run(down, cwd=folder, capture_output=True, check=False)
    images = [os.environ["SERVER_IMAGE"], os.environ["CLIENT_IMAGE"]]
    subprocess.run(["docker", "image", "rm", *images], capture_output=True, check=False)


@pytest.fixture(scope="session")
def without_grafana() -> str:
    """Return why Grafana's image cannot be had, in Docker's words; nothing if it is there or comes."""
    if _answers("docker", "image", "inspect", GRAFANA_IMAGE):
        return ""
    try:
        pulled = subprocess.run(
            ["docker", "pull", "--quiet", GRAFANA_IMAGE],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=PULLING, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{GRAFANA_IMAGE} was not pulled within {PULLING:.0f} s"
    if pulled.returncode == 0:
        return ""
    return f"{GRAFANA_IMAGE} cannot be pulled: {pulled.stderr.strip().splitlines()[-1]}"


@pytest.fixture(scope="session")
def without_alertmanager() -> str:
    """Return why Alertmanager's image can neither be had nor built; nothing if it is there."""
    script = Path(__file__).parent / "images" / "alertmanager"
    made = subprocess.run([script], capture_output=True, text=True, check=False)
    return made.stderr.strip() if made.returncode else ""


@pytest.fixture(scope="session")
def services(without_grafana: str) -> list[str]:
    """Return the services that can run here."""
    return ["server", "client", "prometheus", *([] if without_grafana else ["grafana"])]


@pytest.fixture(scope="session")
def stack(services: list[str]) -> Iterator[Stack]:
    with running(ROOT, *services) as stack:
        yield stack
