"""A server that was served and closed goes with its last reference, and its series with it."""

import gc
import time
import weakref

from prometheus_client import CollectorRegistry

import socketscope
from socketscope.serve.mixin import service_of
from tests.faults.library.running import HOST, Echo, ask, count, make, running, subclass, wait_for


def test_no_collection_is_needed():
    server = make(Echo)
    registry = service_of(server).options.registry
    assert registry is not None
    gc.collect()
    gc.disable()
    try:
        with running(server):
            ask(server)
        gone = weakref.ref(server)
        del server
        until = time.monotonic() + 10
        while gone() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert gone() is None
        assert registry.get_sample_value("socketserver_connections_open", {"listener": "tcp"}) is None
    finally:
        gc.enable()


def test_a_server_that_is_held_has_its_series_after_a_later_one_of_its_name_is_gone():
    kind = subclass(socketscope.ThreadingTCPServer)
    with running(kind(HOST, Echo)) as first:
        ask(first)
    with running(kind(HOST, Echo)) as second:
        ask(second)
    assert count(first, "connections_accepted_total") == 2
    gone = weakref.ref(second)
    del second
    wait_for(lambda: (gc.collect(), gone())[1] is None, "it is gone")
    assert count(first, "connections_accepted_total") == 2


def test_of_servers_that_have_all_closed_is_told_that_they_were_stopped():
    registry = CollectorRegistry()
    limits = {"max_connections": 7}
    kind = subclass(socketscope.ThreadingTCPServer, registry=registry, limits=limits)

    def told():
        value = registry.get_sample_value
        return value("socketserver_draining"), value("socketserver_connections_limit")

    held = []
    for _ in range(2):
        held.append(kind(HOST, Echo))
        with running(held[-1]):
            assert told() == (0, 7)
        assert told() == (1, 7)
    # What is shown is what the program holds.
    held.clear()
    wait_for(lambda: (gc.collect(), told())[1] == (0, 0), "they are gone")
