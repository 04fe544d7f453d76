"""What README.md tells its reader to do works as it stands there, and again."""

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from .clone import clone
from .conftest import remove
from .expectations import EXPECTED, README
from .readme import title, told
from .session import Session

THINGS = told(README)
VARIABLES = ("GRAFANA_PORT", "PROMETHEUS_PORT", "SERVER_PORT", "SERVER_METRICS_PORT", "ALERTMANAGER_PORT")
PORTS = (3000, 3001, 6380, 9000, 9090, 9091, 9093, 9464, 9500, 21567, 21600)
"""All of README.md but Redis' own, without which the rest can do."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a clone whose stack is nobody else's, on a machine whose ports are free."""
    for port in PORTS:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            pytest.skip(f"port {port} of README.md cannot be had: {error.strerror}")
    made: Path = tmp_path_factory.mktemp("reader") / "socketscope"
    clone(made)
    name = f"socketscope-test-{uuid.uuid4().hex[:8]}"
    with mock.patch.dict(
        os.environ,
        {"COMPOSE_PROJECT_NAME": name, "SERVER_IMAGE": f"{name}-server", "CLIENT_IMAGE": f"{name}-client"},
    ):
        for variable in VARIABLES:
            os.environ.pop(variable, None)
        yield made
        remove(made)


@pytest.fixture(scope="module", params=["first", "second"])
def session(folder: Path, without_grafana: str, without_alertmanager: str) -> Iterator[Session]:
    with contextlib.closing(Session(folder, without_grafana, without_alertmanager)) as session:
        yield session


@pytest.mark.parametrize("thing", THINGS, ids=title)
def test_it_works_each_time(session: Session, thing: str):
    EXPECTED[title(thing)](session, thing)
