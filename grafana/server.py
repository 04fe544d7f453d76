"""The server by listener and replica: rate, errors, duration, and what is used of what there is."""

from typing import Any

from grafana.colours import BAD, GOOD, PLAIN, TRAFFIC
from grafana.page import Page, Row
from grafana.panels import Panel, curves, durations, figure, states
from grafana.queries import (
    CLOSED_BY_OUTCOME,
    NOBODY,
    STATES,
    UNSERVED_BY_REASON,
    age,
    buckets,
    chosen,
    objective,
    of,
    processor,
    quantiles,
    rate,
    series,
)
from socketscope.observe.outcomes import ACCEPT_ERRORS, DATAGRAM_OUTCOMES, OUTCOMES, REJECT_REASONS
from socketscope.replay.watch.board import OBJECTIVE
from socketscope.views import instruments as server

MEMORY = 256 * 2**20
"""Bytes of memory that the stack gives a container."""
NEAR = 0.8
"""Share of a limit above which an alert fires."""
RENEWAL = 14
"""Days: a certificate that ends sooner should have been renewed, and an alert fires."""


def replica_states(title: str) -> Any:
    """Return the states of all servers over time."""
    return states(Panel(
        title=title, width=14, height=6, runbook="which-container",
        meaning="Each server since it was first seen. One that is asked to stop drains, and is stopped; one that "
        "died is down; both until the address is forgotten.",
        words={
            NOBODY: ("none was seen", PLAIN), 0: ("down", BAD), 1: ("up", GOOD), 2: ("drains", TRAFFIC),
            3: ("stopped", PLAIN),
        },
        queries={"{{instance}}": STATES},
    ))  # fmt: skip


TRAFFIC_ROW = [
    curves(Panel(
        title="Connections by outcome", unit="suffix:/s", stacked=True, nothing="no connection ended", runbook="traffic",
        meaning="How connections end. What is not ok is small here; Failures and refusals shows it larger. The first "
        "seconds of a new replica are missing, as from any rate.",
        outcomes=OUTCOMES,
        queries=CLOSED_BY_OUTCOME,
    )),
    curves(Panel(
        title="Failures and refusals", unit="suffix:/s", top=1, runbook="connectionsfail",
        meaning="Connections that were not served, by reason, and refused ones. The runbook says what each means.",
        outcomes=(*OUTCOMES, *REJECT_REASONS),
        queries=UNSERVED_BY_REASON,
    )),
    curves(Panel(
        title="Connections accepted by replica", unit="suffix:/s", nothing="no stream listener", runbook="traffic",
        meaning="Whether clients spread over the replicas. One that gets none is missing from what clients resolve the name to.",
        queries={"{{instance}}": rate(server.ACCEPTED, by="instance")},
    )),
    curves(Panel(
        title="Exchanges by listener", unit="suffix:/s", nothing="no traffic", runbook="traffic",
        meaning="Requests with a reply. Where connections are kept open there are more of them than connections.",
        queries={"{{listener}}": rate(server.EXCHANGES, by="listener")},
    )),
    curves(Panel(
        title="Bytes received and sent", unit="Bps", nothing="no traffic", runbook="traffic",
        meaning="What handlers received and sent. Much more in than out is a client that floods, or does not take "
        "its replies.",
        colours={"received": "blue", "sent": "purple"},
        queries={"received": rate(server.RECEIVED), "sent": rate(server.SENT)},
    )),
    curves(Panel(
        title="Errors of accept", unit="suffix:/s", top=1, runbook="descriptorsnear",
        meaning="Connections that the kernel could not hand over. fd_limit: raise the descriptor limit, or lower "
        "--max-connections.",
        outcomes=ACCEPT_ERRORS,
        queries={"{{error}}": rate(server.ACCEPT_ERRORS, by="error") + " > 0"},
    )),
]  # fmt: skip

DURATION_ROW = [
    durations(Panel(
        title="How many replies took how long", unit="suffix:/s", width=12, height=12, runbook="durations",
        nothing="no connection had a reply",
        meaning="Replies a second; each row is a bucket, named by its upper edge. Two bands mean two kinds of requests, or a "
        "queue that forms and clears.",
        queries={"{{le}}": buckets(server.RESPONSE)},
    )),
    curves(Panel(
        title="Response duration", unit="s", width=6, height=12, logarithmic=True,
        nothing="no connection had a reply", runbook="durations",
        meaning="A p99 far above p50 is waiting: look at threads and the queue.",
        colours={"p50": "light-blue", "p90": "blue", "p99": "dark-blue"},
        queries=quantiles(server.RESPONSE, 0.5, 0.9, 0.99) | objective(OBJECTIVE, server.RESPONSE),
    )),
    curves(Panel(
        title="Handle duration", unit="s", width=6, height=12, logarithmic=True, runbook="durations",
        nothing="no handler has ended",
        meaning="How long a client occupies a thread, the wait for its bytes included. Far above the response "
        "duration: clients are slow, or silent.",
        colours={"p50": "light-blue", "p99": "dark-blue"},
        queries=quantiles(server.HANDLE, 0.5, 0.99),
    )),
]  # fmt: skip

