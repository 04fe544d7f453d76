import contextlib
import http.client
import resource
import socket
import threading
import warnings
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

from socketscope.views.endpoint import Endpoint

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


def test_ready_or_not():
    ready = True
    endpoint = Endpoint("127.0.0.1", 0, CollectorRegistry(), lambda: ready)
    assert get(endpoint.url, "/readyz") == 200
    ready = False
    assert get(endpoint.url, "/readyz") == 503
    assert get(endpoint.url, "/healthz") == 200
    endpoint.close()


def test_it_closes_while_a_scraper_keeps_its_connection():
    endpoint = Endpoint("127.0.0.1", 0, CollectorRegistry(), lambda: True)
    where = urlsplit(endpoint.url)
    scraper = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    scraper.request("GET", "/metrics")
    scraper.getresponse().read()
    closing = threading.Thread(target=endpoint.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    scraper.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((where.hostname, where.port), timeout=10)


def test_a_name_with_two_addresses_is_bound():
    endpoint = Endpoint("localhost", 0, CollectorRegistry(), lambda: True)
    assert get(endpoint.url, "/healthz") == 200
    endpoint.close()


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
