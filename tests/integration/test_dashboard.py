"""Every query of the dashboard, asked of the running Prometheus as Grafana would ask it."""

import base64
import json
import re
import urllib.request
from typing import Any

import pytest

from grafana.dashboard import FILE

from .conftest import Stack, get, wait_for

DASHBOARD = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [
    pytest.param(target["expr"], id=f"{panel['title']}: {target['legendFormat']}")
    for panel in PANELS
    for target in panel["targets"]
]
QUERIES = [
    pytest.param(variable["query"], id=variable["name"])
    for variable in DASHBOARD["templating"]["list"]
    if variable["type"] == "query"
]


def filled_in(expression: str) -> str:
    """Return an expression with what Grafana would put for its variables."""
    # Four scrape intervals, as Grafana computes it.
    for name, value in (("$__rate_interval", "8s"), ("$job", ".+"), ("$instance", ".+")):
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize("expression", TARGETS)
def test_each_panel_has_data(stack: Stack, expression: str):
    wait_for(lambda: stack.query(filled_in(expression)), expression)


@pytest.mark.parametrize("query", QUERIES)
def test_each_variable_has_values(stack: Stack, query: str):
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert match
    series, label = match.groups()
    values = wait_for(lambda: stack.query(f"count by ({label}) ({filled_in(series)})"), query)
    assert all(value["metric"][label] for value in values)


@pytest.mark.parametrize("annotation", DASHBOARD["annotations"]["list"], ids=lambda one: one["name"])
def test_each_annotation_can_be_asked(stack: Stack, annotation: dict[str, Any]):
    stack.query(filled_in(annotation["expr"]))


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


def test_grafana_has_the_dashboard_and_shows_it_as_home(grafana: Stack):
    assert ask(grafana, "/api/dashboards/uid/socketscope")["dashboard"]["title"] == "socketscope"
    assert ask(grafana, "/api/dashboards/home")["dashboard"]["title"] == "socketscope"


def test_grafana_asks_prometheus_on_behalf_of_who_looks(grafana: Stack):
    query = {
        "queries": [{"refId": "A", "datasource": {"uid": "prometheus"}, "expr": "up", "instant": True}],
        "from": "now-1m",
        "to": "now",
    }
    assert ask(grafana, "/api/ds/query", query)["results"]["A"]["frames"]


def test_grafana_lets_the_administrator_alone_see_the_data_source(grafana: Stack):
    url = f"http://127.0.0.1:{grafana.port('grafana', 3000)}/api/datasources/uid/prometheus"
    request = urllib.request.Request(url)
    request.add_header("Authorization", "Basic " + base64.b64encode(b"admin:admin").decode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["isDefault"] is True
    with pytest.raises(urllib.error.HTTPError, match=r"40[13]"):
        get(url)
