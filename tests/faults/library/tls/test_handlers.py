"""Handlers of the standard library under TLS, on servers that are wrapped as the standard library's are."""

import contextlib
import socket
import socketserver
import ssl
import threading
import time

from socketscope import ThreadingTCPServer
from socketscope.serve.mixin import service_of
from tests.faults.library.running import (
    PATIENCE,
    count,
    ended,
    figures,
    make,
    running,
    secured,
    stop,
    wait_for,
)
from tests.faults.server.process import read_all
from tests.threads import in_a_thread

SHORT = 0.5
ALERT = b"\x15"
HANDSHAKE = 2.0
"""Seconds; many times as long as a handshake takes."""


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class WrappingServer(ThreadingTCPServer):
    """Wraps each connection by itself, the other way that there is."""

    context: ssl.SSLContext

    def get_request(self):
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True), address


def test_what_the_handler_sees_is_counted_and_the_end_is_told(server_context, client_context):
    with running(make(Lines), server_context) as server, secured(server, client_context) as client:
        for _ in range(2):
            client.sendall(b"one line\n")
            assert client.recv(100) == b"ONE LINE\n"
        wait_for(lambda: count(server, "exchanges_total") == 2, "the last exchange, while the client waits")
        client.unwrap()
        client.close()
        ended(server, "ok")
        assert count(server, "received_bytes_total") == count(server, "sent_bytes_total") == 18
        assert count(server, "exchanges_total") == count(server, "response_duration_seconds_count") == 2


def test_what_openssl_has_read_and_the_handler_has_not_does_not_cost_the_reply(
    server_context, client_context
):
    class One(socketserver.StreamRequestHandler):
        rbufsize = 8192

        def handle(self):
            self.wfile.write(self.rfile.readline())

    with running(make(One), server_context) as server, secured(server, client_context) as client:
        client.sendall(b"x\n" + bytes(12_000))  # in one record, longer than what a file object asks for
        # A reset would end this with an error before the reply is looked for.
        for _ in range(5):
            time.sleep(0.05)
            client.sendall(bytes(1000))
        assert client.recv(100) == b"x\n"
        assert client.recv(100) == b""
        ended(server, "ok")


def test_connections_that_are_wrapped_one_by_one_are_observed_too(server_context, client_context):
    server = make(Lines, WrappingServer)
    server.context = server_context
    with running(server), secured(server, client_context) as client:
        client.sendall(b"x\n")
        assert client.recv(100) == b"X\n"
        client.unwrap()
        client.close()
        ended(server, "ok")
        assert count(server, "received_bytes_total") == 2


def test_a_peer_that_does_no_handshake_holds_up_nobody_and_is_cut_at_the_read_deadline(
    server_context, client_context
):
    with running(make(Lines, read_timeout=HANDSHAKE), server_context) as server:
        mute = [socket.create_connection(server.server_address, timeout=PATIENCE) for _ in range(20)]
        with secured(server, client_context) as client:
            client.sendall(b"x\n")
            assert client.recv(100) == b"X\n"
        for peer in mute:
            # TLS tells it why.
            assert read_all(peer)[:1] in {b"", ALERT}
            peer.close()
        assert figures(server).closed["empty"] == 20


def test_what_a_handler_does_between_the_handshake_and_its_first_read_is_not_its_clients_time(
    server_context, client_context
):
    worked = threading.Event()

    class Works(Lines):
        def handle(self):
            time.sleep(HANDSHAKE + SHORT)
            worked.set()
            super().handle()

    with (
        running(make(Works, read_timeout=HANDSHAKE), server_context) as server,
        secured(server, client_context) as client,
    ):
        assert worked.wait(PATIENCE)
        client.sendall(b"x\n")
        assert client.recv(100) == b"X\n"


def test_a_peer_that_never_ends_its_handshake_is_forced_by_the_drain(server_context):
    with running(make(Lines, drain_timeout=SHORT), server_context) as server:
        with socket.create_connection(server.server_address, timeout=PATIENCE):
            wait_for(lambda: figures(server).open, "it is open")
            assert stop(server) < PATIENCE / 4
            assert service_of(server).forced == 1
        ended(server, "forced")


def test_a_slow_handshake_is_waited_for_where_each_connection_is_wrapped(server_context, client_context):
    server = make(Lines, WrappingServer)
    server.context = server_context
    with running(server), socket.create_connection(server.server_address, timeout=PATIENCE) as plain:
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = client_context.wrap_bio(inward, outward, server_hostname="localhost")
        done = False
        while not done:
            try:
                peer.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            if outward.pending:
                time.sleep(SHORT)
                plain.sendall(outward.read())
            if not done:
                inward.write(plain.recv(65536))
        peer.write(b"x\n")
        plain.sendall(outward.read())
        answer = b""
        while not answer:
            inward.write(plain.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer = peer.read(100)
        assert answer == b"X\n"


def test_a_hook_has_the_socket_of_a_handshake_that_was_forced(server_context, client_context, monkeypatch):
    begun, goes_on, given = threading.Event(), threading.Event(), []

    class Noting(ThreadingTCPServer):
        def shutdown_request(self, request):
            given.append(isinstance(request, ssl.SSLSocket))
            super().shutdown_request(request)

    def choose(*_):
        begun.set()
        goes_on.wait(PATIENCE)

    def shake_hands():
        with contextlib.suppress(OSError), secured(server, client_context):
            pass

    monkeypatch.setattr(server_context, "sni_callback", choose)
    with running(make(Lines, Noting, drain_timeout=0.1), server_context) as server:
        client = in_a_thread(shake_hands)
        assert begun.wait(PATIENCE)
        server.shutdown()
        server.server_close()
        goes_on.set()
        client.join()
        wait_for(lambda: given, "the socket is shut down")
    assert given == [True]
