"""Known traffic goes in, and the query of every panel has what it must be: on one server and on three."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from grafana.queries import CLIENT_OBJECTIVE, NOBODY
from socketscope.observe.distribution import BUCKETS
from socketscope.replay.watch.board import OBJECTIVE

from .conftest import Stack, wait_for, wait_for_budgets
from .dashboards import TARGETS, Target, filled_in

RATE, USERS = 40, 64
PLAYED = (
    "replay", "client/scripts", "--target", "tcp://server:21567", "--users", f"{USERS}", "--rate", f"{RATE}",
    "--shape", "ramp:from=0,over=30s", "--duration", "54s", "--summary", "json", "--linger", "6s",
)  # fmt: skip
"""It begins with next to nothing, as what it does before its first scrape no rate tells of. That may be 9 s
later: names are resolved each 2 s, whoever scrapes is told of them each 5 s, and scrapes each 2 s."""
PASSES = RATE * (30 / 2 + 24)
CLOSE = 0.05
"""Share by which the sum of a rate may be off: it is looked at every two seconds, and scraped as often."""


@dataclass(frozen=True)
class Run:
    """What happened, by who saw it, and what each panel makes of it."""

    replicas: int
    summary: dict[str, Any]
    log: list[dict[str, Any]]
    window: float
    found: dict[str, list[dict[str, Any]]]
    grown: dict[str, list[dict[str, Any]]]
    peaks: dict[str, float]

    def values(self, target: Target) -> list[float]:
        return [float(one["value"][1]) for one in self.found[str(target)]]


@pytest.fixture(scope="module", params=[1, 3])
def run(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Run]:
    replicas = request.param
    wait_for_budgets(stack)
    stack.run("stop", "client")
    try:
        stack.scale(replicas)
        wait_for(lambda: stack.value('count(up{job="server"} == 1)') == replicas, "all are scraped")
        wait_for(lambda: stack.value("sum(socketserver_connections_open)") == 0, "all have left")
        wait_for(lambda: not stack.query("ALERTS"), "no alert")
        began, since, summary = play(stack)
        if summary["dropped"]:
            # The machine stood still for a while; no test of a run that is over can have a second try.
            began, since, summary = play(stack)
        window, now = math.ceil(time.monotonic() - began), time.time()
        yield Run(
            replicas,
            summary,
            logged(stack, replicas, since),
            window,
            {str(target): over(stack, target, window, now) for target in TARGETS},
            {str(target): summed(stack, target, window, now) for target in TARGETS},
            {str(target): peak(stack, target, window, now) for target in TARGETS},
        )
    finally:
        stack.scale(1)
        stack.run("start", "client")


def play(stack: Stack) -> tuple[float, datetime, dict[str, Any]]:
    """Play from when nobody is seen until nobody is; return its beginning, by two clocks, and its summary."""
    # A rate tells of the 8 s before it, and a scrape of the 2 s before that: of none of who came earlier.
    time.sleep(10)
    began, since = time.monotonic(), datetime.now(UTC)
    summary = json.loads(stack.run("run", "--rm", "--no-deps", "--use-aliases", "-T", "client", *PLAYED))
    wait_for(lambda: stack.value("sum(socketserver_connections_open)") == 0, "all have left")
    # For the log, the last scrape, and the last of the rates over four of them.
    time.sleep(10)
    return began, since, summary


def logged(stack: Stack, replicas: int, since: datetime) -> list[dict[str, Any]]:
    """Return the lines of connections of all servers; Docker may have dropped some that are older."""
    services = ("server",) if replicas == 1 else ("server", "replica")
    return [
        line
        for service in services
        for line in stack.log(service)
        if line["event"] == "connection" and datetime.fromisoformat(line["timestamp"]) >= since
    ]


def over(stack: Stack, target: Target, window: float, at: float) -> list[dict[str, Any]]:
    """Return what a panel's query finds of the whole run instead of some seconds."""
    expression = target.expression.replace("$__rate_interval", f"{window:.0f}s")
    return stack.query(filled_in(expression.replace("$__range", f"{window:.0f}s")), at)


def summed(stack: Stack, target: Target, window: float, at: float) -> list[dict[str, Any]]:
    """Return by how much a counter grew in the run, from the rates that its panel shows."""
    # At steps of a scrape's 2 s what came before a late one would be in three rates or in two, as it happens.
    return stack.query(f"sum_over_time(({filled_in(target.expression)})[{window:.0f}s:500ms]) / 2", at)


def peak(stack: Stack, target: Target, window: float, at: float) -> float:
    """Return the highest value that a panel had of any series."""
    expression = filled_in(target.expression)
    found = stack.query(f"max(max_over_time(({expression})[{window:.0f}s:1s]))", at)
    return float(found[0]["value"][1]) if found else 0.0


