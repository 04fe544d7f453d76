"""Requests of a class of the user's own, which are no sockets, at their end."""

import socket
import socketserver
import threading
from types import SimpleNamespace
from unittest import mock

import pytest
from prometheus_client import CollectorRegistry

import socketscope
from socketscope.limits import Limits
from socketscope.observe.adoption import adopt
from socketscope.observe.record import Record
from socketscope.observe.totals import Capacity, StreamTotals
from socketscope.serve.threads.deadlines import Deadlines, hang_up
from socketscope.serve.threads.linger import Linger, unread
from tests.unit.socketscope.patience import PATIENCE, until

HOST = "127.0.0.1", 0


class Greeter(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"hello")


class Wrapped:
    """No socket, and all that one has."""

    def __init__(self, sock: socket.socket):
        self._sock = sock

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.mark.parametrize("charged", [True, False])
def test_what_cannot_be_asked_has_nothing_unread(charged):
    assert not unread(SimpleNamespace(), charged=charged)


def test_it_lingers_as_a_socket_does_and_costs_the_others_nothing():
    lingering = Linger()
    for kind in (Wrapped, lambda sock: sock):
        near, far = socket.socketpair()
        with near, far:
            far.sendall(b"unread")
            closed = threading.Event()
            lingering.add(kind(near), closed.set)
            far.sendall(b"more")
            far.close()
            assert closed.wait(PATIENCE)
    lingering.join(PATIENCE)


def test_whatever_its_shutdown_raises_the_others_are_still_watched():
    record = Record(StreamTotals(Capacity(1)), "", 0.0)
    record.socket = SimpleNamespace(shutdown=lambda _: [].pop())
    hang_up(record, socket.SHUT_RD)


def test_whatever_it_raises_when_asked_how_far_a_reply_is_the_others_are_still_watched():
    class Asked(Wrapped):
        def getsockopt(self, level, option):  # one argument less than a socket's
            return self._sock.getsockopt(level, option)

        def fileno(self):
            return [].pop()

    totals = StreamTotals(Capacity(1))
    near, far = socket.socketpair()
    with near, far:
        record = Record(totals, "", 0.0, Limits(write_timeout=1e-9))
        assert totals.accept(record)
        record.socket, record.blocked = Asked(near), True
        over = Deadlines(totals)
        assert over._look()
        assert over._look()
        assert record.outcome == "write_timeout"


class Proxied(Wrapped):
    """No socket, and it says of itself that it is one, as a proxy does."""

    __class__ = property(lambda self: type(self._sock))


def test_what_only_says_that_it_is_a_socket_is_shut_down_as_it_shuts_down():
    near, far = socket.socketpair()
    with near, far:
        record = Record(StreamTotals(Capacity(1)), "", 0.0)
        adopt(Proxied(near), record)
        hang_up(record, socket.SHUT_WR)
        far.settimeout(PATIENCE)
        assert far.recv(1) == b""


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
@pytest.mark.parametrize("spec", [None, socket.socket])
def test_a_mock_is_handled_and_closed_as_by_the_standard_library(base, spec):
    with socketscope.observe(base(HOST, Greeter), registry=CollectorRegistry()) as server:
        for hook in (server.close_request, server.shutdown_request):
            request = mock.Mock(spec=spec)
            hook(request)
            request.close.assert_called_once_with()
        request = mock.Mock(spec=spec)
        server.process_request(request, ("somebody", 1))
        until(lambda: request.close.called)
    request.sendall.assert_called_once_with(b"hello")
    request.close.assert_called_once_with()


@pytest.mark.parametrize(
    "base", [socketserver.TCPServer, socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer]
)
@pytest.mark.parametrize("autospec", [False, True])
def test_a_mock_may_be_the_listener(monkeypatch, base, autospec):
    made = mock.create_autospec(socket.socket) if autospec else mock.MagicMock()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", made)
        server = base(HOST, Greeter)
    made.return_value.type = socket.SOCK_DGRAM if base is socketserver.ThreadingUDPServer else None
    with socketscope.observe(server, registry=CollectorRegistry()):
        pass
    made.return_value.close.assert_called_once_with()
