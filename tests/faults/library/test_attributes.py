"""The attributes of the standard library's servers keep their meaning, or what docs/socketserver.md says."""

import socket
import socketserver
import threading
import time
from contextlib import ExitStack

import pytest

import socketscope
from socketscope.serve.mixin import service_of
from tests.threads import ends, in_a_thread

from .running import (
    PATIENCE,
    Echo,
    Reply,
    ask,
    count,
    figures,
    make,
    observed,
    running,
    subclass,
    udp_client,
    wait_for,
)

SHORT = 0.3


def bound(base, handler=Echo, address=("127.0.0.1", 0), limits=None, **attributes):
    """Return a server of a class with these attributes."""
    return type("Server", (subclass(base, limits=limits or {}),), attributes)(address, handler)


def test_address_family():
    with bound(socketscope.ThreadingTCPServer, address=("::1", 0), address_family=socket.AF_INET6) as server:
        assert server.socket.family == socket.AF_INET6
        assert server.server_address[0] == "::1"


@pytest.mark.parametrize(("given", "limit"), [({}, 1024), ({"request_queue_size": 7}, 7)])
def test_request_queue_size(given, limit):
    with bound(socketscope.ThreadingTCPServer, **given) as server:
        assert count(server, "accept_queue_limit") == limit


@pytest.mark.parametrize("name", ["allow_reuse_address", "allow_reuse_port"])
@pytest.mark.parametrize("base", [socketscope.ThreadingTCPServer, socketscope.ThreadingUDPServer])
@pytest.mark.parametrize("reuse", [True, False])
def test_allow_reuse(base, name, reuse):
    option = socket.SO_REUSEADDR if name == "allow_reuse_address" else socket.SO_REUSEPORT
    with bound(base, **{name: reuse}) as server:
        assert bool(server.socket.getsockopt(socket.SOL_SOCKET, option)) == reuse


def test_addresses_of_tcp_are_reused_unless_told_otherwise():
    assert socketscope.ThreadingTCPServer.allow_reuse_address
    assert not socketscope.ThreadingUDPServer.allow_reuse_address


def test_case_25_a_datagram_longer_than_max_packet_size_is_dropped_and_counted():
    server = bound(socketscope.ThreadingUDPServer, Reply, max_packet_size=10)
    with running(server), udp_client() as client:
        for data in (b"x" * 11, b"y" * 10):
            client.sendto(data, server.server_address)
        assert client.recv(100) == b"y" * 10
        # Another thread may be about to count it; the reply that came later says nothing of that.
        wait_for(lambda: figures(server).outcomes["truncated"] == 1, "the count")


def test_timeout_is_that_of_handle_request():
    timeouts = []
    with bound(
        socketscope.ThreadingTCPServer, timeout=SHORT, handle_timeout=lambda _: timeouts.append(1)
    ) as server:
        began = time.monotonic()
        server.handle_request()
        assert time.monotonic() - began >= SHORT
        assert timeouts == [1]
        with socket.create_connection(server.server_address, timeout=PATIENCE) as client:
            server.handle_request()
            client.sendall(b"one")
            assert client.recv(10) == b"one"


@pytest.mark.parametrize("daemon_threads", [True, False])
@pytest.mark.parametrize("block_on_close", [True, False])
def test_closing_waits_for_handlers_unless_told_not_to(daemon_threads, block_on_close):
    left, checked = threading.Event(), threading.Event()

    class Slow(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1)
            checked.wait(SHORT if block_on_close else PATIENCE)
            left.set()

    server = bound(
        socketscope.ThreadingTCPServer, Slow, daemon_threads=daemon_threads, block_on_close=block_on_close
    )
    in_a_thread(server.serve_forever)
    with socket.create_connection(server.server_address, timeout=PATIENCE) as client:
        client.sendall(b"x")
        wait_for(lambda: figures(server).accepted, "its handler")
        server.shutdown()
        server.server_close()
        assert left.is_set() == block_on_close
        checked.set()
        assert left.wait(PATIENCE)


@pytest.mark.parametrize("observed_later", [False, True])
def test_daemon_threads_is_asked_of_the_server_for_each_thread(observed_later):
    seen = []

    class Notes(Echo):
        def handle(self):
            seen.append(threading.current_thread().daemon)
            super().handle()

    if observed_later:
        server = observed(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Notes), threads="per-connection")
    else:
        server = subclass(socketscope.ThreadingTCPServer, threads="per-connection")(("127.0.0.1", 0), Notes)
    with running(server):
        for daemonic in (True, False, True):
            server.daemon_threads = daemonic
            assert ask(server) == b"x"
    assert seen == [True, False, True]


@pytest.mark.parametrize("interval", [None, 0, 1e6])
@pytest.mark.parametrize("serial", [True, False])
def test_whatever_the_poll_interval_is_clients_are_served_and_a_shutdown_ends_it(interval, serial):
    address = "127.0.0.1", 0
    server = observed(socketserver.TCPServer(address, Echo)) if serial else make(Echo)
    with server:
        thread = in_a_thread(server.serve_forever, interval)
        assert ask(server) == b"x"
        server.shutdown()
        ends(thread)


@pytest.mark.parametrize("clients", [0, 1])
def test_a_shutdown_does_not_wait_for_the_poll_interval(clients):
    with bound(socketscope.ThreadingTCPServer) as server, ExitStack() as connected:
        in_a_thread(server.serve_forever, PATIENCE)
        wait_for(service_of(server).serving.is_set, "it serves")
        for _ in range(clients):
            connected.enter_context(socket.create_connection(server.server_address))
        wait_for(lambda: figures(server).open == clients, "whoever is served")
        time.sleep(SHORT)  # nobody looks any more
        began = time.monotonic()
        server.shutdown()
        assert time.monotonic() - began < PATIENCE / 4


def test_service_actions_are_called_once_an_interval():
    calls, interval, number = [], 0.01, 50
    with bound(
        socketscope.ThreadingTCPServer, service_actions=lambda _: calls.append(time.monotonic())
    ) as server:
        began = time.monotonic()
        in_a_thread(server.serve_forever, interval)
        # At the default interval it would take longer than is waited for.
        wait_for(lambda: len(calls) > number, "so many calls")
        server.shutdown()
    assert calls[number] - began >= number * interval
