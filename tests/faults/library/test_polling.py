"""Handlers that wait in turns, by a timeout of their own: a timeout is no end to them, the end is."""

import socketserver

from .running import connect, ended, make, running


class Polling(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(0.05)
        while True:
            try:
                data = self.request.recv(100)
            except TimeoutError:
                continue
            if not data:
                return
            self.request.sendall(data)


def test_a_deadline_ends_them():
    with running(make(Polling, idle_timeout=0.3)) as server, connect(server) as client:
        client.sendall(b"x")
        assert client.recv(100) == b"x"
        assert client.recv(100) == b""
        ended(server, "idle_timeout")
