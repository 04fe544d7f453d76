"""Connections that a hook has handed on to who wraps them for TLS."""

import gc
import ssl
import threading
from typing import Any

import pytest

from socketscope import ThreadingTCPServer
from socketscope.serve.mixin import service_of
from tests.faults.library.running import (
    PATIENCE,
    Echo,
    connect,
    count,
    ended,
    figures,
    make,
    running,
    secured,
    wait_for,
)
from tests.threads import in_a_thread


class HandingOn(ThreadingTCPServer):
    """Has another thread wrap a connection and see to it, before its hook returns or once it has."""

    context: ssl.SSLContext
    early: bool
    see_to_it: Any

    def process_request(self, request, client_address):
        self.wrapped = threading.Event()
        service: Any = service_of(self)
        (record,) = service.totals.records

        def wait_until_the_hook_has_returned():
            wait_for(lambda: record.left or record.closed, "the hook has returned")

        def wrap():
            if not self.early:
                wait_until_the_hook_has_returned()
            try:
                tls = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
            finally:
                self.wrapped.set()
            if self.early:
                wait_until_the_hook_has_returned()
            self.see_to_it(tls, client_address)

        in_a_thread(wrap)
        if self.early:
            assert self.wrapped.wait(PATIENCE)


def by_the_server(server):
    return server.process_request_thread


def by_itself(_server):
    def serve(request, _client_address):
        while data := request.recv(100):
            request.sendall(data)
        request.unwrap().close()

    return serve


def dropping(server):
    answered = threading.Event()

    def serve(request, _client_address):
        request.sendall(request.recv(100))
        answered.set()

    server.answered = answered
    return serve


@pytest.fixture(params=[True, False], ids=["early", "late"])
def server(server_context, request):
    server = make(Echo, HandingOn)
    server.context, server.early = server_context, request.param
    with running(server):
        yield server


@pytest.mark.parametrize("way", [by_the_server, by_itself])
def test_they_are_seen_to_their_end(server, client_context, way):
    server.see_to_it = way(server)
    with secured(server, client_context) as client:
        client.sendall(b"one")
        assert client.recv(100) == b"one"
        assert figures(server).open == 1
        client.unwrap()
    ended(server, "ok")
    assert service_of(server).capacity.taken == 0
    assert count(server, "received_bytes_total") == count(server, "sent_bytes_total") == 3


@pytest.mark.filterwarnings("ignore:unclosed")
def test_who_drops_one_has_ended_it(server, client_context):
    server.see_to_it = dropping(server)
    with secured(server, client_context) as client:
        client.sendall(b"one")
        assert client.recv(100) == b"one"
        assert server.answered.wait(PATIENCE)
        wait_for(lambda: gc.collect() is None or not figures(server).open, "it is dropped")
    ended(server, "ok")


def test_a_handshake_that_fails_ends_it(server):
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        ended(server, "tls_error")
