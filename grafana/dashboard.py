"""The dashboard: which questions it answers, in which order."""

from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.panels import DATASOURCE, Panel, curves, durations, figure
from grafana.queries import (
    CLIENT,
    EXCHANGES_FAILED,
    FAILED_SHARE,
    FAILURES,
    SERVER,
    WITHIN_OBJECTIVE,
    buckets,
    of_servers,
    quantile,
    rate,
    rate_by,
    total,
    where,
)
from socketscope.replay.measure import instruments as client
from socketscope.views import instruments as server

FILE = Path(__file__).parent / "dashboards" / "socketscope.json"

GOOD, BAD, NEUTRAL = "green", "red", "blue"

ROWS: dict[str, list[Any]] = {
    "At a glance": [
        figure(Panel(
            title="Connections", unit="reqps", width=4, height=5, limits={0: NEUTRAL},
            meaning="Connections accepted a second, over all replicas chosen above.",
            queries={"accepted": rate(server.ACCEPTED.name)},
        )),
        figure(Panel(
            title="Not served", unit="percentunit", width=4, height=5, limits={0: GOOD, 0.01: "orange", 0.05: BAD},
            meaning="Share of the connections that ended in a failure. Above 5 % an alert fires: see which outcome "
            "it is under Failures.",
            queries={"failed": FAILED_SHARE},
        )),
        figure(Panel(
            title="Response p99", unit="s", width=4, height=5, limits={0: GOOD, 0.01: "orange", 0.1: BAD},
            meaning="99 of 100 replies are handed to the kernel within this time after the last byte of the request. "
            "The objective is 10 ms.",
            queries={"p99": quantile(0.99, server.RESPONSE.name)},
        )),
        figure(Panel(
            title="Within 10 ms", unit="percentunit", width=4, height=5, limits={0: BAD, 0.99: "orange", 0.999: GOOD},
            meaning="Share of the replies within the latency objective.",
            queries={"within": WITHIN_OBJECTIVE},
        )),
        figure(Panel(
            title="Open connections", width=4, height=5, limits={0: NEUTRAL},
            meaning="Connections that a handler is serving now.",
            queries={"open": total(server.OPEN.name)},
        )),
        figure(Panel(
            title="Replicas up", width=4, height=5, limits={0: BAD, 1: GOOD},
            meaning="Servers that answered the last scrape. Fewer than were started: look at their logs.",
            queries={"up": f"count({server.BUILD.name}{SERVER}) or vector(0)"},
        )),
    ],
    "Traffic and errors": [
        curves(Panel(
            title="Connections by outcome", unit="reqps", stacked=True,
            meaning="How connections end. What is not ok is small here; see Failures.",
            queries={"{{outcome}}": rate_by("outcome", server.CLOSED.name) + " > 0"},
            colours={"ok": GOOD},
        )),
        curves(Panel(
            title="Failures", unit="reqps",
            meaning="Connections whose client was not served, by reason, and refused ones. The reference of the "
            "outcomes says what each means.",
            queries={
                "{{outcome}}": rate_by("outcome", server.CLOSED.name, where(FAILURES)),
                "rejected: {{reason}}": rate_by("reason", server.REJECTED.name),
            },
        )),
        curves(Panel(
            title="Exchanges", unit="reqps",
            meaning="Requests with a reply. More than connections where they are kept open.",
            queries={"{{instance}}": rate_by("instance", server.EXCHANGES.name)},
        )),
        curves(Panel(
            title="Bytes", unit="Bps",
            meaning="What handlers received and sent.",
            queries={"received": rate(server.RECEIVED.name), "sent": rate(server.SENT.name)},
        )),
        curves(Panel(
            title="Connections by replica", unit="reqps",
            meaning="Whether clients spread over the replicas. One that gets none is not resolved by its clients.",
            queries={"{{instance}}": rate_by("instance", server.ACCEPTED.name)},
        )),
        curves(Panel(
            title="Accept errors", unit="reqps",
            meaning="Calls of accept that failed. fd_limit: raise the descriptor limit, or lower --max-connections.",
            queries={"{{error}}": rate_by("error", server.ACCEPT_ERRORS.name)},
        )),
    ],
    "Duration": [
        durations(Panel(
            title="Response duration", unit="s", width=12, height=9,
            meaning="How many replies took how long; each row is a bucket, named by its upper edge. Two bands mean "
            "two kinds of requests, or a queue that forms and clears.",
            queries={"{{le}}": buckets(server.RESPONSE.name)},
        )),
        curves(Panel(
            title="Response quantiles", unit="s", width=6, height=9, limits={0: "transparent", 0.01: BAD},
            meaning="The line is the objective. A p99 far above p50 is waiting: look at threads and the queue.",
            queries={
                "p50": quantile(0.5, server.RESPONSE.name),
                "p90": quantile(0.9, server.RESPONSE.name),
                "p99": quantile(0.99, server.RESPONSE.name),
            },
        )),
        curves(Panel(
            title="Handle quantiles", unit="s", width=6, height=9,
            meaning="How long a client occupies a thread, the wait for its own bytes included. Far above the "
            "response: clients are slow, or silent.",
            queries={"p50": quantile(0.5, server.HANDLE.name), "p99": quantile(0.99, server.HANDLE.name)},
        )),
    ],
    "Saturation": [
        curves(Panel(
            title="Connections against the limit",
            meaning="At the limit new clients are refused. Raise --max-connections, or add a replica.",
            queries={
                "open": total(server.OPEN.name),
                "limit": total(server.LIMIT.name),
            },
            colours={"limit": BAD},
        )),
        curves(Panel(
            title="Threads",
            meaning="Busy ones follow the open connections; a few idle ones wait for the next.",
            queries={"{{state}}": f"sum by (state) ({server.THREADS.name}{SERVER})"},
        )),
        curves(Panel(
            title="Accept queue",
            meaning="Connections that wait in the kernel. Above 0 for long: threads cannot be started fast enough, "
            "or the processor is used up. At its limit the kernel drops handshakes.",
            queries={"waiting": f"max({server.QUEUE_LENGTH.name}{SERVER})", "limit": f"min({server.QUEUE_LIMIT.name}{SERVER})"},
            colours={"limit": BAD},
        )),
        curves(Panel(
            title="Processor", unit="percentunit", width=6,
            meaning="Cores in use. Python code runs on one core at a time: near 1 it is the limit.",
            queries={"{{instance}}": of_servers(rate_by("instance", "process_cpu_seconds_total"))},
        )),
        curves(Panel(
            title="Memory", unit="bytes", width=6,
            meaning="Resident memory. It grows with open connections and goes back; growth without them is a leak.",
            queries={"{{instance}}": of_servers(f"process_resident_memory_bytes{SERVER}")},
        )),
        curves(Panel(
            title="File descriptors", width=6,
            meaning="One a connection, and a few. At the limit accept fails.",
            queries={
                "{{instance}}": of_servers(f"process_open_fds{SERVER}"),
                "limit": f"min({of_servers(f'process_max_fds{SERVER}')})",
            },
            colours={"limit": BAD},
        )),
        curves(Panel(
            title="Log lines", unit="reqps", width=6,
            meaning="Lines written and dropped. Dropped: the log's reader is too slow, and sums over it are short.",
            queries={"written": rate(server.LOG_LINES.name), "dropped": rate(server.LOG_DROPPED.name)},
            colours={"dropped": BAD},
        )),
    ],
    "As the clients see it": [
        curves(Panel(
            title="Exchanges by step", unit="reqps",
            meaning="What the replay client sends, by step of its scripts.",
            queries={"{{step}}": rate_by("step", client.EXCHANGES.name, CLIENT)},
        )),
        curves(Panel(
            title="Failed exchanges", unit="reqps",
            meaning="What clients did not get. refused and reset: no server, or one that restarts; timeout: a slow "
            "one; mismatch: a wrong reply.",
            queries={"{{outcome}}": EXCHANGES_FAILED},
        )),
        curves(Panel(
            title="Exchange quantiles", unit="s",
            meaning="From the client's side: connect, queue and network included. Far above the response duration: "
            "the wait is before the handler.",
            queries={
                "p50": quantile(0.5, client.EXCHANGE_DURATION.name, CLIENT),
                "p99": quantile(0.99, client.EXCHANGE_DURATION.name, CLIENT),
                "connect p99": quantile(0.99, client.CONNECT_DURATION.name, CLIENT),
            },
        )),
        curves(Panel(
            title="Users at work", width=12, height=6,
            meaning="Users that the shape of the load has at work now.",
            queries={"users": total(client.USERS.name, CLIENT)},
        )),
        curves(Panel(
            title="Attempts to connect", unit="reqps", width=12, height=6,
            meaning="How they ended.",
            queries={"{{outcome}}": rate_by("outcome", client.CONNECTIONS.name, CLIENT)},
        )),
    ],
}  # fmt: skip


