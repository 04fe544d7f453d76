"""What the dashboard-linter asks of a dashboard, and what it does not: colours, words and links."""

import re

import yaml

from docs.pages import render_runbook
from grafana import server
from grafana.colours import GOOD, OF_OUTCOME, SERVED
from grafana.queries import FIRING
from socketscope.observe.outcomes import (
    ACCEPT_ERRORS,
    DATAGRAM_OUTCOMES,
    EXPECTED_OUTCOMES,
    OUTCOMES,
    REJECT_REASONS,
)
from socketscope.replay.measure.instruments import CONNECTION_OUTCOMES
from socketscope.replay.measure.instruments import OUTCOMES as EXCHANGE_OUTCOMES
from socketscope.replay.watch.colours import FAILURES
from socketscope.views.instruments import EXCHANGES, INSTRUMENTS, RECEIVED, SENT

from .drawn import (
    DASHBOARDS,
    PANELS,
    ROOT,
    each_curves,
    each_dashboard,
    each_figure,
    each_panel,
    each_states,
)

SECTIONS = re.findall(r'<h\d id="([^"]+)"', render_runbook())


@each_dashboard
def test_it_is_chosen_by_data_source_job_and_instance(dashboard):
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    for name in variables.keys() - {"datasource"}:
        assert variables[name]["type"] == "query"
        assert variables[name]["datasource"]["uid"] == "${datasource}"
        assert variables[name]["multi"] is True
        assert variables[name]["includeAll"] is True
        assert variables[name]["allValue"] == ".+"
        # When the range changes: who looks further back finds what there was.
        assert variables[name]["refresh"] == 2
    asked = " ".join(e for drawn in PANELS if drawn.dashboard == dashboard["uid"] for e in drawn.expressions)
    for name in re.findall(r'=~"\$(\w+)"', asked):
        assert name in variables
    assert {"job", "instance"} <= variables.keys()


@each_dashboard
def test_it_leads_to_the_others_and_to_the_runbook(dashboard):
    others, runbook = dashboard["links"]
    assert others["type"] == "dashboards"
    assert set(others["tags"]) <= set(dashboard["tags"])
    assert others["includeVars"] is others["keepTime"] is True
    assert runbook["url"].endswith("/user/runbook.html")


@each_dashboard
def test_its_annotations_have_texts_and_miss_nothing_between_two_steps(dashboard):
    annotations = {one["name"]: one for one in dashboard["annotations"]["list"]}
    assert annotations.keys() == {"Starts", "Drains", "Alerts"}
    assert all(one["titleFormat"] and one["textFormat"] for one in annotations.values())
    assert annotations["Starts"]["useValueForTime"] == "on"
    assert "* 1000" in annotations["Starts"]["expr"]
    assert re.fullmatch(r"max_over_time\(.+\[\$__interval\]\) == 1", annotations["Drains"]["expr"])
    assert f"max_over_time({FIRING}[$__interval])" in annotations["Alerts"]["expr"]
    # Of a label that is not there, as NoServer has no instance, Grafana writes the name.
    assert {*re.findall(r"{{(\w+)}}", annotations["Alerts"]["textFormat"])} == {"where"}
    assert '"where"' in annotations["Alerts"]["expr"]
    assert "last_over_time(process_start_time_seconds" in annotations["Starts"]["expr"]
    assert annotations["Starts"]["expr"].count("[$__interval]") == 3


def test_an_alert_that_fired_between_two_steps_is_shown():
    (panel,) = [drawn for drawn in PANELS if drawn.panel["title"] == "Which alerts fired"]
    (expression,) = panel.expressions
    assert expression.count("max_over_time(ALERTS{") == expression.count("[$__rate_interval]") == 2


@each_panel
def test_it_says_what_it_means_in_a_unit_and_where_there_is_more(drawn):
    panel = drawn.panel
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["noValue"]
    assert panel["datasource"]["uid"] == "${datasource}"
    (link,) = panel["links"]
    address, _, section = link["url"].partition("#")
    assert re.fullmatch(r"https?://.+/user/runbook\.html", address)
    assert section in SECTIONS
    assert panel["targets"]
    assert all(target["legendFormat"] for target in panel["targets"])


@each_panel
def test_no_traffic_is_said_where_all_of_it_is_asked_for(drawn):
    # Datagrams are no connections, and a long connection has traffic before it ends, and maybe no reply.
    if drawn.panel["fieldConfig"]["defaults"]["noValue"] == "no traffic":
        asked = re.findall(r"\bsocketserver_\w+", " ".join(drawn.expressions))
        assert {*asked} <= {instrument.name for instrument in (EXCHANGES, RECEIVED, SENT)}


