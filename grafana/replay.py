"""The replay client: what it got, how long it waited, and whether it can be believed."""

from grafana.colours import BAD, LINE, PLAIN, TRAFFIC
from grafana.page import Page, Row
from grafana.panels import Panel, curves, durations, figure
from grafana.queries import (
    CLIENT_OBJECTIVE,
    NOT_OK,
    age,
    buckets,
    objective,
    processor,
    quantile,
    rate,
    series,
)
from socketscope.replay.measure import instruments as client

ASKED = series(client.TARGET_RATE)
"""Passes that a client is asked for; 0 in a closed loop."""

OUTCOMES_ROW = [
    curves(Panel(
        title="Exchanges by step", unit="suffix:/s", width=12, nothing="no traffic", runbook="traffic",
        meaning="What clients ask for, by step of the scripts, whatever came of it.",
        queries={"{{step}}": rate(client.EXCHANGES, by="step")},
    )),
    curves(Panel(
        title="Attempts to connect by outcome", unit="suffix:/s", width=12, nothing="no traffic", runbook="clientsfail",
        meaning="Whether the server can be reached at all.",
        outcomes=client.CONNECTION_OUTCOMES,
        queries={"{{outcome}}": rate(client.CONNECTIONS, by="outcome") + " > 0"},
    )),
    curves(Panel(
        title="Failures by step and outcome", unit="suffix:/s", width=24, top=1, runbook="wrongreplies",
        meaning="What clients did not get. refused, reset, closed: no server, or one that restarts; timeout: a slow one; "
        "mismatch and unexpected_data: a wrong reply.",
        outcomes=client.OUTCOMES,
        queries={"{{step}}: {{outcome}}": rate(client.EXCHANGES, NOT_OK, by="step, outcome") + " > 0"},
    )),
]  # fmt: skip

DURATION_ROW = [
    durations(Panel(
        title="How many exchanges took how long", unit="suffix:/s", width=12, height=12, runbook="durations",
        nothing="no traffic",
        meaning="From when each was due: what a stall held back counts with its wait. Each row is a bucket, named by "
        "its upper edge.",
        queries={"{{le}}": buckets(client.EXCHANGE_INTENDED_DURATION)},
    )),
    curves(Panel(
        title="Service against intended latency", unit="s", width=12, height=12, logarithmic=True,
        nothing="no traffic", runbook="durations",
        meaning="Service is from the send, intended from when it was due. Where they part, passes wait for a free "
        "user: the server is too slow for this load.",
        colours={"service p50": "light-blue", "service p99": "dark-blue",
                 "intended p50": "light-purple", "intended p99": "dark-purple"},
        queries={
            "service p50": quantile(0.5, client.EXCHANGE_DURATION),
            "intended p50": quantile(0.5, client.EXCHANGE_INTENDED_DURATION),
            "service p99": quantile(0.99, client.EXCHANGE_DURATION),
            "intended p99": quantile(0.99, client.EXCHANGE_INTENDED_DURATION),
            **objective(CLIENT_OBJECTIVE, client.EXCHANGE_INTENDED_DURATION),
        },
    )),
    curves(Panel(
        title="p99 by step", unit="s", width=12, logarithmic=True, nothing="no traffic", runbook="durations",
        meaning="Which of the steps is slow.",
        queries={"{{step}}": quantile(0.99, client.EXCHANGE_DURATION, by="step")},
    )),
    curves(Panel(
        title="p99 to connect and to the first byte", unit="s", width=12, logarithmic=True, runbook="durations",
        nothing="no traffic",
        meaning="A slow connect is the network, the name or a full queue; a slow first byte is the handler.",
        colours={"connect": "blue", "first byte": "purple"},
        queries={
            "connect": quantile(0.99, client.CONNECT_DURATION),
            "first byte": quantile(0.99, client.FIRST_BYTE_DURATION),
        },
    )),
]  # fmt: skip

LOAD_ROW = [
    curves(Panel(
        title="Passes played, asked for and dropped", unit="suffix:/s", nothing="no traffic", runbook="ratenotheld",
        meaning="In an open loop what is played follows what is asked for; passes that no user was free for are "
        "dropped. If only some clients have a rate, this is about those; without any, nothing is asked for.",
        colours={"played": TRAFFIC, "asked for": LINE, "dropped": BAD},
        queries={
            "played": f"sum (rate({series(client.PASSES)}[$__rate_interval])"
            f" unless on (job, instance) ({ASKED} == 0 and on () sum({ASKED}) > 0))",
            "asked for": f"sum({ASKED}) > 0",
            "dropped": rate(client.PASSES_DROPPED) + " > 0",
        },
    )),
    curves(Panel(
        title="How late the generator is", unit="s", top=0.001, nothing="no client", runbook="ratenotheld",
        meaning="How long after its time a pass began, though a user was free. Above a millisecond the client itself "
        "is too slow to be believed.",
        queries={"{{instance}}": series(client.SCHEDULE_LAG)},
    )),
    curves(Panel(
        title="Users and open connections", nothing="no client", runbook="traffic",
        meaning="Users at work, as the shape of the load has it, and their connections now.",
        colours={"users": LINE, "connections": TRAFFIC},
        queries={
            "users": f"sum({series(client.USERS)})",
            "connections": f"sum({series(client.OPEN_CONNECTIONS)})",
        },
    )),
    curves(Panel(
        title="Bytes sent and received", unit="Bps", nothing="no traffic", runbook="traffic",
        meaning="Without losses the same as the server received and sent.",
        colours={"sent": "purple", "received": "blue"},
        queries={"sent": rate(client.SENT), "received": rate(client.RECEIVED)},
    )),
    curves(Panel(
        title="Processor", unit="percentunit", line=1, top=1, nothing="no client", runbook="ratenotheld",
        meaning="Of a core. Near the line, one core, the client is its own limit.",
        queries=processor(client.BUILD),
    )),
    figure(Panel(
        title="What runs, and since when", unit="dtdurations", nothing="no client",
        words={None: ("no client", PLAIN)}, instant=True, runbook="traffic",
        meaning="Each client's version, and its age. A young one has been restarted.",
        queries={"{{instance}}: {{version}}": age(client.BUILD)},
    )),
]  # fmt: skip

PAGE = Page(
    name="client",
    description="What the replay client asked for and got, how long it waited, and whether it held its load.",
    builds=client.BUILD.name,
    rows=[Row("Outcomes", OUTCOMES_ROW), Row("Duration", DURATION_ROW), Row("Load", LOAD_ROW)],
)