def build() -> models.Dashboard:
    """Return the dashboard."""
    builder = (
        builders.Dashboard("socketscope")
        .uid("socketscope")
        .description("Rate, errors, duration and saturation of the socket server, and its clients' view.")
        .tags(["socketscope"])
        .readonly()
        .refresh("5s")
        .time("now-15m", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("job", "label_values(socketserver_build_info, job)"))
        .with_variable(_variable("instance", 'label_values(socketserver_build_info{job=~"$job"}, instance)'))
        .annotation(
            _annotation(
                "Restarts", of_servers(f"changes(process_start_time_seconds{SERVER}[10s]) > 0"), "orange"
            )
        )
        .annotation(_annotation("Alerts", 'ALERTS{alertstate="firing"}', "red"))
    )
    number = 0
    for title, panels in ROWS.items():
        number += 1
        builder.with_row(builders.Row(title).id(number))
        for panel in panels:
            number += 1
            builder.with_panel(panel.id(number))
    return builder.build()


def render() -> str:
    """Return the dashboard's JSON, as it is committed."""
    return str(JSONEncoder(sort_keys=True, indent=2).encode(build())) + "\n"


def _variable(name: str, query: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query(query)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _annotation(name: str, expression: str, colour: str) -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(colour)
        .expr(expression)
    )