def named(name: str) -> Target:
    (target,) = [one for one in TARGETS if str(one) == name]
    return target


def attempted(run: Run) -> float:
    return float(run.summary["attempted"])


def of_log(field: str, run: Run) -> float:
    return float(sum(line[field] for line in run.log))


COUNTS = {
    "overview: Connections by outcome: {{outcome}}": attempted,
    "server: Connections by outcome: {{outcome}}": attempted,
    "server: Connections accepted by replica: {{instance}}": attempted,
    "server: Exchanges by listener: {{listener}}": attempted,
    "server: Log lines: written": attempted,
    "server: Bytes received and sent: received": lambda run: of_log("received_bytes", run),
    "server: Bytes received and sent: sent": lambda run: of_log("sent_bytes", run),
    "server: Connections served at once: {{instance}}": lambda run: of_log("handle_seconds", run),
    "overview: What clients ask for: exchanges a second": attempted,
    "client: Exchanges by step: {{step}}": attempted,
    "client: Attempts to connect by outcome: {{outcome}}": attempted,
    "client: Passes played, asked for and dropped: played": lambda run: run.summary["passes"],
    "client: Bytes sent and received: sent": lambda run: of_log("received_bytes", run),
    "client: Bytes sent and received: received": lambda run: of_log("sent_bytes", run),
}
"""What each counter's panel grew by."""

BUCKETED = {
    "server: How many replies took how long: {{le}}": attempted,
    "client: How many exchanges took how long: {{le}}": attempted,
}

ALERTED = "overview: Which alerts fired: {{alertname}}"
NOTHING = {
    "overview: Failed exchanges by outcome: {{outcome}}",
    "overview: Connections that were not served: {{outcome}}",
    "overview: Connections that were not served: refused: {{reason}}",
    "server: Failures and refusals: {{outcome}}",
    "server: Failures and refusals: refused: {{reason}}",
    "server: Errors of accept: {{error}}",
    "server: Log lines: dropped",
    "server: Datagrams by outcome: {{outcome}}",
    "server: Datagrams lost by the kernel: {{instance}}",
    "server: Days for which certificates still hold: {{instance}} {{listener}}",
    "client: Failures by step and outcome: {{step}}: {{outcome}}",
    "client: Passes played, asked for and dropped: dropped",
}

NOW = {
    "overview: Success rate: served": 1.0,
    "overview: Availability: served": 1.0,
    "overview: Alerts firing: firing": 0.0,
    "overview: Replicas: lost": 0.0,
}
EACH = {
    "overview: Which replicas were up: {{instance}}": 1.0,
    "server: When replicas came, drained and went: {{instance}}": 1.0,
    "server: Connection limit in use: {{instance}}": 0.0,
    "server: Accept queue in use: {{instance}}": 0.0,
}
"""Of each replica, when all have left."""
UP = "overview: Replicas: up"

PEAKS = {
    "client: Passes played, asked for and dropped: asked for": RATE,
    "overview: What clients ask for: users": USERS,
    "client: Users and open connections: users": USERS,
}

SERVICE = {
    "client: Service against intended latency: service p50": ("service_seconds", "p50"),
    "client: Service against intended latency: service p99": ("service_seconds", "p99"),
    "client: Service against intended latency: intended p50": ("intended_seconds", "p50"),
    "client: Service against intended latency: intended p99": ("intended_seconds", "p99"),
    "overview: How long clients wait: p50": ("intended_seconds", "p50"),
    "overview: How long clients wait: p99": ("intended_seconds", "p99"),
    "overview: Client p99: p99": ("intended_seconds", "p99"),
}
"""Quantiles that the client's summary has as well."""

HANDLED = {"server: Handle duration: p50": 0.5, "server: Handle duration: p99": 0.99}

OBJECTIVES = {
    "overview: How long clients wait: objective": CLIENT_OBJECTIVE,
    "overview: How long the server takes to reply: objective": OBJECTIVE,
    "server: Response duration: objective": OBJECTIVE,
    "client: Service against intended latency: objective": CLIENT_OBJECTIVE,
}

WITHIN = {
    "overview: How long the server takes to reply: p50": 10.0,
    "overview: How long the server takes to reply: p99": 10.0,
    "server: Response duration: p50": 10.0,
    "server: Response duration: p90": 10.0,
    "server: Response duration: p99": 10.0,
    "client: p99 by step: {{step}}": 10.0,
    "client: p99 to connect and to the first byte: connect": 10.0,
    "client: p99 to connect and to the first byte: first byte": 10.0,
    "client: How late the generator is: {{instance}}": 1.0,
    "client: Users and open connections: connections": USERS,
    "server: Threads: {{state}}": 1000.0,
    "server: Processor: {{instance}}": 1.0,
    "client: Processor: {{instance}}": 1.0,
    "server: Memory: {{instance}}": 2.0**28,
    "server: File descriptors in use: {{instance}}": 0.8,
    "server: What runs, and since when: {{instance}}: {{version}}, Python {{python}}": 86400.0,
    "client: What runs, and since when: {{instance}}: {{version}}": 86400.0,
    "overview: Budget left: left": 1.0,
    "overview: What is left of each error budget: {{slo}}": 1.0,
    "overview: How fast each error budget is spent: {{slo}}": 1000.0,
}
"""What is not known from outside: between 0 and what it cannot exceed."""

