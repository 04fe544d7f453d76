"""What the dashboards show of a stack that has just started, is at work, is idle, and has lost its server."""

import json
import os
import re
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .clone import ROOT
from .conftest import Stack, get, running, wait_for, wait_for_budgets
from .dashboards import ANNOTATIONS, TARGETS, TILES, TIMELINES, VALUES, Target, filled_in

IDLE = float(os.environ.get("IDLE_SECONDS", "90"))
"""Half as long again as Prometheus remembers a value that nobody gives any more."""

STATES = ("just started", "at work", "idle", "no server")
EMPTY_AT_WORK = {
    "Failed exchanges by outcome",
    "Failures by step and outcome",
    "Connections that were not served",
    "Failures and refusals",
    "Errors of accept",
    "Datagrams by outcome",
    "Datagrams lost by the kernel",
    "Days for which certificates still hold",
    "Log lines: dropped",
    "Passes played, asked for and dropped: asked for",
    "Passes played, asked for and dropped: dropped",
}
"""Panels, and curves of panels, that have nothing to show when all is well and the load is a closed loop."""

Seen = dict[str, dict[str, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def seen() -> Seen:
    """What each query found in each state of one stack that goes through them."""
    looked: Seen = {}
    with running(ROOT, "server", "client", "prometheus") as stack:

        def look(state: str) -> None:
            at = time.time()
            looked[state] = {str(target): target.ask(stack, at) for target in TARGETS}
            for target in TIMELINES:
                looked[state][str(target)] = stack.query(lately(target.expression, "15m"), at)
            for (dashboard, name), expression in ANNOTATIONS.items():
                # At one moment a scrape may be late, and nothing there.
                looked[state][f"{dashboard} @{name}"] = stack.query(lately(expression, "10s"), at)
            for (dashboard, name), match in VALUES.items():
                assert match
                looked[state][f"{dashboard} ${name}"] = values(stack, *match.groups())

        wait_for(lambda: stack.value('count(up{job=~"server|client"} == 1)') == 2, "the first scrape of each")
        an_hour_ago = time.time() - 3600
        looked["not observed"] = {str(one): one.ask(stack, an_hour_ago) for one in (*TILES, *TIMELINES)}
        look("just started")
        wait_for_budgets(stack)
        wait_for(lambda: not stack.query("ALERTS"), "no alert")
        look("at work")
        stack.run("stop", "client")
        time.sleep(IDLE)
        look("idle")
        stack.run("start", "client")
        wait_for(lambda: stack.value('sum(rate(replay_exchanges_total{outcome="ok"}[8s]))') > 1, "traffic")
        looked["stopping"] = {"states": states_until_gone(stack)}
        stack.run("start", "server")
        wait_for(lambda: stack.value('up{job="server"}') == 1, "the server is back")
        wait_for(lambda: stack.value('sum(rate(replay_exchanges_total{outcome="ok"}[8s]))') > 1, "traffic")
        wait_for(lambda: not stack.query('ALERTS{alertname="NoServer"}'), "the stop's alert is over")
        stack.run("kill", "server")
        wait_for(lambda: stack.query('ALERTS{alertname="NoServer", alertstate="firing"}'), "the alert")
        wait_for(lambda: stack.value('sum(rate(replay_exchanges_total{outcome!="ok"}[8s]))') > 0, "failures")
        wait_for(lambda: stack.value('sum(rate(replay_exchanges_total{outcome="ok"}[8s]))') == 0, "no others")
        look("no server")
    return looked


def lately(expression: str, span: str) -> str:
    """Return what an expression finds now or found in a span: what began now, no step has seen yet."""
    now = filled_in(expression)
    return f"({now}) or last_over_time(({now})[{span}:2s])"


def states_until_gone(stack: Stack) -> list[dict[str, Any]]:
    """Return each state that the server was shown in from being asked to stop until it was forgotten."""
    (timeline,) = [one for one in TARGETS if one.panel["title"] == "Which replicas were up"]
    shown: list[dict[str, Any]] = []
    with ThreadPoolExecutor(1) as beside:
        stopping = beside.submit(stack.run, "stop", "server")
        while (found := timeline.ask(stack, time.time())) or not stopping.done():
            shown += found
            time.sleep(0.2)
        stopping.result()
    return shown


def values(stack: Stack, series: str, label: str) -> list[dict[str, Any]]:
    """Return the values that a variable would offer."""
    query = urllib.parse.urlencode({"match[]": filled_in(series), "start": time.time() - 900})
    answer = get(f"{stack.prometheus}/api/v1/label/{label}/values?{query}")
    return [{"value": value} for value in json.loads(answer)["data"]]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_panel_has_data_or_says_what_there_is_none_of(seen: Seen, target: Target, state: str):
    found = seen[state][str(target)]
    # Without a row a timeline says that data do not have a time field.
    assert found or (target.panel["fieldConfig"]["defaults"]["noValue"] and target not in TIMELINES)
    if state == "at work":
        names = {target.panel["title"], f"{target.panel['title']}: {target.legend}"}
        assert bool(found) is not bool(names & EMPTY_AT_WORK)


@pytest.mark.parametrize("state", STATES)
def test_each_variable_has_values_whatever_the_state(seen: Seen, state: str):
    for dashboard, name in VALUES:
        assert seen[state][f"{dashboard} ${name}"]


def test_annotations_are_there_of_what_happened(seen: Seen):
    for dashboard, name in ANNOTATIONS:
        assert bool(seen["at work"][f"{dashboard} @{name}"]) is (name == "Starts")
        assert bool(seen["no server"][f"{dashboard} @{name}"]) is (name in {"Starts", "Alerts"})


EXPECTED = {
    "just started": {
        "Success rate": (r"no traffic|100\.00%", {"text", "green"}),
        "Client p99": (r"no traffic|[\d.e-]+", {"text", "green", "orange"}),
        "Availability": (r"no traffic|100\.000%", {"text"}),
        "Budget left": (r"not known yet|100\.0%", {"text"}),
        "Alerts firing": (r"0|pending", {"green", "orange"}),
        "up": (r"1|\?", {"text"}),
        "lost": ("0", {"text"}),
    },
    "at work": {
        "Success rate": (r"100\.00%", {"green"}),
        "Client p99": (r"[\d.e-]+", {"green", "orange"}),
        "Availability": (r"100\.000%", {"text"}),
        "Budget left": (r"\d+\.\d%", {"text"}),
        "Alerts firing": ("0", {"green"}),
        "up": ("1", {"text"}),
        "lost": ("0", {"text"}),
    },
    "idle": {
        "Success rate": ("no traffic", {"text"}),
        "Client p99": ("no traffic", {"text"}),
        "Availability": (r"100\.000%", {"text"}),
        "Budget left": (r"\d+\.\d%", {"text"}),
        "Alerts firing": ("0", {"green"}),
        "up": ("1", {"text"}),
        "lost": ("0", {"text"}),
    },
    "no server": {
        "Success rate": (r"0\.00%", {"red"}),
        "Client p99": ("none served", {"red"}),
        "Availability": (r"\d+\.\d+%", {"text", "orange", "red"}),
        "Budget left": (r"-?\d+\.\d%", {"text", "orange", "red"}),
        "Alerts firing": (r"[1-9]", {"red"}),
        "up": ("0", {"red"}),
        "lost": ("1", {"red"}),
    },
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("tile", TILES, ids=str)
def test_a_tile_says_how_it_is(seen: Seen, tile: Target, state: str):
    expected = EXPECTED[state]
    text, colours = expected.get(tile.legend) or expected[tile.panel["title"]]
    ((shown, colour),) = tile.shows(seen[state][str(tile)])
    assert re.fullmatch(text, shown), shown
    assert colour in colours


def test_a_server_that_is_stopped_in_order_is_never_shown_as_down(seen: Seen):
    shown = {one["value"][1] for one in seen["stopping"]["states"]}
    # For how long Prometheus still looks for who has stopped is up to the network's names.
    assert {"1", "2"} <= shown <= {"1", "2", "3"}


def test_nothing_on_the_first_row_is_green_without_a_server(seen: Seen):
    shown = [figure for tile in TILES for figure in tile.shows(seen["no server"][str(tile)])]
    assert len(shown) == 7
    assert "green" not in {colour for _, colour in shown}


def test_nothing_is_green_where_nothing_was_observed(seen: Seen):
    for one in (*TILES, *TIMELINES):
        assert "green" not in {colour for _, colour in one.shows(seen["not observed"][str(one)])}, one
