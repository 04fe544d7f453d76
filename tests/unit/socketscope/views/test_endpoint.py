import contextlib
import http.client
import logging
import os
import re
import resource
import select
import socket
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from socketscope.addresses import format_host_port
from socketscope.views import endpoint as module
from socketscope.views.endpoint import LIMITS, SCRAPES, TURNS, Endpoint
from tests.threads import ends, in_a_thread
from tests.unit.socketscope.patience import PATIENCE

SELECT_LIMIT = 1024

# waitress leaves a pipe's ends to the garbage collector.
warnings.simplefilter("ignore", ResourceWarning)


def get(url: str, path: str) -> int:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def connection(endpoint: Endpoint) -> contextlib.closing[http.client.HTTPConnection]:
    where = urlsplit(endpoint.url)
    return contextlib.closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=10))


def dial(endpoint: Endpoint) -> socket.socket:
    where = urlsplit(endpoint.url)
    return socket.create_connection((where.hostname, where.port), timeout=10)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with contextlib.closing(Endpoint("127.0.0.1", 0, CollectorRegistry(), lambda: True)) as endpoint:
        yield endpoint


def test_ready_or_not():
    ready = True
    endpoint = Endpoint("127.0.0.1", 0, CollectorRegistry(), lambda: ready)
    assert get(endpoint.url, "/readyz") == 200
    ready = False
    assert get(endpoint.url, "/readyz") == 503
    assert get(endpoint.url, "/healthz") == 200
    endpoint.close()


def test_it_closes_while_a_scraper_keeps_its_connection(endpoint):
    with connection(endpoint) as scraper:
        scraper.request("GET", "/metrics")
        scraper.getresponse().read()
        ends(in_a_thread(endpoint.close), 10)
    with pytest.raises(ConnectionRefusedError):
        dial(endpoint)


def test_each_address_of_a_name_answers(names):
    names["twins"] = ["127.0.0.1", "127.0.0.2"]
    endpoint = Endpoint("twins", 0, CollectorRegistry(), lambda: True)
    port = urlsplit(endpoint.url).port
    for host in names["twins"]:
        assert get(f"http://{host}:{port}", "/healthz") == 200
    ends(in_a_thread(endpoint.close), 10)
    for host in names["twins"]:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port), timeout=10)


def test_no_host_is_all_addresses_of_both_families(ipv6):
    endpoint = Endpoint("", 0, CollectorRegistry(), lambda: True)
    port = urlsplit(endpoint.url).port
    for host in ("127.0.0.1", ipv6):
        assert get(f"http://{format_host_port(host, port)}", "/healthz") == 200
    endpoint.close()


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nowhere"])
def test_head_has_the_headers_of_get_and_no_body(endpoint, path):
    with connection(endpoint) as client:
        heads = []
        for method in ("HEAD", "GET", "GET"):  # the last finds whatever is left over
            client.request(method, path)
            answer = client.getresponse()
            body = answer.read()
            assert (method, body) == ("HEAD", b"") or len(body) == int(answer.headers["Content-Length"])
            heads.append((answer.status, {k: v for k, v in answer.headers.items() if k != "Date"}))
    assert heads[0] == heads[1] == heads[2]
    with dial(endpoint) as client:  # the other one reads no body of a HEAD, even if there is one
        client.sendall(f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
        assert client.makefile("rb").read().endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH"])
def test_another_method_is_told_which_are_allowed(endpoint, path, method):
    with connection(endpoint) as client:
        client.request(method, path)
        answer = client.getresponse()
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_a_slash_at_the_end_and_an_unknown_query_are_no_harm(endpoint):
    for path in ("/metrics/", "/healthz/", "/readyz/?x", "/metrics?x=1&y&%ff=%00", "/metrics?name[]="):
        assert get(endpoint.url, path) == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_who_asks_for_no_version_that_there_is_gets_the_plain_text_and_it_is_no_news(endpoint, kind, caplog):
    with connection(endpoint) as client:
        client.request("GET", "/metrics", headers={"Accept": f"{kind}; version=x"})
        answer = client.getresponse()
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    endpoint.close()
    assert not caplog.records


OPEN, PLAIN = "application/openmetrics-text", "text/plain"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (f"{OPEN};version=1.0.0;q=0.6,{PLAIN};version=1.0.0;q=0.4,*/*;q=0.2", OPEN),
        (f"*/*;q=0.2,{PLAIN};version=1.0.0;q=0.4,{OPEN};version=0.1;q=0.5,{OPEN};version=1.0.0;q=0.6", OPEN),
        (f"{PLAIN}, {OPEN}", OPEN),
        (f"{PLAIN};version=0.0.4;q=0.6,{OPEN};version=1.0.0;q=0.5", PLAIN),
        (f"{OPEN};q=0.5, {PLAIN}", PLAIN),
        (f"{OPEN};q=0", PLAIN),
        (f"{OPEN}; q=0.000; version=1.0.0, */*; q=.1", PLAIN),
        (f"{OPEN};q=x", OPEN),
    ],
)
def test_the_form_is_the_one_that_is_wanted_most(endpoint, accept, kind):
    with connection(endpoint) as client:
        client.request("GET", "/metrics", headers={"Accept": accept})
        assert client.getresponse().headers["Content-Type"].split(";")[0] == kind