@each_curves
def test_its_axis_begins_at_zero_and_hides_nothing_below_it(drawn):
    # A budget that is overspent and a certificate that has ended are less than nothing.
    defaults = drawn.panel["fieldConfig"]["defaults"]
    assert "min" not in defaults
    if defaults["custom"].get("scaleDistribution", {}).get("type") != "log":
        assert defaults["custom"]["axisSoftMin"] == 0


@each_curves
def test_a_line_on_an_axis_of_decades_is_a_curve(drawn):
    # Such an axis ends where its curves do: for a threshold or a soft end Grafana makes no room.
    custom = drawn.panel["fieldConfig"]["defaults"]["custom"]
    if custom.get("scaleDistribution", {}).get("type") == "log":
        assert not custom.keys() & {"axisSoftMin", "axisSoftMax", "thresholdsStyle"}


@each_panel
def test_what_it_shows_a_second_is_a_rate(drawn):
    if drawn.panel["fieldConfig"]["defaults"]["unit"] == "suffix:/s":
        assert all(re.search(r"\brate|_per_second", expression) for expression in drawn.expressions)


@each_panel
def test_it_asks_for_what_is_chosen(drawn):
    by_listener = {one.name for one in INSTRUMENTS if "listener" in one.labels}
    for expression in drawn.expressions:
        for name, labels in re.findall(r"\b([a-z_]\w*(?::\w+)*)\{([^}]*)\}", expression):
            assert 'job=~"$job"' in labels
            assert 'instance=~"$instance"' in labels or name.startswith("job_slo:")
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert ('listener=~"$listener"' in labels) == (base in by_listener)


def test_alerts_are_those_of_the_rules_whatever_others_prometheus_has():
    # An operator's has dozens, and one always fires. Each of ours is a page or a ticket (test_alerts.py).
    annotations = [one["expr"] for board in DASHBOARDS.values() for one in board["annotations"]["list"]]
    asked = " ".join(annotations + [expression for drawn in PANELS for expression in drawn.expressions])
    found = re.findall(r"\bALERTS\b(?:{([^}]*)})?", asked)
    assert found
    assert all(re.search(r'\b(alertname|severity)=~?"(\w+\|?)+"', labels) for labels in found)


@each_panel
def test_counters_are_asked_for_their_rate_over_the_interval_that_fits(drawn):
    for expression in drawn.expressions:
        for name in re.findall(r"\w+_total|\w+_bucket|\w+_(?:sum|count)\b", expression):
            window = r"\$__range" if drawn.panel["targets"][0]["instant"] else r"\$__rate_interval"
            assert re.search(rf"(rate|increase) ?\({name}{{[^}}]*}}\[{window}\]\)", expression)


@each_figure
def test_a_tile_never_shows_what_was_before(drawn):
    assert drawn.panel["options"]["reduceOptions"]["calcs"] == ["last"]
    assert all(
        re.search(r"or \(?vector\((0|NaN)\)", expression) for expression in drawn.expressions
    ) or "no " in str(drawn.panel["fieldConfig"]["defaults"]["mappings"])


@each_panel
def test_a_tile_with_a_course_is_unknown_at_its_last_step_alone(drawn):
    # Of an area, Grafana fills a slope from the first NaN to what comes after.
    for target in drawn.panel.get("targets", ()):
        if not target.get("instant"):
            assert target["expr"].count("vector(NaN)") == target["expr"].count("vector(NaN) and on ()")


@each_figure
def test_a_tile_of_now_is_of_now_whatever_range_is_looked_at(drawn):
    # Grafana asks for steps and rounds the end down to one: over a week, a tile's last is up to an hour old.
    at_the_end = all(target.get("instant") for target in drawn.panel["targets"])
    assert at_the_end or drawn.panel["timeFrom"] == "now-15m"


@each_figure
def test_a_tile_that_names_its_figures_shows_the_names_of_those_that_are_there_now(drawn):
    # In a range, what was replaced would stand beside what replaced it, with its last value.
    named = [target for target in drawn.panel["targets"] if "{{" in target["legendFormat"]]
    several = named or len(drawn.panel["targets"]) > 1
    assert drawn.panel["options"]["textMode"] == ("value_and_name" if several else "value")
    assert all(target["instant"] for target in named)
    # Three beside each other had no room for their names.
    assert (drawn.panel["options"]["orientation"] == "horizontal") == bool(named)


