"""What the client sent, the server counted, Prometheus stored and the log says is one and the same."""

import json
from functools import partial
from typing import Any

from .conftest import Stack, wait_for

ACCEPTED = "socketserver_connections_accepted_total"


def test_the_clients_ledger_the_counters_prometheus_and_the_log_agree_exactly(stack: Stack):
    stack.run("stop", "client")
    try:
        # Docker keeps 30 MB of a log, of which the beginning may be gone by now.
        stack.run("restart", "server")
        stack.run("up", "--detach", "--wait", "--no-recreate", "server")
        before = {name: stack.metric(name) for name in COUNTED}
        lines = int(before[ACCEPTED])
        wait_for(lambda: len(connections(stack)) == lines, "the log is as far as the counters")
        summary = json.loads(
            stack.run_beside(
                "client", "replay", "client/scripts", "--target", "tcp://server:21567", "--users", "4",
                "--loops", "20", "--summary", "json",
            )
        )  # fmt: skip
        assert summary["failed"] == summary["in_flight"] == 0
        attempted = summary["attempted"]
        assert attempted > 100
        assert summary["outcomes"]["ok"] == attempted

        # A client may leave with its reply, which can come before the server counts the end.
        wait_for(lambda: stack.metric("socketserver_connections_open") == 0, "all have left")
        counted = {name: stack.metric(name) - before[name] for name in COUNTED}
        assert counted[ACCEPTED] == counted["socketserver_connections_closed_total"] == attempted
        assert counted["socketserver_exchanges_total"] == attempted

        wait_for(lambda: len(connections(stack)) == lines + attempted, "the log is complete")
        logged = connections(stack)[lines:]
        assert {line["outcome"] for line in logged} == {"ok"}
        for field, name in SUMS.items():
            assert sum(line[field] for line in logged) == counted[name]

        for name in COUNTED:
            has_it = partial(prometheus_has, stack, name, before[name] + counted[name])
            wait_for(has_it, f"Prometheus has {name}")
    finally:
        stack.run("start", "client")


SUMS = {
    "received_bytes": "socketserver_received_bytes_total",
    "sent_bytes": "socketserver_sent_bytes_total",
    "exchanges": "socketserver_exchanges_total",
}
COUNTED = (ACCEPTED, "socketserver_connections_closed_total", *SUMS.values())


def prometheus_has(stack: Stack, name: str, value: float) -> bool:
    return stack.value(f"sum({name})") == value


def connections(stack: Stack) -> list[dict[str, Any]]:
    """Return the lines that the process which runs now has written."""
    log = stack.log()
    began = max(number for number, line in enumerate(log) if line["event"] == "server_started")
    return [line for line in log[began:] if line["event"] == "connection"]
