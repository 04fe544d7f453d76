"""A clone whose files nobody but its maker may read."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .clone import clone
from .conftest import Stack, get, running, wait_for


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, services: list[str]) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("private") / "socketscope"
    clone(folder, umask=0o077)
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*"))
    with running(folder, *services) as stack:
        yield stack


def test_each_service_reads_what_it_was_given(private: Stack, without_grafana: str):
    wait_for(lambda: private.value('count(up{job=~"server|client"} == 1)') == 2, "both are scraped")
    rules = json.loads(get(f"{private.prometheus}/api/v1/rules"))
    assert rules["data"]["groups"]
    if not without_grafana:
        home = f"http://127.0.0.1:{private.port('grafana', 3000)}/api/dashboards/home"
        assert json.loads(get(home))["dashboard"]["title"] == "socketscope: overview"
