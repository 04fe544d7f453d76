"""The home page: is it well, and if not, where to look."""

from grafana.colours import BAD, GOOD, LINE, OF_OBJECTIVE, PLAIN, TRAFFIC, WARNING
from grafana.page import BUILDS, Page, Row
from grafana.panels import Panel, curves, figure, states
from grafana.queries import (
    ASKED,
    CHOSEN,
    CLIENT_OBJECTIVE,
    CLOSED_BY_OUTCOME,
    FIRING,
    LOOKED,
    NO_SERVER,
    NOBODY,
    NOBODY_SERVED,
    NOT_OK,
    SERVED,
    SERVED_IN_RANGE,
    SERVERS_UP,
    TOLD,
    UNSERVED_BY_REASON,
    first,
    none_seen,
    objective,
    quantile,
    quantiles,
    rate,
    series,
)
from grafana.server import replica_states
from socketscope.observe.outcomes import OUTCOMES, REJECT_REASONS
from socketscope.replay.measure import instruments as client
from socketscope.replay.watch.board import OBJECTIVE
from socketscope.views import instruments as server

UNKNOWN = "vector(NaN)"
UNKNOWN_NOW = f"{UNKNOWN} and on () vector(time()) >= min_over_time(vector(time())[$__interval:1s] @ end())"
"""The same at the last step alone: before the beginning of a course, Grafana would fill NaN with a slope."""
NO_TRAFFIC = ("no traffic", PLAIN)
JOBS = f"{{{CHOSEN[0]}}}"
LOST = 'max by (job, instance) (ALERTS{alertname=~"ReplicaDown|ReplicaSilent"})'
"""One for each server, however many alerts it has."""
FIRING_PAGES = 'ALERTS{alertstate="firing", severity="page"}'

WELL = [
    figure(Panel(
        title="Success rate", unit="percentunit", width=4, height=5, decimals=2, runbook="clientsfail",
        meaning="Share of what clients ask for now that they get. The objective is 99.9 %. Below it, Failed "
        "exchanges by outcome says why.",
        limits={0: BAD, 0.99: WARNING, 0.999: GOOD}, words={None: NO_TRAFFIC}, nothing=NO_TRAFFIC[0],
        queries={"served": first(SERVED, UNKNOWN_NOW)},
    )),
    figure(Panel(
        title="Client p99", unit="s", width=4, height=5, runbook="durations",
        meaning="99 of 100 replies reach their client within this time, the wait for its turn included. The "
        "objective is 100 ms. Above it, compare with the server's own below: the rest is the network and the wait.",
        limits={0: GOOD, CLIENT_OBJECTIVE: WARNING, 1: BAD}, nothing=NO_TRAFFIC[0],
        words={NOBODY: ("none served", BAD), None: NO_TRAFFIC},
        queries={"p99": first(quantile(0.99, client.EXCHANGE_INTENDED_DURATION), NOBODY_SERVED, UNKNOWN_NOW)},
    )),
    figure(Panel(
        title="Availability", unit="percentunit", width=4, height=5, decimals=3, instant=True, runbook="objectives",
        meaning="Share of what clients asked for in the whole range shown that they got: an outage that the tiles of "
        "now have forgotten is still in it. The objective is 99.9 %.",
        limits={0: BAD, 0.99: WARNING, 0.999: PLAIN}, words={None: NO_TRAFFIC}, nothing=NO_TRAFFIC[0],
        queries={"served": first(SERVED_IN_RANGE, UNKNOWN)},
    )),
    figure(Panel(
        title="Budget left", unit="percentunit", width=4, height=5, decimals=1, instant=True, runbook="objectives",
        meaning="What is left of the 30 days' error budget of the objective that has least. Below 0 the objective is "
        "missed; the row Objectives has each.",
        limits={-1e9: BAD, 0: WARNING, 0.25: PLAIN}, words={None: ("not known yet", PLAIN)}, nothing="not known yet",
        queries={"left": first(f"min(job_slo:error_budget:left30d{JOBS})", UNKNOWN)},
    )),
    figure(Panel(
        title="Alerts firing", width=4, height=5, runbook="runbook",
        meaning="Alerts that fire now, or else that are pending. Each is below, with its time, and in the runbook.",
        limits={0: GOOD, 1: BAD}, words={NOBODY: ("pending", WARNING), None: ("?", PLAIN)},
        queries={"firing": first(f"count({FIRING})", f"count({TOLD}) * 0 + ({NOBODY})", f"{LOOKED} * 0", UNKNOWN_NOW)},
    )),
    figure(Panel(
        title="Replicas", width=4, height=5, instant=True, runbook="noserver",
        meaning="Servers that answer their scrape, and servers that should and do not. The row below says which, and the "
        "runbook how to find the container and the log of an address.",
        limits_of={"up": {0: BAD, 1: PLAIN}, "lost": {0: PLAIN, 1: BAD}}, words={None: ("?", PLAIN)},
        queries={"up": first(SERVERS_UP, UNKNOWN), "lost": first(f"count({LOST} or {NO_SERVER})", "vector(0)")},
    )),
    replica_states("Which replicas were up"),
    states(Panel(
        title="Which alerts fired", width=10, height=6, runbook="runbook",
        meaning="Alerts, and when they fired. A page wants somebody now, a ticket this week.",
        words={NOBODY: ("none", GOOD), 0: ("not known", PLAIN), 1: ("ticket", WARNING), 2: ("page", BAD)},
        # What fired between two steps is shown too: over days they are longer than most alerts.
        queries={
            "{{alertname}}": first(
                f"max by (alertname) (max_over_time({FIRING_PAGES}[$__rate_interval])) * 2",
                f"max by (alertname) (max_over_time({FIRING}[$__rate_interval]))",
                none_seen(FIRING, "alertname", "alerts") + f" and on () {LOOKED}",
                none_seen("up", "alertname", "alerts") + " + 1",
            ),
        },
    )),
]  # fmt: skip