SATURATION_ROW = [
    curves(Panel(
        title="Connection limit in use", unit="percentunit", width=6, top=1, line=NEAR, runbook="connectionlimitnear",
        nothing="no stream listener",
        meaning="Of each replica, as room at the others does not help a full one's clients. At 100 % new ones are "
        "refused: raise --max-connections, or add a replica.",
        queries={
            "{{instance}}":
                f"max by (instance) (sum without (listener) ({series(server.OPEN)}) / {series(server.LIMIT)})",
        },
    )),
    curves(Panel(
        title="Connections served at once", width=6, nothing="no server", runbook="saturation",
        meaning="The mean over a few seconds, from how long handlers take, as counting open connections every two "
        "seconds misses short ones. A long one counts at its end, for its whole time: for those, see Connection "
        "limit in use.",
        queries={"{{instance}}": rate(server.HANDLE, by="instance", suffix="_sum")},
    )),
    curves(Panel(
        title="Threads", width=6, nothing="no server", runbook="saturation",
        meaning="Busy ones follow the open connections; a few idle ones wait for the next.",
        colours={"busy": "dark-blue", "idle": "light-blue"},
        queries={"{{state}}": f"sum by (state) ({series(server.THREADS)})"},
    )),
    curves(Panel(
        title="Accept queue in use", unit="percentunit", width=6, top=1, line=0.1, runbook="acceptqueuegrows",
        nothing="no TCP listener",
        meaning="Connections that wait in the kernel, as a share of how many may. Above the line for long: threads "
        "or the processor are used up. At 100 % the kernel drops handshakes.",
        queries={
            "{{instance}}": f"max by (instance) ({series(server.QUEUE_LENGTH)} / {series(server.QUEUE_LIMIT)})",
        },
    )),
    curves(Panel(
        title="Processor", unit="percentunit", width=6, line=1, top=1, nothing="no server", runbook="saturation",
        meaning="Of a core. Python code runs on one at a time: near the line, one core, it is the limit.",
        queries=processor(server.BUILD),
    )),
    curves(Panel(
        title="Memory", unit="bytes", width=6, line=MEMORY, top=MEMORY, nothing="no server", runbook="saturation",
        meaning="Resident. It grows with open connections and shrinks again; growth without them is a leak. The line "
        "is what the stack gives a container.",
        queries={"{{instance}}": of(server.BUILD, chosen("process_resident_memory_bytes"))},
    )),
    curves(Panel(
        title="File descriptors in use", unit="percentunit", width=6, top=1, line=NEAR, nothing="no server",
        runbook="descriptorsnear",
        meaning="One per connection, and a few, as a share of how many the process may have. At 100 % accept fails.",
        queries={
            "{{instance}}": of(server.BUILD, f"{chosen('process_open_fds')} / {chosen('process_max_fds')}"),
        },
    )),
    curves(Panel(
        title="Log lines", unit="suffix:/s", width=6, nothing="no server", runbook="loglinesdropped",
        meaning="Lines written, and lines dropped because their reader is too slow: then sums over the log are "
        "short.",
        colours={"written": TRAFFIC, "dropped": BAD},
        queries={"written": rate(server.LOG_LINES), "dropped": rate(server.LOG_DROPPED) + " > 0"},
    )),
]  # fmt: skip

PROCESS_ROW = [
    replica_states("When replicas came, drained and went"),
    figure(Panel(
        title="What runs, and since when", unit="dtdurations", width=10, height=6, runbook="which-container",
        nothing="no server", words={None: ("no server", BAD)}, instant=True,
        meaning="Each replica's version of socketscope and of Python, and its age. Two versions are an update under "
        "way, or left half done.",
        queries={"{{instance}}: {{version}}, Python {{python}}": age(server.BUILD)},
    )),
]  # fmt: skip

DATAGRAM_ROW = [
    curves(Panel(
        title="Datagrams by outcome", unit="suffix:/s", width=12, nothing="no datagrams", runbook="datagramsfail",
        meaning="What became of those that were received. For many protocols no_reply is as it should be.",
        outcomes=DATAGRAM_OUTCOMES,
        queries={"{{outcome}}": rate(server.DATAGRAMS, by="outcome") + " > 0"},
    )),
    curves(Panel(
        title="Datagrams lost by the kernel", unit="suffix:/s", width=12, top=1, runbook="datagramslost",
        meaning="The receive queue was full; their senders are not told. A larger buffer helps with peaks, more "
        "replicas with a plateau.",
        queries={"{{instance}}": rate(server.DATAGRAMS_LOST, by="instance") + " > 0"},
    )),
]  # fmt: skip

TLS_ROW = [
    curves(Panel(
        title="Days for which certificates still hold", unit="d", width=24, height=6, top=30, line=RENEWAL,
        nothing="no TLS listener", runbook="certificateends",
        meaning="Of the certificate that each listener shows. Below the line it should have been renewed: put the "
        "new one in its place and send SIGHUP.",
        queries={
            "{{instance}} {{listener}}":
                f"min by (instance, listener) ({series(server.CERTIFICATE_EXPIRY)} - time()) / 86400",
        },
    )),
]  # fmt: skip

PAGE = Page(
    name="server",
    description="Rate, errors, duration and saturation of the socket servers, by listener and replica.",
    builds=server.BUILD.name,
    listeners=True,
    rows=[
        Row("Rate and errors", TRAFFIC_ROW),
        Row("Duration", DURATION_ROW),
        Row("Saturation", SATURATION_ROW),
        Row("Processes", PROCESS_ROW),
        Row("Datagrams", DATAGRAM_ROW, folded=True),
        Row("TLS", TLS_ROW, folded=True),
    ],
)
