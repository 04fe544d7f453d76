"""Requests that are no sockets, as a user's get_request may return them."""

import socket
import socketserver

from socketscope import ThreadingTCPServer, ThreadingUDPServer

from .running import PATIENCE, Echo, connect, ended, make, observed, running, udp_client


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
            ended(server, "empty", number)  # so that there is room again
    assert capfd.readouterr().err == ""


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
