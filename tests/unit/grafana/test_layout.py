"""Where panels are, and whether what is written on them fits a screen of 1280 by 720."""

import itertools

from socketscope.observe.outcomes import ACCEPT_ERRORS, DATAGRAM_OUTCOMES, OUTCOMES, REJECT_REASONS
from socketscope.replay.measure.instruments import CONNECTION_OUTCOMES
from socketscope.replay.measure.instruments import OUTCOMES as EXCHANGE_OUTCOMES

from .drawn import DASHBOARDS, each_curves, each_dashboard, each_panel

CHARACTER = 7.3
"""Pixels of a character of a title or a legend, on the mean; seen in pictures of Grafana."""
BESIDE_A_TITLE = 85
"""Pixels of what stands beside it: margins, the description's and the menu's signs."""
BESIDE_A_LEGEND = 32
FIRST_SCREEN = 15
"""Rows of 38 pixels, the gap included, below the page's head."""

STEPS = ["bytes", "empty line", "greeting", "main", "question", "reading", "record"]

NAMES = {
    "{{instance}}": [f"172.22.0.{n}:9464" for n in (2, 5, 6)],
    "{{listener}}": ["tcp", "udp", "unix", "unixgram"],
    "{{state}}": ["busy", "idle"],
    "{{slo}}": ["client-availability", "client-latency", "server-availability", "server-latency"],
    "{{step}}": STEPS,
    "{{reason}}": REJECT_REASONS,
    "{{error}}": ACCEPT_ERRORS,
    # All steps of a server that comes and goes.
    "{{step}}: {{outcome}}": [f"{step}: {outcome}" for step in STEPS for outcome in ("refused", "dns_error")],
}


def legends(target):
    """Return what a legend may have of a series: the most that can be at once."""
    form, expression = target["legendFormat"], target["expr"]
    if form == "{{outcome}}":
        kinds = {
            "socketserver_connections": [
                one
                for one in OUTCOMES
                if 'outcome!~"' not in expression or one not in ("ok", "empty", "idle_timeout")
            ],
            "socketserver_datagrams": DATAGRAM_OUTCOMES,
            "replay_exchanges": EXCHANGE_OUTCOMES[:-1],
            "replay_connections": CONNECTION_OUTCOMES,
        }
        return next(names for metric, names in kinds.items() if metric in expression)
    for pattern, names in sorted(NAMES.items(), key=lambda one: -len(one[0])):
        if pattern in form:
            return [form.replace(pattern, name) for name in names]
    return [form]


@each_dashboard
def test_no_panel_lies_on_another(dashboard):
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        for shown in (panel, *panel.get("panels", ())):
            at = shown["gridPos"]
            assert at["x"] + at["w"] <= 24
            for cell in itertools.product(
                range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
            ):
                assert taken.setdefault(cell, shown["title"]) == shown["title"]


@each_dashboard
def test_they_stand_in_the_order_in_which_they_are_read_and_leave_no_hole(dashboard):
    panels = [shown for panel in dashboard["panels"] for shown in (panel, *panel.get("panels", ()))]
    places = [(panel["gridPos"]["y"], panel["gridPos"]["x"]) for panel in panels]
    assert places == sorted(places)
    for line in {y for y, _ in places}:
        assert sum(panel["gridPos"]["w"] for panel in panels if panel["gridPos"]["y"] == line) == 24


def test_the_first_screen_has_the_tiles_the_replicas_and_the_alerts():
    first = [
        p["title"]
        for p in DASHBOARDS["socketscope-overview"]["panels"]
        if p["gridPos"]["y"] + p["gridPos"]["h"] <= FIRST_SCREEN
    ]
    assert first[0] == "Is it well?"
    assert first[1:] == [
        "Success rate", "Client p99", "Availability", "Budget left", "Alerts firing", "Replicas",
        "Which replicas were up", "Which alerts fired", "As the clients see it",
    ]  # fmt: skip


@each_panel
def test_its_title_fits(drawn):
    assert len(drawn.panel["title"]) * CHARACTER + BESIDE_A_TITLE <= drawn.width


@each_curves
def test_its_legend_has_three_lines_at_most(drawn):
    lines, left = 1, drawn.width
    for name in (name for target in drawn.panel["targets"] for name in legends(target)):
        needed = len(name) * CHARACTER + BESIDE_A_LEGEND
        if needed > left:
            lines, left = lines + 1, drawn.width
        left -= needed
    assert lines <= 3
