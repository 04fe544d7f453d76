"""Datagram servers, with handlers that are more than a reply to a request."""

import socket
import socketserver
import sys
import threading
import time
from contextvars import Context
from typing import Any

import pytest

import socketscope
from socketscope.serve.mixin import service_of
from socketscope.serve.threads import loop

from .running import (
    HOST,
    PATIENCE,
    Reply,
    count,
    ended,
    figures,
    logged,
    make,
    observed,
    running,
    serving,
    udp_client,
    wait_for,
)

SHORT = 0.3


def test_a_handler_may_wait_on_its_socket_for_the_next_packet():
    got = []

    class Waits(socketserver.BaseRequestHandler):
        def handle(self):
            data, sock = self.request
            if data == b"first":
                got.append(sock.recvfrom(100)[0])

    with serving(Waits, socketscope.ThreadingUDPServer) as server, udp_client() as client:
        client.sendto(b"first", server.server_address)
        time.sleep(SHORT)  # the client takes its time

        def send_another():
            client.sendto(b"another", server.server_address)
            time.sleep(0.02)  # it is the handler's, or the server's next
            return got

        wait_for(send_another, "the next packet")
        assert got == [b"another"]


def test_a_handler_may_have_a_socket_of_its_own_for_a_conversation():
    class Converses(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.socket(type=socket.SOCK_DGRAM) as mine:
                mine.settimeout(PATIENCE)
                mine.sendto(b"here", self.client_address)
                data, peer = mine.recvfrom(100)
                mine.sendto(data.upper(), peer)

    with serving(Converses, socketscope.ThreadingUDPServer) as server, udp_client() as client:
        client.sendto(b"x", server.server_address)
        here, address = client.recvfrom(100)
        client.sendto(b"hello", address)
        assert (here, client.recv(100)) == (b"here", b"HELLO")
        ended(server, "no_reply")  # by the listener's socket there was none


def test_a_unix_datagram_of_a_sender_without_an_address_reaches_the_handler(tmp_path):
    got = []

    class Collect(socketserver.BaseRequestHandler):
        def handle(self):
            got.append((self.request[0], self.client_address))

    server = make(Collect, socketscope.ThreadingUnixDatagramServer, str(tmp_path / "log"))
    with running(server), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"<13>hello", server.server_address)
        wait_for(lambda: got, "the datagram")
        assert got[0][0] == b"<13>hello"
        assert not got[0][1]
        ended(server, "no_reply")
        assert count(server, "received_bytes_total") == 9


def test_handlers_that_are_slow_are_served_at_once_and_have_their_own_figures():
    meeting = threading.Barrier(5)

    class Meets(socketserver.BaseRequestHandler):
        def handle(self):
            data, sock = self.request
            meeting.wait(PATIENCE)
            sock.sendto(data * len(data), self.client_address)

    with serving(Meets, socketscope.ThreadingUDPServer) as server, udp_client() as client:
        for size in range(1, 6):
            client.sendto(b"x" * size, server.server_address)
        sizes = {len(client.recv(100)) for _ in range(5)}
        assert sizes == {1, 4, 9, 16, 25}
        ended(server, "ok", 5)
        assert (count(server, "received_bytes_total"), count(server, "sent_bytes_total")) == (15, 55)


def test_what_is_above_the_limit_is_dropped_and_counted():
    go_on = threading.Event()

    class Waits(Reply):
        def handle(self):
            go_on.wait(PATIENCE)
            super().handle()

    with serving(Waits, max_connections=2) as server, udp_client() as client:
        for _ in range(5):
            client.sendto(b"x", server.server_address)
        wait_for(lambda: figures(server).outcomes["dropped"] == 3, "the count")
        go_on.set()
        assert [client.recv(10) for _ in range(2)] == [b"x"] * 2
        wait_for(lambda: figures(server).outcomes["ok"] == 2, "the count")


def test_what_the_kernel_dropped_is_counted():
    server = make(Reply)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the kernel's least
    with udp_client() as client:
        for _ in range(100):
            client.sendto(bytes(1000), server.server_address)
        assert count(server, "datagrams_lost_total") > 50
        lost = count(server, "datagrams_lost_total")
        with running(server):
            wait_for(lambda: figures(server).outcomes["ok"] == 100 - lost, "the rest")


