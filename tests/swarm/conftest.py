"""A swarm of one node and the stack on it, made as docs/swarm.md says, and always left."""

import logging
import shutil
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.ending import heeding_sigterm
from tests.integration.clone import clone
from tests.integration.conftest import GRAFANA_IMAGE, wait_for, without_grafana  # noqa: F401 - a fixture

from .stack import NAMES, Stack, commands, docker

log = logging.getLogger(__name__)

OURS = "socketscope-tests"
"""A label of the node, by which the swarm of an earlier run is known that was killed."""

STAND_IN = """
FROM python:3.13-slim-trixie
RUN ln -s /bin/true /usr/local/bin/wget
USER 472
CMD ["python", "-c", "import signal; signal.pause()"]
"""
"""What has Grafana's secret, configs and health check where its image cannot be had."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


def _asked(*command: str) -> str | None:
    """Return what a command prints; nothing where it fails."""
    if shutil.which(command[0]) is None:
        return None
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if ended.returncode else ended.stdout.strip()


def _succeeds(command: str) -> bool:
    return _asked("bash", "-c", command) is not None


@pytest.fixture(scope="session")
def node() -> Iterator[None]:
    """A Docker that is in no swarm, and in none afterwards."""
    for command in (("docker", "compose", "version"), ("openssl", "version")):
        if _asked(*command) is None:
            pytest.skip(f"needs `{' '.join(command)}`, which does not answer here")
    state = _asked("docker", "info", "--format", "{{.Swarm.LocalNodeState}}")
    if not state:
        pytest.skip("needs Docker, which does not answer here")
    if state != "inactive":
        label = f'{{{{index .Spec.Labels "{OURS}"}}}}'
        if _asked("docker", "node", "inspect", "self", "--format", label) != "yes":
            pytest.skip(f"this Docker is in a swarm already ({state}), which is not these tests' own")
        docker("swarm", "leave", "--force")
    try:
        socket.create_server(("", 3000)).close()
    except OSError as error:
        pytest.skip(f"port 3000 of Grafana cannot be had: {error.strerror}")
    if _asked("docker", "network", "inspect", "socketscope_default") is not None:
        pytest.skip("the stack of Compose runs, whose network has the name of the swarm's; take it down")
    bridge = _asked("docker", "network", "inspect", "docker_gwbridge")
    with heeding_sigterm():
        yield
    subprocess.run(["docker", "swarm", "leave", "--force"], capture_output=True, check=False)
    if bridge is None:
        subprocess.run(["docker", "network", "rm", "docker_gwbridge"], capture_output=True, check=False)


@pytest.fixture(scope="session")
def stack(
    node: None,  # noqa: ARG001 - what it is made on
    tmp_path_factory: pytest.TempPathFactory,
    without_grafana: str,  # noqa: F811
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("swarm") / "socketscope"
    clone(folder)
    server, client = NAMES.values()
    variables = {"SERVER_IMAGE": f"{server}:1", "CLIENT_IMAGE": client, "GRAFANA_IMAGE": GRAFANA_IMAGE}
    if without_grafana:
        log.info("no Grafana, another image stands in: %s", without_grafana)
        variables["GRAFANA_IMAGE"] = f"{OURS}-grafana"
        docker("build", "--quiet", "--tag", variables["GRAFANA_IMAGE"], "-", text=STAND_IN)
    made = Stack(folder, variables, without_grafana)
    first, *rest = commands("From nothing")
    made.type(first)
    try:
        node_id = docker("info", "--format", "{{.Swarm.NodeID}}").strip()
        docker("node", "update", "--label-add", f"{OURS}=yes", node_id)
        for command in rest:
            made.type(command)
        wait_for(made.runs, "every task runs", 180)
        yield made
    finally:
        for command in commands("The end"):
            wait_for(partial(_succeeds, command), command)
        used = [f"{server}:1", f"{server}:2", client, f"{OURS}-grafana", f"{OURS}-broken"]
        subprocess.run(["docker", "image", "rm", *used], capture_output=True, check=False)
