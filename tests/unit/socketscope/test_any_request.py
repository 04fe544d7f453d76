"""Requests of a class of the user's own, which are no sockets, at their end."""

import socket
import threading
from types import SimpleNamespace

import pytest

from socketscope.limits import Limits
from socketscope.observe.record import Record
from socketscope.observe.totals import Capacity, StreamTotals
from socketscope.serve.deadlines import Deadlines, hang_up
from socketscope.serve.linger import Linger, unread

from .patience import PATIENCE


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
