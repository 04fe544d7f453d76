"""Grafana has the dashboards, and asks Prometheus; what it asks is in test_states.py."""

import json
import urllib.request
from typing import Any

import pytest

from .conftest import Stack, wait_for
from .dashboards import DASHBOARDS


def ask(stack: Stack, path: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{stack.port('grafana', 3000)}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def grafana(stack: Stack, without_grafana: str) -> Stack:
    if without_grafana:
        pytest.skip(without_grafana)
    return stack


def test_grafana_is_healthy(grafana: Stack):
    assert ask(grafana, "/api/health")["database"] == "ok"


def test_grafana_has_the_dashboards_and_shows_the_overview_as_home(grafana: Stack):
    for dashboard in DASHBOARDS:
        there = ask(grafana, f"/api/dashboards/uid/{dashboard['uid']}")["dashboard"]
        assert there["title"] == dashboard["title"]
    assert ask(grafana, "/api/dashboards/home")["dashboard"]["title"] == "socketscope: overview"


def test_grafana_asks_prometheus_on_behalf_of_who_looks(grafana: Stack):
    query = {
        "queries": [{"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "up", "instant": True}],
        "from": "now-1m",
        "to": "now",
    }
    wait_for(lambda: ask(grafana, "/api/ds/query", query)["results"]["A"]["frames"], "an answer")


def test_grafana_has_the_data_source(grafana: Stack):
    assert ask(grafana, "/api/datasources/uid/prometheus")["isDefault"] is True