EXPECTED = {
    *COUNTS,
    *BUCKETED,
    ALERTED,
    *NOTHING,
    *NOW,
    *EACH,
    UP,
    *PEAKS,
    *SERVICE,
    *HANDLED,
    *OBJECTIVES,
    *WITHIN,
}


GONE = {name for name in WITHIN if name.startswith("client") and "{{instance}}" in name} | {
    "client: Users and open connections: connections"
}
"""What the client says of itself, who has left."""


def test_every_panel_is_compared():
    assert {str(target) for target in TARGETS} == EXPECTED


def test_the_run_is_known(run: Run):
    assert run.summary["failed"] == run.summary["in_flight"] == run.summary["dropped"] == 0
    assert run.summary["passes"] == pytest.approx(PASSES, rel=0.02)
    assert len(run.log) == attempted(run) > PASSES
    assert {line["outcome"] for line in run.log} == {"ok"}


@pytest.mark.parametrize("name", COUNTS)
def test_a_counter_grew_by_what_there_was(run: Run, name: str):
    grown = sum(float(one["value"][1]) for one in run.grown[name])
    assert grown == pytest.approx(COUNTS[name](run), rel=CLOSE)


@pytest.mark.parametrize("name", BUCKETED)
def test_a_histogram_has_all_that_there_was(run: Run, name: str):
    buckets = {one["metric"]["le"]: float(one["value"][1]) for one in run.grown[name]}
    assert len(buckets) == len(BUCKETS) + 1
    assert buckets["+Inf"] == pytest.approx(BUCKETED[name](run), rel=CLOSE)
    in_order = [buckets[edge] for edge in sorted(buckets, key=float)]
    assert in_order == pytest.approx(sorted(in_order))


@pytest.mark.parametrize("name", sorted(NOTHING))
def test_what_did_not_happen_is_not_shown(run: Run, name: str):
    assert run.values(named(name)) == []


def test_no_alert_fires(run: Run):
    assert set(run.values(named(ALERTED))) <= {float(NOBODY)}


@pytest.mark.parametrize("name", NOW)
def test_what_is_now_is_exact(run: Run, name: str):
    assert run.values(named(name)) == [NOW[name]]


@pytest.mark.parametrize("name", EACH)
def test_what_is_now_of_each_replica_is_exact(run: Run, name: str):
    assert run.values(named(name)) == [EACH[name]] * run.replicas


def test_replicas_are_counted(run: Run):
    assert run.values(named(UP)) == [run.replicas]


@pytest.mark.parametrize("name", PEAKS)
def test_the_load_was_what_was_asked_for(run: Run, name: str):
    assert run.peaks[name] == PEAKS[name]


@pytest.mark.parametrize("name", SERVICE)
def test_a_quantile_of_clients_is_that_of_the_summary(run: Run, name: str):
    clock, which = SERVICE[name]
    near_the_bucket(run.values(named(name)), run.summary[clock][which])


@pytest.mark.parametrize("name", HANDLED)
def test_a_quantile_of_handlers_is_that_of_the_log(run: Run, name: str):
    taken = sorted(line["handle_seconds"] for line in run.log)
    near_the_bucket(run.values(named(name)), taken[int(HANDLED[name] * len(taken))])


def near_the_bucket(values: list[float], truth: float) -> None:
    """A histogram knows a quantile's bucket; one beside it where the two count from different moments."""
    (value,) = values
    edges = [0.0, *BUCKETS, math.inf]
    place = next(n for n, edge in enumerate(edges) if truth <= edge)
    assert edges[max(place - 2, 0)] <= value <= edges[min(place + 1, len(edges) - 1)]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_is_a_line_while_there_is_what_it_is_of(run: Run, name: str):
    assert run.values(named(name)) == [OBJECTIVES[name]]


@pytest.mark.parametrize("name", WITHIN)
def test_what_is_not_known_from_outside_is_possible(run: Run, name: str):
    values = run.values(named(name))
    assert values or name in GONE
    assert all(0 <= value <= WITHIN[name] for value in values)


def test_replicas_share_what_there_is(run: Run):
    shares = run.values(named("server: Connections accepted by replica: {{instance}}"))
    assert len(shares) == run.replicas
    assert min(shares) > 0.5 * max(shares)
