"""Requests that are no sockets, as a user's get_request may return them."""

from socketscope import ThreadingTCPServer

from .running import Echo, connect, ended, make, running


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
