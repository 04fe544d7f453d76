"""A handler that has its own connection go on under TLS, as those of SMTP, IMAP and LDAP do."""

import contextlib
import socketserver
import ssl

import pytest

from socketscope import ThreadingTCPServer
from socketscope.serve.mixin import service_of
from socketscope.serve.threads import linger
from tests.faults.library.running import (
    PATIENCE,
    connect,
    count,
    ended,
    figures,
    handling,
    logged,
    secured,
    serving,
    stop,
    wait_for,
)
from tests.faults.server.process import read_all

SHORT = 0.4
ALERT = b"\x15"
GO_ON = b"220 go ahead\r\n"


@pytest.fixture
def lines(server_context):
    class Lines(socketserver.StreamRequestHandler):
        def handle(self):
            assert self.rfile.readline() == b"STARTTLS\r\n"
            self.wfile.write(GO_ON)
            with server_context.wrap_socket(self.request, server_side=True) as self.request:
                super().setup()
                for line in self.rfile:
                    self.wfile.write(line.upper())

    return Lines


def opened(server):
    return list(service_of(server).totals.records)


class InPlace(ThreadingTCPServer):
    """Serves in its hook."""

    def process_request(self, request, client_address):
        self.finish_request(request, client_address)
        self.shutdown_request(request)


@contextlib.contextmanager
def upgraded(server, client_context):
    plain = connect(server)
    plain.sendall(b"STARTTLS\r\n")
    assert plain.recv(100) == GO_ON
    with client_context.wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(b"one line\n")
        assert client.recv(100) == b"ONE LINE\n"
        yield client


@pytest.mark.parametrize("base", [ThreadingTCPServer, InPlace])
def test_it_is_seen_before_and_after(lines, client_context, base):
    with serving(lines, base) as server:
        with upgraded(server, client_context):
            pass
        ended(server, "ok")
        assert count(server, "received_bytes_total") == len(b"STARTTLS\r\none line\n")
        assert count(server, "sent_bytes_total") == len(GO_ON + b"ONE LINE\n")
        assert count(server, "exchanges_total") == 2


def test_its_deadlines_hold(lines, client_context, capfd):
    with serving(lines, idle_timeout=SHORT) as server, upgraded(server, client_context) as client:
        logged(server)
        assert client.recv(1) == b""
        ended(server, "idle_timeout")
    capfd.readouterr()


def test_a_stop_finds_it_idle(lines, client_context):
    with serving(lines, drain_timeout=PATIENCE) as server, upgraded(server, client_context) as client:
        assert stop(server) < PATIENCE / 4
        assert service_of(server).forced == 0
        assert client.recv(1) == b""
        ended(server, "ok")


def test_a_peer_that_does_no_handshake_is_cut_at_the_end_of_a_stop(server_context):
    class Wraps(socketserver.BaseRequestHandler):
        def handle(self):
            server_context.wrap_socket(self.request, server_side=True)

    with serving(Wraps, drain_timeout=SHORT, drain_grace=PATIENCE) as server, connect(server) as client:
        wait_for(lambda: [each for each in opened(server) if isinstance(each.socket, ssl.SSLSocket)], "it")
        server.shutdown()
        server.server_close()
        assert read_all(client)[:1] in {b"", ALERT}
        ended(server, "forced")


@pytest.fixture
def plain_again(server_context):
    class PlainAgain(socketserver.BaseRequestHandler):
        def handle(self):
            with server_context.wrap_socket(self.request, server_side=True) as request:
                self.request = request
                assert request.recv(100) == b"secret"
                request.sendall(b"secret")
                plain = request.unwrap()
                while data := plain.recv(100):
                    plain.sendall(data)

    return PlainAgain


@contextlib.contextmanager
def talked(server, client_context):
    client = secured(server, client_context)
    client.sendall(b"secret")
    assert client.recv(100) == b"secret"
    with client:
        yield client


def test_it_is_seen_also_once_tls_has_ended(plain_again, client_context):
    with serving(plain_again) as server:
        with talked(server, client_context) as client:
            client.unwrap()
            for _ in range(2):
                client.sendall(b"plain")
                assert client.recv(100) == b"plain"
        ended(server, "ok")
        assert count(server, "received_bytes_total") == count(server, "sent_bytes_total") == 16
        assert count(server, "exchanges_total") == 3


def test_deadlines_hold_once_tls_has_ended(plain_again, client_context, capfd):
    with serving(plain_again, idle_timeout=SHORT) as server:
        with talked(server, client_context) as client:
            client.unwrap()
            assert client.recv(1) == b""
        ended(server, "idle_timeout")
    capfd.readouterr()


def test_a_peer_that_does_not_end_tls_too_is_cut_in_time(plain_again, client_context, capfd):
    with serving(plain_again, idle_timeout=SHORT) as server, talked(server, client_context):
        ended(server, "idle_timeout")
    capfd.readouterr()


def test_it_may_be_wrapped_again(server_context, client_context):
    def handle(connection):
        for _ in range(2):
            connection = server_context.wrap_socket(connection, server_side=True)
            connection.sendall(connection.recv(100))
            connection = connection.unwrap()
        connection.close()

    with serving(handling(handle)) as server:
        client = connect(server)
        for _ in range(2):
            client = client_context.wrap_socket(client, server_hostname="localhost")
            client.sendall(b"secret")
            assert client.recv(100) == b"secret"
            client = client.unwrap()
        client.close()
        ended(server, "ok")
        assert count(server, "received_bytes_total") == count(server, "sent_bytes_total") == 12


@pytest.mark.parametrize("sent", [b"x", b"x, and what nobody reads"])
def test_what_an_override_wraps_and_closes_has_ended_when_it_returns(
    server_context, client_context, sent, monkeypatch
):
    monkeypatch.setattr(linger, "SECONDS", PATIENCE)

    class Server(ThreadingTCPServer):
        def serve_forever(self, _poll_interval=None):
            super().serve_forever(2 * PATIENCE)  # what is merely dropped ends at an interval's end

        def process_request_thread(self, request, client_address):
            request = server_context.wrap_socket(request, server_side=True)
            self.finish_request(request, client_address)
            self.shutdown_request(request)

    with serving(handling(lambda request: request.sendall(request.recv(1))), Server) as server:
        with secured(server, client_context) as client:
            client.sendall(sent)
            assert [client.recv(10), client.recv(10)] == [b"x", b""]
            ended(server, "ok")
        assert figures(server).handle.sum < linger.SECONDS / 2
