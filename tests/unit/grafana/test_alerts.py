"""Each alert leads to a panel that shows it, and to a section of the runbook."""

import re

import pytest
import yaml

from grafana.queries import CLIENT_OBJECTIVE, NOT_SERVED
from grafana.server import NEAR, RENEWAL
from socketscope.observe.outcomes import (
    ACCEPT_ERRORS,
    DATAGRAM_OUTCOMES,
    EXPECTED_OUTCOMES,
    OUTCOMES,
    REJECT_REASONS,
)
from socketscope.replay.measure import instruments as client
from socketscope.replay.watch.board import OBJECTIVE

from .drawn import ALERTS, PANELS, ROOT

each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def metrics(expression):
    """Return the names of what is asked for; of what is recorded over windows, without the window."""
    names = re.findall(
        r"\b[a-z]\w*(?:_total|_bucket|_count|_fds|_seconds|_length|_limit|_open|_second|_info)\b|\bup\b|job_slo:\w+",
        expression,
    )
    return set(names)


@each_alert
def test_it_says_what_who_looks_needs(alert):
    assert alert["labels"]["severity"] in {"page", "ticket"}
    said = alert["annotations"]
    assert said.keys() == {"summary", "description", "runbook_url", "__dashboardUid__", "__panelId__"}
    assert said["description"].strip().endswith(".")
    assert re.fullmatch(r"[A-Z][A-Za-z]+", alert["alert"])


@each_alert
def test_its_panel_shows_what_it_is_about(alert):
    said = alert["annotations"]
    (drawn,) = [
        one
        for one in PANELS
        if one.dashboard == said["__dashboardUid__"] and str(one.panel["id"]) == said["__panelId__"]
    ]
    assert metrics(alert["expr"]) & metrics(" ".join(drawn.expressions))


@each_alert
def test_its_page_has_a_section_that_says_as_how_urgent_it_is_told(alert):
    address, _, section = alert["annotations"]["runbook_url"].partition("#")
    assert address == "{{ $externalURL }}/user/runbook.html"
    assert section == alert["alert"].lower()
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    severity = alert["labels"]["severity"].capitalize()
    assert re.search(rf"^## {alert['alert']}\n\n{severity}[.;]", runbook, re.MULTILINE)


@each_alert
def test_it_is_tested(alert):
    tests = "".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "prometheus" / "tests").glob("*.yml")
    )
    name = alert["alert"]
    assert re.search(rf"alertname: {name}, exp_alerts: \[\]", tests)
    assert re.search(rf"alertname: {name}\n +exp_alerts:", tests)


@pytest.mark.parametrize(
    ("alert", "values"),
    [
        ("ClientsFail", client.OUTCOMES),
        ("ConnectionsFail", OUTCOMES),
        ("ConnectionsRefused", REJECT_REASONS),
        ("DatagramsFail", DATAGRAM_OUTCOMES),
        ("DescriptorsNear", ACCEPT_ERRORS),
    ],
)
def test_its_section_says_what_each_failure_is_that_its_panel_shows(alert, values):
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    section = runbook.partition(f"\n## {alert}\n")[2].partition("\n## ")[0]
    assert [value for value in values if f"`{value}`" not in section and value not in EXPECTED_OUTCOMES] == []


def test_the_lines_on_panels_are_those_of_alerts_and_objectives():
    near = {alert["alert"]: alert["expr"] for alert in ALERTS}
    for name in ("ConnectionLimitNear", "DescriptorsNear"):
        assert f"> {NEAR}" in near[name]
    assert f"< {RENEWAL} * 86400" in near["CertificateEnds"]
    (queue,) = [one.panel for one in PANELS if one.panel["title"] == "Accept queue in use"]
    assert near["AcceptQueueGrows"].endswith(f" > {line_of(queue)}")
    page, longer = re.findall(r"burn(?:1h|6h) > ([\d.]+)", near["BudgetBurnsFast"])
    (burn,) = [one.panel for one in PANELS if one.panel["title"] == "How fast each error budget is spent"]
    assert line_of(burn) == float(page)
    assert f"at {longer} too where it lasts for hours" in burn["description"]
    rules = (ROOT / "prometheus" / "rules" / "objectives.yml").read_text(encoding="utf-8")
    for rule in (rules, near["RepliesLate"]):
        assert re.findall(r'response_duration_seconds_bucket{le="(.+?)"}', rule) == [f"{OBJECTIVE}"]
    assert f'intended_duration_seconds_bucket{{le="{CLIENT_OBJECTIVE}"}}' in rules
    objectives = {
        re.sub(r" and on \(\) .*?\(\w+\((\w+)_count{.*", r" \1", target["expr"])
        for drawn in PANELS
        for target in drawn.panel["targets"]
        if target["legendFormat"] == "objective"
    }
    assert objectives == {
        f"vector({OBJECTIVE}) socketserver_response_duration_seconds",
        f"vector({CLIENT_OBJECTIVE}) replay_exchange_intended_duration_seconds",
    }


def line_of(panel):
    return panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]


def test_panels_alerts_and_objectives_agree_on_who_was_served():
    rules = [path.read_text(encoding="utf-8") for path in (ROOT / "prometheus" / "rules").glob("*.yml")]
    told = re.findall(r"closed_total\{(outcome!~.+?)\}", "".join(rules))
    assert told == [NOT_SERVED] * 2
    assert set(NOT_SERVED.split('"')[1].split("|")) == EXPECTED_OUTCOMES & set(OUTCOMES)


def test_a_budget_is_of_the_window_that_it_is_named_after_and_divided_by_its_steps():
    # promtool holds no month, and a burn that is half of what it should be only pages later.
    files = [ROOT / "prometheus" / "rules" / name for name in ("objectives.yml", "budget.yml")]
    rules = [
        (rule["record"], rule["expr"])
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if rule.get("record", "").startswith("job_slo:error_budget:")
    ]
    assert len(rules) == 8
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    for name, expression in rules:
        told = re.search(r"sum_over_time\(job_slo:failures:rate1m\[(\w+):(\w+)\]\) / (\d+)", expression)
        assert told is not None
        window, step, steps = told.groups()
        assert re.fullmatch(rf"job_slo:error_budget:(burn|left){window}", name)
        assert f"avg_over_time(job_slo:events:rate1m[{window}:{step}])" in expression
        seconds, each = (int(length[:-1]) * units[length[-1]] for length in (window, step))
        assert int(steps) == seconds / each
