"""What a TLS peer sees of an end that the server's side brought about: an end, no alert."""

import socketserver

import pytest

from socketscope import observe
from tests.faults.library.running import HOST, Echo, asked, connect, ended, handling, make, running
from tests.threads import in_a_thread


@pytest.mark.parametrize("timeout", [None, 30])
def test_a_passed_deadline_is_an_end(server_context, client_context, timeout):
    class Handler(Echo):
        def setup(self):
            self.request.settimeout(timeout)

    with running(make(Handler, idle_timeout=0.3), server_context) as server:
        with asked(server, client_context) as client:
            assert client.recv(100) == b""
        ended(server, "idle_timeout")


def test_a_drain_is_an_end(server_context, client_context):
    with running(make(Echo), server_context) as server, asked(server, client_context) as client:
        in_a_thread(server.server_close)
        assert client.recv(100) == b""


def test_who_is_amid_a_handshake_at_a_drain_has_done_nothing_wrong(server_context):
    with running(make(Echo, drain_grace=0.0), server_context) as server, connect(server) as client:
        client.sendall(b"\x16\x03\x01")  # the head of a handshake
        in_a_thread(server.server_close)
        while client.recv(100):  # OpenSSL says something of it
            pass
        ended(server, "empty")


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_handlers_return_is_an_end_with_or_without_threads(base, server_context, client_context):
    server = observe(base(HOST, handling(lambda request: request.sendall(request.recv(1)))))
    with running(server, server_context), asked(server, client_context) as client:
        assert client.recv(100) == b""


def test_a_handlers_own_timeout_is_as_ever(server_context, client_context):
    class Handler(Echo):
        def handle(self):
            self.request.settimeout(0.1)
            self.request.sendall(self.request.recv(1))
            try:
                self.request.recv(1)
            except TimeoutError as error:
                self.request.sendall(str(error).encode())

    with running(make(Handler), server_context) as server, asked(server, client_context) as client:
        assert client.recv(100) == b"The read operation timed out"