@pytest.mark.parametrize(
    ("accept", "coding"),
    [("gzip", "gzip"), ("identity;q=0.5, gzip;q=1.0", "gzip"), ("gzip;q=0", None), ("br, gzip; q=0.0", None)],
)
def test_the_page_is_packed_only_for_who_takes_that(accept, coding):
    endpoint = Endpoint("127.0.0.1", 0, CollectorRegistry(), lambda: True)
    with connection(endpoint) as client:
        client.request("GET", "/metrics", headers={"Accept-Encoding": accept})
        assert client.getresponse().headers["Content-Encoding"] == coding
    endpoint.close()


class Raising(Collector):
    """A metric that raises what is no Exception."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def describe(self):
        return ()

    def collect(self):
        raise self.error(3)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_metric_that_would_end_the_program_costs_its_scrape_alone(error, caplog):
    registry = CollectorRegistry()
    registry.register(Raising(error))
    endpoint = Endpoint("127.0.0.1", 0, registry, lambda: True)
    for _ in range(LIMITS["connection_limit"]):
        with connection(endpoint) as client:
            client.request("GET", "/metrics")
            assert client.getresponse().status == 500
    assert get(endpoint.url, "/healthz") == 200
    endpoint.close()
    assert {str(record.exc_info[1]) for record in caplog.records} == {f"{error.__name__}: 3"}


class Held(Collector):
    """A metric that takes until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Semaphore(0), threading.Event()

    def describe(self):
        return ()

    def collect(self):
        self.begun.release()
        assert self.let_go.wait(20)
        return ()


def test_slow_scrapes_hold_up_no_health_check_and_wait_in_a_line_of_bounded_length(caplog):
    registry, held = CollectorRegistry(), Held()
    registry.register(held)
    endpoint = Endpoint("127.0.0.1", 0, registry, lambda: True)
    with contextlib.ExitStack() as opened:
        scrapers = [opened.enter_context(connection(endpoint)) for _ in range(20)]
        for scraper in scrapers:
            scraper.request("GET", "/metrics")
        for _ in range(TURNS):
            assert held.begun.acquire(timeout=10)
        refused, _, _ = select.select([s.sock for s in scrapers], [], [], 10)
        assert refused
        assert get(endpoint.url, "/healthz") == get(endpoint.url, "/readyz") == 200
        assert not held.begun.acquire(blocking=False)
        held.let_go.set()
        answers = [scraper.getresponse() for scraper in scrapers]
        assert sorted(answer.status for answer in answers) == [200] * SCRAPES + [503] * (20 - SCRAPES)
        assert {a.headers["Retry-After"] for a in answers if a.status == 503} == {"1"}
        assert get(endpoint.url, "/metrics") == 200
    endpoint.close()
    assert caplog.records == []


def test_it_closes_beside_a_slow_scrape_without_a_word(caplog):
    registry, held = CollectorRegistry(), Held()
    registry.register(held)
    endpoint = Endpoint("127.0.0.1", 0, registry, lambda: True)
    with connection(endpoint) as scraper:
        scraper.request("GET", "/metrics")
        assert held.begun.acquire(timeout=10)
        threads = {each for each in threading.enumerate() if each.name.startswith("waitress")}
        endpoint.close()
        held.let_go.set()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_taken_port_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Endpoint("127.0.0.1", taken.getsockname()[1], CollectorRegistry(), lambda: True)


