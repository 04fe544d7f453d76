import json
import re

import pytest

from grafana.dashboard import FILE, render
from socketscope.replay.measure.instruments import INSTRUMENTS as CLIENT
from socketscope.views.instruments import INSTRUMENTS as SERVER

DASHBOARD = json.loads(render())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = sorted({target["expr"] for panel in PANELS for target in panel["targets"]})


def test_the_committed_dashboard_is_the_drawn_one():
    assert FILE.read_text(encoding="utf-8") == render(), "run: python -m grafana"


def test_it_can_be_provisioned_and_linked_to():
    assert DASHBOARD["uid"] == "socketscope"
    assert DASHBOARD["editable"] is False
    assert "id" not in DASHBOARD
    assert "__inputs" not in DASHBOARD
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identities)) == len(identities)
    assert 0 not in identities


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_panel_says_what_it_means_in_a_unit(panel):
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=[str(n) for n in range(len(EXPRESSIONS))])
def test_counters_are_asked_for_their_rate_over_the_interval_that_fits(expression):
    for name in re.findall(r"\w+_total|\w+_bucket|\w+_count\b", expression):
        assert re.search(rf"(rate|increase)\({name}{{[^}}]*}}\[\$__rate_interval\]\)", expression)


def test_every_metric_that_an_operator_needs_is_on_it():
    shown = " ".join(EXPRESSIONS)
    # The datagram listeners are no part of the stack; what is left has no place on a chart.
    unseen = {
        "socketserver_datagrams_total",
        "socketserver_datagrams_lost_total",
        "socketserver_draining",
        "replay_exchange_intended_duration_seconds",
        "replay_first_byte_duration_seconds",
        "replay_open_connections",
        "replay_sent_bytes_total",
        "replay_received_bytes_total",
        "replay_passes_total",
        "replay_passes_dropped_total",
        "replay_schedule_lag_seconds",
        "replay_target_passes_per_second",
        "replay_build_info",
    }
    assert {i.name for i in (*SERVER, *CLIENT) if i.name not in shown} == unseen
