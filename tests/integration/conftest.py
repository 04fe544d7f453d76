"""One stack for all integration tests: brought up on free ports under a name of its own, always torn down."""

import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from testcontainers.compose import DockerCompose

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
GRAFANA_IMAGE = os.environ.get("GRAFANA_IMAGE", "grafana/grafana:13.2.3")


def _answers(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Docker where there is none; the stack's start counts against the first test."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    docker = shutil.which("docker") is not None and _answers("docker", "compose", "version")
    docker = docker and _answers("docker", "info")
    for item in here:
        item.add_marker(pytest.mark.timeout(600))
        if not docker and "stack" in getattr(item, "fixturenames", ()):
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
            cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
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
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
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
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def metrics(self) -> str:
        return get(f"http://127.0.0.1:{self.port('server', 9464)}/metrics")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what Prometheus answers now."""
        parameters = urllib.parse.urlencode({"query": expression})
        answer = json.loads(
            get(f"http://127.0.0.1:{self.port('prometheus', 9090)}/api/v1/query?{parameters}")
        )
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


@pytest.fixture(scope="session")
def grafana_image() -> bool:
    return _answers("docker", "image", "inspect", GRAFANA_IMAGE)


@pytest.fixture(scope="session")
def stack(grafana_image: bool) -> Iterator[Stack]:
    environment = {
        "COMPOSE_PROJECT_NAME": f"socketscope-test-{uuid.uuid4().hex[:8]}",
        **dict.fromkeys(("GRAFANA_PORT", "PROMETHEUS_PORT", "SERVER_PORT", "SERVER_METRICS_PORT"), "0"),
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    services = ["server", "client", "prometheus", *(["grafana"] if grafana_image else [])]
    compose = DockerCompose(ROOT, services=services, build=True, wait=True)
    try:
        compose.start()
        yield Stack(compose)
    finally:
        subprocess.run(
            ["docker", "compose", "down", "--volumes", "--remove-orphans", "--timeout", "5"],
            cwd=ROOT, capture_output=True, check=False,
        )  # fmt: skip
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