def test_it_answers_beside_more_descriptors_than_select_can_watch():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SELECT_LIMIT + 100:
        pytest.skip(f"a process may have only {hard} file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, SELECT_LIMIT + 100), hard))
    with contextlib.ExitStack() as held, socket.socket() as one:
        while held.enter_context(one.dup()).fileno() < SELECT_LIMIT:
            pass
        endpoint = Endpoint("127.0.0.1", 0, CollectorRegistry(), lambda: True)
        assert get(endpoint.url, "/metrics") == 200
        endpoint.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("head", [b"GET http://[ HTTP/1.1", b"GET / HTTP/1.1\r\nContent-Length: x"])
def test_what_cannot_be_parsed_is_a_bad_request_and_no_news(endpoint, head, caplog):
    with dial(endpoint) as client:
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(1000).partition(b" ")[2].startswith(b"400 Bad Request\r\n")
    endpoint.close()
    assert not caplog.records


@pytest.mark.parametrize(
    "packets",
    [
        [b"GET /healthz HTTP/1.0\n\n"],
        [b"GET /healthz HTTP/1.1\n", b"Connection: close\n", b"\n"],
        [b"GET /healthz HTTP/1.1\r\nConnection: close\r\n", b"X: y\n", b"\n"],
        [b"\n\nGET /healthz HTTP/1.0\n\n"],
        [b"GET /nowhere HTTP/1.1\nConnection: keep-alive\n\nGET /healthz HTTP/1.0\n\n"],
        [b"POST /healthz HTTP/1.1\nContent-Length: 3\n\n\n\n\n\nGET /healthz HTTP/1.0\n", b"\n"],
    ],
)
def test_a_request_without_carriage_returns_is_answered(endpoint, packets):
    with dial(endpoint) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            client.sendall(packet)
        answer = client.makefile("rb").read()
    *_, last = re.split(rb"HTTP/1\.[01] ", answer)
    assert last.startswith(b"200 OK\r\n")
    assert last.endswith(b"\r\n\r\nok\n")


def test_urgent_data_is_hung_up_on_and_no_news(endpoint, caplog):
    with dial(endpoint) as client:
        client.send(b"!", socket.MSG_OOB)
        with contextlib.suppress(ConnectionResetError):  # as nobody has read it
            assert not client.recv(1)
    endpoint.close()
    assert not caplog.records


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n\r\n" * 150],
    ids=["silent", "in a head that does not end", "taking no reply"],
)
def test_who_has_asked_for_nothing_for_longest_makes_room_for_who_comes(said, monkeypatch):
    monkeypatch.setitem(LIMITS, "channel_timeout", 60)
    endpoint = Endpoint("127.0.0.1", 0, CollectorRegistry(), lambda: True)
    endpoint._servers[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as its clients have
    parts = urlsplit(endpoint.url)
    with contextlib.ExitStack() as held:
        held.callback(endpoint.close)
        for _ in range(2 * LIMITS["connection_limit"]):
            client = held.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.connect((parts.hostname, parts.port))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.send(said)
        assert get(endpoint.url, "/healthz") == 200


def test_who_waits_for_an_answer_or_has_just_had_one_makes_no_room(monkeypatch):
    monkeypatch.setattr(module, "SOON", 0.0)
    registry, held = CollectorRegistry(), Held()
    registry.register(held)
    endpoint = Endpoint("127.0.0.1", 0, registry, lambda: True)
    with contextlib.ExitStack() as opened:
        opened.callback(endpoint.close)
        scraper, regular = (opened.enter_context(connection(endpoint)) for _ in range(2))
        scraper.request("GET", "/metrics")
        assert held.begun.acquire(timeout=10)
        for _ in range(3):  # each time half of the silent ones are newer than its last request
            regular.request("GET", "/healthz")
            assert regular.getresponse().read() == b"ok\n"
            for _ in range(LIMITS["connection_limit"] // 2):
                opened.enter_context(dial(endpoint))
            assert get(endpoint.url, "/healthz") == 200
        held.let_go.set()
        assert scraper.getresponse().status == 200


def test_many_who_answer_wake_the_loop_once_until_it_looks(endpoint):
    """Each byte that wakes it is a switch of threads for those that wait to write theirs."""
    server = endpoint._servers[0]
    ask, turn, looks, goes_on = server.readable, server.pull_trigger, threading.Event(), threading.Event()
    written = []

    def look_and_wait():
        answer = ask()
        looks.set()
        assert goes_on.wait(PATIENCE)
        return answer

    server.readable = look_and_wait
    turn()
    assert looks.wait(PATIENCE)
    server.trigger._physical_pull = lambda: written.append("a byte")
    for _ in range(3):
        turn()
    assert written == ["a byte"]
    del server.trigger._physical_pull
    server.readable = ask
    goes_on.set()
    assert get(endpoint.url, "/healthz") == 200


def test_who_is_hung_up_on_for_another_goes_before_there_is_no_room_which_is_no_news(
    endpoint, monkeypatch, caplog
):
    monkeypatch.setattr(module, "SOON", 0.0)
    with contextlib.ExitStack() as held:
        for _ in range(2 * LIMITS["connection_limit"]):
            held.enter_context(dial(endpoint))
        assert get(endpoint.url, "/healthz") == 200
        endpoint.close()
    assert not caplog.records


@pytest.mark.parametrize("late", ["who answers", "who closes"])
def test_whoever_wakes_the_loop_as_the_endpoint_closes_does_so_before_it_has_ended(endpoint, late):
    """By a pipe, whose number may be that of a file of the program's once it is closed."""
    server = endpoint._servers[0]
    pull, waking, goes_on = server.trigger._physical_pull, threading.Event(), threading.Event()

    def pull_late():
        server.trigger._physical_pull = pull  # the next ones are as ever
        waking.set()
        assert goes_on.wait(10)
        os.fstat(server.trigger.trigger)
        pull()

    server.trigger._physical_pull = pull_late
    first, second = server.pull_trigger, endpoint.close
    if late == "who closes":
        first, second = second, first
    with ThreadPoolExecutor(2) as beside:
        woken = beside.submit(first)
        assert waking.wait(10)
        other = beside.submit(second)
        endpoint._thread.join(0.1)
        goes_on.set()
        woken.result(10)
        other.result(10)
