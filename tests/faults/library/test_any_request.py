"""Requests that are no sockets, as a user's get_request may return them."""

import socket
import socketserver
from typing import Any

import pytest

from socketscope import ThreadingTCPServer, ThreadingUDPServer
from socketscope.serve.mixin import service_of

from .running import (
    PATIENCE,
    Echo,
    Lines,
    connect,
    count,
    ended,
    make,
    observed,
    running,
    stop,
    udp_client,
    wait_for,
)

SHORT = 0.4


class Wrapped:
    """What the standard library's servers and handlers need of a request, and no more."""

    def __init__(self, sock):
        self._sock = sock
        self.close, self.fileno = sock.close, sock.fileno
        self.recv, self.sendall, self.shutdown = sock.recv, sock.sendall, sock.shutdown


class Wrapping(ThreadingTCPServer):
    def get_request(self):
        request, client_address = super().get_request()
        return Wrapped(request), client_address


def test_they_are_served_and_refused_as_sockets_are(capfd):
    with running(make(Echo, Wrapping, max_connections=1)) as server:
        for number in (1, 2):
            with connect(server) as client:
                client.sendall(b"x")
                assert client.recv(10) == b"x"
                with connect(server) as other:
                    assert other.recv(10) == b""
            ended(server, "ok", number)  # so that there is room again
        assert count(server, "received_bytes_total") == count(server, "sent_bytes_total") == 2
        assert count(server, "exchanges_total") == 2
    assert capfd.readouterr().err == ""


def test_one_that_was_handed_on_ends_when_the_servers_own_method_closes_it():
    kept = []

    class Keeping(Wrapping):
        def process_request(self, request, _client_address):
            kept.append(request)

    with running(make(Echo, Keeping)) as server, connect(server):
        service: Any = service_of(server)
        wait_for(lambda: service._elsewhere.records, "the return of the hook")
        server.shutdown_request(kept[0])
        ended(server, "empty")


class Slotted:
    """Has a socket in it, and can neither be changed nor weakly referenced."""

    __slots__ = ("_sock",)

    def __init__(self, sock):
        self._sock = sock

    def __getattr__(self, name):
        return getattr(self._sock, name)


class WrappingInSlots(ThreadingTCPServer):
    def get_request(self):
        request, client_address = super().get_request()
        return Slotted(request), client_address


@pytest.mark.parametrize(
    ("sent", "limits", "outcome"),
    [
        (b"half", {"read_timeout": SHORT}, "read_timeout"),
        (b"whole\n", {"idle_timeout": SHORT}, "idle_timeout"),
    ],
)
def test_their_deadlines_hold(sent, limits, outcome, capfd):
    with running(make(Lines, WrappingInSlots, **limits)) as server:
        with connect(server) as client:
            client.sendall(sent)
            while client.recv(10):
                pass
        ended(server, outcome)
        assert count(server, "received_bytes_total") == len(sent)
    capfd.readouterr()


def test_a_stop_finds_them_idle():
    with running(make(Lines, WrappingInSlots, drain_timeout=PATIENCE)) as server, connect(server) as client:
        client.sendall(b"whole\n")
        assert client.recv(10) == b"whole\n"
        assert stop(server) < PATIENCE / 4
        ended(server, "ok")


def test_a_server_without_a_socket_is_served_as_fast_as_its_requests_come():
    class Pairs(socketserver.BaseServer):
        """Its clients are at the other ends of pairs."""

        def __init__(self):
            super().__init__("pairs", Echo)
            self.waiting, self.ours = socket.socketpair(), []

        def fileno(self):
            return self.waiting[0].fileno()

        def get_request(self):
            self.waiting[0].recv(1)
            return self.ours.pop(), "a pair"

        def close_request(self, request):
            request.close()

        def server_close(self):
            for end in self.waiting:
                end.close()

        def call(self):
            mine, theirs = socket.socketpair()
            self.ours.append(theirs)
            self.waiting[1].send(b"x")
            return mine

    class Threading(socketserver.ThreadingMixIn, Pairs):
        pass

    with running(observed(Threading())) as server:
        for _ in range(2):
            clients = [server.call() for _ in range(4)]
            for client in clients:
                with client:
                    client.settimeout(PATIENCE)
                    client.sendall(b"x")
                    assert client.recv(1) == b"x"
                    client.shutdown(socket.SHUT_WR)
        ended(server, "ok", 8)


def test_datagrams_of_another_form_are_served():
    class Counting(ThreadingUDPServer):
        def get_request(self):
            (data, sock), client_address = super().get_request()
            return {"data": data, "socket": sock}, client_address

    class Answering(socketserver.BaseRequestHandler):
        def handle(self):
            self.request["socket"].sendto(self.request["data"], self.client_address)

    with running(make(Answering, Counting)) as server, udp_client() as client:
        for _ in range(2):
            client.sendto(b"x", server.server_address)
            assert client.recv(1) == b"x"


class Bytes(socketserver.BaseServer):
    """Its requests are single bytes, which can neither be closed nor weakly referenced."""

    def __init__(self):
        super().__init__("bytes", None)
        self.ends, self.done = socket.socketpair(), []

    def fileno(self):
        return self.ends[0].fileno()

    def get_request(self):
        return self.ends[0].recv(1), None

    def process_request(self, request, _client_address):
        self.done.append(request)

    def server_close(self):
        for end in self.ends:
            end.close()


def test_what_tells_nobody_of_its_end_has_ended_with_its_hook():
    with running(observed(Bytes(), limits={"max_connections": 2})) as server:
        for number in range(1, 6):
            server.ends[1].send(b"x")
            ended(server, "empty", number)
        assert server.done == [b"x"] * 5
