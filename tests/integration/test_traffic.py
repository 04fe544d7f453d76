import re
import socket

from prometheus_client.parser import text_string_to_metric_families

from socketscope.observe.outcomes import OUTCOMES

from .conftest import Stack, get, wait_for


def test_a_person_gets_a_reply_through_the_published_port(stack: Stack):
    with socket.create_connection(("127.0.0.1", stack.port("server", 21567)), timeout=10) as client:
        client.sendall(b"hello\r\n")
        assert re.fullmatch(
            rb"\[\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\] hello\r\n", client.makefile("rb").read()
        )


def test_accepted_equals_open_and_closed_in_fifty_scrapes_under_load(stack: Stack):
    for _ in range(50):
        figures: dict[str, float] = {}
        for family in text_string_to_metric_families(stack.metrics()):
            for sample in family.samples:
                figures[sample.name] = figures.get(sample.name, 0) + sample.value
        closed = figures["socketserver_connections_closed_total"]
        assert (
            figures["socketserver_connections_accepted_total"]
            == figures["socketserver_connections_open"] + closed
        )
    assert closed > 0


def test_prometheus_sees_server_and_client_at_work(stack: Stack):
    wait_for(
        lambda: stack.value("sum(rate(socketserver_connections_accepted_total[10s]))") > 0, "a server's rate"
    )
    wait_for(lambda: stack.value("sum(rate(replay_exchanges_total[10s]))") > 0, "a client's rate")
    for job in ("server", "client"):
        containers = len(stack.containers(job))
        up = f'sum(up{{job="{job}"}})'
        wait_for(lambda: stack.value(up) == containers, f"each {job} is scraped, and no other")  # noqa: B023


def test_the_default_traffic_has_no_failures(stack: Stack):
    exchanges = "sum by (job) (replay_exchanges_total{outcome%s'ok'})"
    # Other tests have stopped servers of this stack.
    failed = stack.value(exchanges % "!=")
    enough = stack.value(exchanges % "=") + 100
    wait_for(lambda: stack.value(exchanges % "=") > enough, "some traffic")
    for outcome in OUTCOMES:
        assert outcome == "ok" or stack.metric("socketserver_connections_closed_total", outcome=outcome) == 0
    assert stack.value(exchanges % "!=") == failed


def test_the_clients_endpoint_is_not_published_and_the_servers_is(stack: Stack):
    assert "socketserver_connections_open" in get(f"http://127.0.0.1:{stack.port('server', 9464)}/metrics")
    assert stack.run("port", "client", "9465", check=False).strip() in {"", ":0"}