@each_states
def test_a_state_has_no_labels_but_those_of_its_name_whichever_part_finds_it(drawn):
    # An orchestrator gives targets more labels: a part that keeps them shows its series beside another's.
    for expression in drawn.expressions:
        for part in expression.split(" or "):
            assert re.match(r"\(*(last_over_time\()?max by \(", part)


@each_curves
def test_curves_of_several_replicas_can_be_told_from_each_other(drawn):
    assert drawn.panel["fieldConfig"]["defaults"]["color"]["mode"] == "palette-classic"


@each_states
def test_states_have_a_row_where_nothing_was_seen(drawn):
    # Without one the panel says that data do not have a time field, whatever its noValue is.
    assert all("absent_over_time(" in expression for expression in drawn.expressions)
    assert "-1" in drawn.panel["fieldConfig"]["defaults"]["mappings"][0]["options"]


@each_panel
def test_who_died_is_not_shown_as_stopped_since_another_stopped_at_its_address(drawn):
    # Under an orchestrator that one had other labels: who looks back under each of them finds its stop.
    assert not any("last_over_time(socketserver_draining" in one for one in drawn.expressions)


@each_panel
def test_what_is_looked_at_step_by_step_has_no_more_steps_over_a_month_than_over_an_hour(drawn):
    # Of a step of two seconds a month has over a million, of each server, in Prometheus' memory.
    for expression in drawn.expressions:
        assert set(re.findall(r"\[\w+:([^\]]*)\]", expression)) <= {"$__interval"}


@each_panel
def test_what_has_other_labels_for_a_while_is_no_error(drawn):
    # Whose labels change is there under both until the old ones are stale, and by fewer neither is the one.
    for expression in drawn.expressions:
        assert not re.search(r"[-+*/] on \(", expression)


@each_panel
def test_what_ends_with_an_outcome_has_its_colour(drawn):
    given = {
        override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
        for override in drawn.panel["fieldConfig"].get("overrides", ())
        if override["matcher"]["id"] == "byRegexp"
    }
    labels = {
        label
        for target in drawn.panel["targets"]
        for label in re.findall(r"{{(outcome|reason|error)}}$", target["legendFormat"])
    }
    assert bool(given) == bool(labels)
    for pattern, colour in given.items():
        outcome = pattern.removeprefix("/(^|: )").removesuffix("$/")
        assert colour == OF_OUTCOME[outcome]
    known = {"outcome": [], "reason": REJECT_REASONS, "error": ACCEPT_ERRORS}
    for label in labels:
        assert all(f"/(^|: ){name}$/" in given for name in known[label])


def test_every_outcome_has_a_colour_and_no_failure_one_of_success():
    known = {
        *OUTCOMES,
        *DATAGRAM_OUTCOMES,
        *EXCHANGE_OUTCOMES,
        *CONNECTION_OUTCOMES,
        *REJECT_REASONS,
        *ACCEPT_ERRORS,
    }
    assert OF_OUTCOME.keys() == known
    assert SERVED.keys() == EXPECTED_OUTCOMES
    assert not set(SERVED.values()) & set(FAILURES.values())
    assert not [colour for colour in FAILURES.values() if "green" in colour or "blue" in colour]
    assert not [colour for colour in SERVED.values() if "red" in colour or "orange" in colour]


@each_curves
def test_nothing_red_is_drawn_of_what_is_well(drawn):
    """Curves are red or orange only where they are of failures, which an expression leaves out at 0."""
    defaults = drawn.panel["fieldConfig"]["defaults"]
    assert "red" not in [step["color"] for step in defaults.get("thresholds", {}).get("steps", ())]
    for override in drawn.panel["fieldConfig"].get("overrides", ()):
        if override["matcher"]["id"] == "byName" and "red" in str(override["properties"]):
            (expression,) = [
                t["expr"]
                for t in drawn.panel["targets"]
                if t["legendFormat"] == override["matcher"]["options"]
            ]
            assert expression.endswith("> 0")
    if any("outcome" in target["legendFormat"] for target in drawn.panel["targets"]):
        assert all(expression.endswith("> 0") for expression in drawn.expressions)


def test_well_is_one_colour():
    colours = re.findall(r'"color": "([^"]*green[^"]*)"', str(DASHBOARDS).replace("'", '"'))
    assert set(colours) == {GOOD}


def test_the_lines_are_those_of_the_stack():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["services"]["server"]["mem_limit"] == f"{server.MEMORY // 2**20}m"
