import socket
import socketserver
import ssl
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from socketscope import ThreadingTCPServer, ThreadingUDPServer, ThreadingUnixDatagramServer, observe
from socketscope.identity import Identity
from socketscope.observe.distribution import Distribution
from socketscope.serve.mixin import service_of
from socketscope.views import families, instruments
from socketscope.views.metrics import MetricsView, view_of
from tests.threads import ends, in_a_thread


def server(registry: CollectorRegistry, port: int = 0) -> ThreadingTCPServer:
    class Listener(ThreadingTCPServer, registry=registry):
        pass

    return Listener(("127.0.0.1", port), socketserver.BaseRequestHandler)


def test_what_it_describes_is_what_it_collects():
    described = {(family.name, family.type) for family in MetricsView().describe()}
    assert described == {(family.name, family.type) for family in MetricsView().collect()}


def test_a_scrape_finds_a_metric_by_its_name():
    registry = CollectorRegistry()
    with server(registry):
        name = "socketserver_connections_accepted_total"
        page = generate_latest(registry.restricted_registry([name])).decode()
    assert [line for line in page.splitlines() if line[0] != "#"] == [f'{name}{{listener="tcp"}} 0.0']


def test_a_histograms_buckets_hold_all_that_is_within_their_edges():
    distribution = Distribution()
    distribution.observe_sorted([0.001, 0.002, 20.0])
    samples = families.family(instruments.HANDLE, [(("tcp",), distribution)]).samples
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name.endswith("_bucket")}
    assert [buckets[edge] for edge in ("0.0005", "0.001", "0.0025", "10.0", "+Inf")] == [0, 1, 2, 2, 3]
    sums = {sample.name.rpartition("_")[2]: sample.value for sample in samples if "le" not in sample.labels}
    assert sums == {"count": 3, "sum": pytest.approx(20.003)}


def test_a_registry_is_asked_for_names_and_not_for_figures(monkeypatch):
    monkeypatch.setattr(MetricsView, "collect", lambda _: pytest.fail("was collected"))
    view_of(CollectorRegistry(auto_describe=True))


def test_a_clash_of_names_is_refused_each_time_and_leaves_nothing_open():
    registry = CollectorRegistry()
    Gauge("socketserver_threads", "of the user's own", registry=registry)
    with server(CollectorRegistry()) as free:
        port = free.server_address[1]
    for _ in range(2):
        with pytest.raises(ValueError, match="no room in the registry: .*socketserver_threads"):
            server(registry, port)


def test_servers_of_one_registry_have_names_of_their_own_in_it():
    registry = CollectorRegistry()
    with server(registry) as one, server(registry) as two:
        assert (service_of(one).name, service_of(two).name) == ("tcp", "tcp-2")


def test_a_server_that_listens_again_has_none_of_the_figures_of_who_has_its_name_by_now():
    registry = CollectorRegistry()
    with server(registry) as one, server(registry) as two:
        one.server_close()
        with server(registry) as heir:
            one.socket = socket.socket()
            one.server_bind()
            one.server_activate()
            services: list[Any] = [service_of(each) for each in (heir, two, one)]
            assert [service.name for service in services] == ["tcp", "tcp-2", "tcp-3"]
            services[0].totals.reject("capacity")
            figures = [service.totals.snapshot() for service in services]
            assert [each.rejected["capacity"] for each in figures] == [1, 0, 0]


def test_a_server_that_listens_again_has_its_name_to_itself_again():
    registry = CollectorRegistry()
    with server(registry) as one:
        one.server_close()
        one.socket = socket.socket()
        one.server_bind()
        one.server_activate()
        with server(registry) as two:
            assert (service_of(one).name, service_of(two).name) == ("tcp", "tcp-2")


def test_a_server_of_another_kind_that_takes_the_name_of_one_that_has_closed_begins_at_zero():
    registry, held = CollectorRegistry(), []
    for kind in (ThreadingTCPServer, ThreadingUDPServer, ThreadingTCPServer):
        with kind(("127.0.0.1", 0), socketserver.BaseRequestHandler) as one:
            observe(one, listener="mine", registry=registry)
            held.append(one)  # else its figures would be gone
            assert registry.get_sample_value("socketserver_received_bytes_total", {"listener": "mine"}) == 0


def test_only_of_udp_it_is_told_what_the_kernel_has_dropped(tmp_path):
    registry = CollectorRegistry()
    with (
        ThreadingUDPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as udp,
        ThreadingUnixDatagramServer(str(tmp_path / "socket"), socketserver.BaseRequestHandler) as unixgram,
    ):
        for each in (udp, unixgram):
            observe(each, registry=registry)
        lost = (
            registry.get_sample_value("socketserver_datagrams_lost_total", {"listener": name})
            for name in ("udp", "unixgram")
        )
        assert list(lost) == [0, None]


def test_a_process_drains_as_soon_as_one_of_its_servers_does():
    registry = CollectorRegistry()
    with server(registry), server(registry) as two:
        assert registry.get_sample_value("socketserver_draining") == 0
        service_of(two).stop()
        assert registry.get_sample_value("socketserver_draining") == 1


def test_the_certificate_of_a_server_that_has_closed_is_told_of_no_more():
    registry = CollectorRegistry()

    def told():
        name = "socketserver_tls_certificate_expiry_timestamp_seconds"
        return registry.get_sample_value(name, {"listener": "tcp"})

    with server(registry) as one:
        service_of(one).encryption._identity = Identity(ssl.create_default_context(), 5.0)
        assert told() == 5.0
    assert told() is None


def test_a_finalizer_may_close_a_server_amid_a_scrape(monkeypatch):
    registry, shown = CollectorRegistry(), MetricsView._shown
    dropped = server(registry)

    def finalize(view):
        dropped.server_close()
        return shown(view)

    monkeypatch.setattr(MetricsView, "_shown", finalize)
    ends(in_a_thread(generate_latest, registry))