def test_a_get_request_of_the_users_own_is_called_for_who_has_come_alone(monkeypatch):
    monkeypatch.setattr(loop, "PROMPT", PATIENCE)
    calls: list[None] = []

    class Counting(socketscope.ThreadingUDPServer):
        def get_request(self):
            calls.append(None)
            return super().get_request()

    with serving(Reply, Counting) as server, udp_client() as client:
        for _ in range(10):
            client.sendto(b"yes", server.server_address)
        assert [client.recv(10) for _ in range(10)] == [b"yes"] * 10
    assert len(calls) == 10


def test_a_request_that_is_the_data_alone_counts_for_its_bytes():
    class Alone(socketscope.ThreadingUDPServer):
        def get_request(self):
            return self.socket.recvfrom(100)

    class Answer(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.socket.sendto(self.request, self.client_address)  # type: ignore[attr-defined]

    with serving(Answer, Alone) as server, udp_client() as client:
        client.sendto(b"hello", server.server_address)
        assert client.recv(10) == b"hello"
        ended(server, "ok")
        assert (figures(server).received, figures(server).sent) == (5, 5)


class Shouts(socket.socket):
    def recvfrom(self, size):  # type: ignore[override]  # as people write it
        data, address = super().recvfrom(size)
        return data.upper(), address


class Wraps:
    """No socket, and has what socketserver asks of one."""

    def __init__(self, sock):
        self._sock = sock

    def recvfrom(self, size):
        data, address = self._sock.recvfrom(size)
        return data.upper(), address

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.mark.parametrize(
    ("kind", "ends"), [(Shouts, "ok"), (lambda fileno: Wraps(socket.socket(fileno=fileno)), "no_reply")]
)
def test_a_listener_that_receives_in_its_own_way_does(kind, ends):
    with make(Reply) as server, udp_client() as client:
        server.socket = kind(fileno=server.socket.detach())
        with running(server):
            for _ in range(2):
                client.sendto(b"yes", server.server_address)
                assert client.recv(10) == b"YES"
            ended(server, ends, 2)  # what passes through no socket is not seen
            assert figures(server).received == 6


def test_a_listener_that_is_wrapped_while_it_serves_receives_in_that_way():
    with serving(Reply, socketscope.ThreadingUDPServer) as server, udp_client() as client:
        server.socket = Wraps(server.socket)
        for _ in range(2):
            client.sendto(b"yes", server.server_address)
            assert client.recv(10) == b"YES"
        ended(server, "ok", 2)


def test_what_a_get_request_of_the_users_own_has_received_was_not_cut_off_however_long_it_is():
    class Long(socketscope.ThreadingUDPServer):
        max_packet_size = 4

        def get_request(self):
            data, address = self.socket.recvfrom(100)
            return (data, self.socket), address

    with serving(Reply, Long) as server, udp_client() as client:
        client.sendto(b"hello", server.server_address)
        assert client.recv(10) == b"hello"
        ended(server, "ok")


def test_a_get_request_that_was_put_on_the_server_just_now_is_not_called_for_nobody():
    with make(Reply) as server:
        service = service_of(server)
        assert service.try_to_receive(server) is None
        server.get_request = lambda: pytest.fail("nobody has come")
        assert service.try_to_receive(server) is None


def test_a_listener_that_was_wrapped_just_now_is_not_asked_for_nobody(capsys):
    with make(Reply) as server:
        server.socket = Wraps(server.socket)  # which takes no flags
        assert service_of(server).try_to_receive(server) is None
    assert capsys.readouterr().err == ""


def test_the_next_is_received_if_there_is_one_and_told_of_once():
    with make(Reply) as server, udp_client() as client:
        service, log = service_of(server), logged(server)
        assert service.try_to_receive(server) is None
        client.sendto(b"yes", server.server_address)
        job: Any = service.try_to_receive(server)
        Context().run(job)
        assert client.recv(10) == b"yes"
        service.end(job.args[-1])
        assert log.lines == [("datagram", "ok")]


def test_of_what_was_cut_off_the_line_tells_no_bytes_as_they_count_nowhere():
    with make(Reply) as server, udp_client() as client:
        server.max_packet_size = 10
        log = logged(server)
        client.sendto(b"x" * 11, server.server_address)
        assert service_of(server).receive(server) is None
        assert (log.lines, log.received) == ([("datagram", "truncated")], [0])
        assert figures(server).received == 0


def test_hooks_of_a_datagram_server_are_called_one_at_a_time():
    inside, most = [0], [0]

    class Hooked(socketscope.ThreadingUDPServer):
        def verify_request(self, request, _client_address):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.002)
            inside[0] -= 1
            return request[0] != b"no"

    with serving(Reply, Hooked) as server, udp_client() as client:
        for data in (b"no", *[b"yes"] * 10):
            client.sendto(data, server.server_address)
        assert [client.recv(10) for _ in range(10)] == [b"yes"] * 10
        wait_for(lambda: sum(figures(server).outcomes.values()) == 11, "the count")
        assert figures(server).outcomes["dropped"] == 1
    assert most == [1]


