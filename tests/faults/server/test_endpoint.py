import platform
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from socketscope import __version__
from socketscope.views.instruments import INSTRUMENTS

from .process import PATIENCE, ServerProcess, serving, summed


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving() as server:
        yield server


def test_every_contracted_metric_is_there_from_the_start_at_zero(server):
    page = server.get("/metrics").decode()
    for instrument in INSTRUMENTS:
        if instrument.scope != "datagram":
            assert f"# TYPE {instrument.name} " in page, instrument.name
    assert 'socketserver_connections_closed_total{listener="tcp",outcome="forced"} 0.0' in page
    builds = {"version": __version__, "python": platform.python_version()}
    assert summed(page, "socketserver_build_info", **builds) == 1
    assert "_created" not in page


def test_openmetrics_is_served_to_who_asks_for_it(server):
    request = urllib.request.Request(server.metrics_url, headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        families = list(text_string_to_metric_families(answer.read().decode()))
    assert "socketserver_connections_accepted" in {family.name for family in families}


def test_accepted_equals_open_and_closed_in_every_scrape_under_load(server):
    ending = threading.Event()

    def load() -> None:
        while not ending.is_set():
            server.ask(b"x\n")

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            page = server.get("/metrics").decode().splitlines()
            samples = dict(line.rsplit(" ", 1) for line in page if not line.startswith("#"))
            accepted = float(samples['socketserver_connections_accepted_total{listener="tcp"}'])
            opened = float(samples['socketserver_connections_open{listener="tcp"}'])
            closed = sum(
                float(value)
                for name, value in samples.items()
                if name.startswith("socketserver_connections_closed_total")
            )
            assert accepted == opened + closed
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert accepted > 0


def test_an_unknown_path_is_told_where_to_look(server):
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        server.get("/")
    with refused.value as answer:
        assert answer.read() == b"see /metrics, /healthz and /readyz\n"


def test_case_26_bad_clients_of_the_endpoint_do_not_touch_the_service():
    with serving() as server:
        where = urlsplit(server.metrics_url)
        bad = []
        # Silent, garbage, an endless header, and a scraper that never reads.
        requests = (
            b"",
            b"\0\xff\n\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 9000,
            b"GET /metrics HTTP/1.1\r\n\r\n",
        )
        for number in range(150):
            client = socket.create_connection((where.hostname, where.port))
            client.settimeout(2)
            client.sendall(requests[number % len(requests)])
            bad.append(client)
        slowest = 0.0
        for _ in range(300):
            began = time.monotonic()
            server.ask(b"x\n")
            slowest = max(slowest, time.monotonic() - began)
        # Idle ones among them are held for 10 s.
        assert slowest < PATIENCE / 4
        for client in bad:
            client.close()


def test_case_16_a_metric_that_raises_costs_the_scrape_alone():
    with serving("--handler", "tests.faults.server.unmeasurable:Echo") as server:
        assert server.status("/metrics") == 500
        assert server.get("/healthz") == b"ok\n"
        with server.connect(b"x\n") as client:
            assert client.recv(100) == b"x\n"
        assert server.connections(1)[0]["outcome"] == "ok"