CLIENTS = [
    curves(Panel(
        title="Failed exchanges by outcome", unit="suffix:/s", width=10, top=1, runbook="clientsfail",
        meaning="What clients did not get. refused, reset, closed: no server, or one that restarts; timeout: a slow one; "
        "mismatch: a wrong reply.",
        outcomes=client.OUTCOMES,
        queries={"{{outcome}}": rate(client.EXCHANGES, NOT_OK, by="outcome") + " > 0"},
    )),
    curves(Panel(
        title="How long clients wait", unit="s", width=7, logarithmic=True, runbook="durations", nothing="no traffic",
        meaning="Connect, queue, network and the wait for their turn included.",
        colours={"p50": "light-blue", "p99": "dark-blue"},
        queries=quantiles(client.EXCHANGE_INTENDED_DURATION, 0.5, 0.99)
        | objective(CLIENT_OBJECTIVE, client.EXCHANGE_INTENDED_DURATION),
    )),
    curves(Panel(
        title="What clients ask for", width=7, nothing="no traffic", runbook="traffic",
        meaning="Exchanges tried, and by how many users. Fewer of both is less load; fewer exchanges of as many "
        "users is a slower server, as each waits for its reply.",
        colours={"exchanges a second": TRAFFIC, "users": LINE}, right="users",
        queries={"exchanges a second": ASKED, "users": f"sum({series(client.USERS)})"},
    )),
]  # fmt: skip

OBJECTIVES = [
    curves(Panel(
        title="What is left of each error budget", unit="percentunit", width=12, height=7, runbook="objectives",
        nothing="not known yet", top=1,
        meaning="Of what may fail, or be late, in 30 days. A budget spent before its time is a reason to stop "
        "changing things.",
        colours=OF_OBJECTIVE,
        queries={"{{slo}}": f"min by (slo) (job_slo:error_budget:left30d{JOBS})"},
    )),
    curves(Panel(
        title="How fast each error budget is spent", unit="suffix:x", width=12, height=7, line=14.4, top=15,
        runbook="budgetburnsfast", nothing="not known yet",
        meaning="Over the last hour, as a multiple of what would just last 30 days. At the line somebody is paged, and at 6 too "
        "where it lasts for hours.",
        colours=OF_OBJECTIVE,
        queries={"{{slo}}": f"max by (slo) (job_slo:error_budget:burn1h{JOBS})"},
    )),
]  # fmt: skip

SERVER = [
    curves(Panel(
        title="Connections by outcome", unit="suffix:/s", stacked=True, nothing="no connection ended", runbook="traffic",
        meaning="How connections end. What is not ok is small here; the panel beside it shows it larger.",
        outcomes=OUTCOMES,
        queries=CLOSED_BY_OUTCOME,
    )),
    curves(Panel(
        title="Connections that were not served", unit="suffix:/s", top=1, runbook="connectionsfail",
        meaning="By how they ended, and refused ones. The dashboard of the server has more.",
        outcomes=(*OUTCOMES, *REJECT_REASONS),
        queries=UNSERVED_BY_REASON,
    )),
    curves(Panel(
        title="How long the server takes to reply", unit="s", logarithmic=True,
        nothing="no connection had a reply", runbook="durations",
        meaning="From the last byte of a request to the last of its reply.",
        colours={"p50": "light-blue", "p99": "dark-blue"},
        queries=quantiles(server.RESPONSE, 0.5, 0.99) | objective(OBJECTIVE, server.RESPONSE),
    )),
]  # fmt: skip

PAGE = Page(
    name="overview",
    description="Is it well, and if not, where to look: clients first, then objectives, alerts, replicas and the server.",
    builds=BUILDS,
    listeners=True,
    rows=[
        Row("Is it well?", WELL),
        Row("As the clients see it", CLIENTS),
        Row("Objectives", OBJECTIVES),
        Row("As the server sees it", SERVER),
    ],
)