@pytest.mark.parametrize("base", [socketserver.UDPServer, socketserver.ThreadingUDPServer])
def test_a_taken_port_is_an_error_also_of_a_server_that_is_observed_later(base):
    with base(HOST, Reply) as first, socketscope.observe(first), pytest.raises(OSError, match="in use"):
        base(first.server_address, Reply)
    assert not service_of(first).totals.records


def test_what_verify_request_says_to_one_that_it_turns_away_counts_as_its_line_has_it():
    class Explains(socketscope.ThreadingUDPServer):
        def verify_request(self, request, client_address):
            request[1].sendto(b"go away", client_address)
            return False

    with make(Reply, Explains) as server, udp_client() as client:
        log = logged(server)
        client.sendto(b"uninvited", server.server_address)
        server.handle_request()
        assert client.recv(100) == b"go away"
        wait_for(lambda: log.lines, "the line")
        assert (log.received, log.sent) == ([0], [7])
        assert (figures(server).received, figures(server).sent, figures(server).exchanges) == (0, 7, 1)


class Verifies(socketscope.ThreadingUDPServer):
    """Takes its time, and lets nobody in who is not invited."""

    def verify_request(self, request, _client_address):
        time.sleep(2 * SHORT)
        return request[0] == b"invited"


def test_one_that_was_not_let_in_has_no_bytes_and_no_time_in_a_handler():
    with make(Reply, Verifies) as server, udp_client() as client:
        log = logged(server)
        client.sendto(b"uninvited", server.server_address)
        server.handle_request()
        wait_for(lambda: log.lines, "the line")
        assert log.lines == [("datagram", "dropped")]
        assert (figures(server).received, sum(figures(server).handle.counts)) == (0, 0)
    assert (service_of(server).totals.records, service_of(server).untold) == (set(), set())


def test_one_that_was_not_let_in_has_the_hook_of_an_end_called():
    ended = []

    class Server(Verifies):
        def shutdown_request(self, request):
            ended.append(request[0])

    with serving(Reply, Server) as server, udp_client() as client:
        client.sendto(b"uninvited", server.server_address)
        wait_for(lambda: ended == [b"uninvited"], "the hook")


def test_one_that_verify_request_has_handled_itself_may_be_turned_away_after_that():
    class Handles(socketscope.ThreadingUDPServer):
        def verify_request(self, request, client_address):
            self.finish_request(request, client_address)
            return False

        def process_request(self, request, client_address):
            super().process_request(request, client_address)

        def handle_error(self, *_):
            raised.append(sys.exception())

    raised: list[Any] = []
    with make(Reply, Handles) as server, udp_client() as client:
        log = logged(server)
        client.sendto(b"x", server.server_address)
        server.handle_request()
        wait_for(lambda: log.lines, "the line")
        ended(server, "ok")
    assert (raised, log.lines) == ([], [("datagram", "ok")])


def test_the_time_in_a_hook_is_none_of_the_handlers():
    with serving(Reply, Verifies) as server, udp_client() as client:
        client.sendto(b"invited", server.server_address)
        client.recv(100)
        ended(server, "ok")
        assert figures(server).handle.sum < SHORT


@pytest.mark.parametrize("base", [socketscope.ThreadingUDPServer, socketserver.UDPServer])
@pytest.mark.parametrize("hook", ["shutdown_request", "close_request"])
def test_one_hook_for_the_end_is_called_without_the_other(hook, base):
    ended = []
    kind = type("Server", (base,), {hook: lambda _, request: ended.append(request[0])})
    with running(observed(kind(HOST, Reply))) as server, udp_client() as client:
        client.sendto(b"x", server.server_address)
        client.recv(100)
        wait_for(lambda: ended == [b"x"], "the hook")


def test_the_hook_of_an_end_is_waited_for_where_another_has_handed_the_datagram_on():
    inside, ended = threading.Event(), []

    class Server(socketscope.ThreadingUDPServer):
        def process_request(self, request, client_address):
            super().process_request(request, client_address)

        def shutdown_request(self, request):
            inside.set()
            time.sleep(SHORT)
            ended.append(request[0])

    with serving(Reply, Server) as server, udp_client() as client:
        client.sendto(b"x", server.server_address)
        assert inside.wait(PATIENCE)
        server.shutdown()
        server.server_close()
        assert ended == [b"x"]
