"""Connections that a hook has handed on, and what else can be handed to another process, as any can."""

import socket
from multiprocessing.reduction import ForkingPickler

import pytest

from socketscope.observe.adoption import ObservedSocket, adopt, prepare, watch_end
from socketscope.observe.record import UNLIMITED, Record
from socketscope.observe.totals import Capacity, StreamTotals


@pytest.mark.parametrize("kind", [ObservedSocket, socket.socket], ids=["accepted", "plain"])
def test_it_is_pickled_as_the_standard_librarys_class_is(kind):
    near, far = socket.socketpair()
    with kind(near.family, near.type, near.proto, near.detach()) as request, far:
        record = Record(StreamTotals(Capacity(1)), "", 0.0, UNLIMITED)
        adopt(request, record)
        assert watch_end(record, lambda _: None)
        assert ForkingPickler.dumps(request)


@pytest.mark.parametrize("kind", [ObservedSocket, socket.socket], ids=["accepted", "plain"])
def test_another_socket_of_it_counts_for_it_and_is_not_its_end(kind):
    ends = []
    record = Record(StreamTotals(Capacity(1)), "", 0.0, UNLIMITED)
    record.left = lambda: ends.append("left")
    near, far = socket.socketpair()
    with kind(near.family, near.type, near.proto, near.detach()) as request, far:
        adopt(request, record)
        before = type(request)
        assert watch_end(record, lambda _: None)
        with request.dup() as twin:
            assert type(twin) is before
            twin.sendall(b"four")
        socket.close(request.dup().detach())
        assert (record.sent, ends) == (4, [])
    assert ends == ["left"]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_listener_is_pickled_as_the_standard_librarys_class_is(kind):
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("127.0.0.1", 0))
        prepare(listener)
        with ForkingPickler.loads(ForkingPickler.dumps(listener)) as arrived:
            assert type(arrived) is socket.socket
            assert (arrived.type, arrived.getsockname()) == (kind, listener.getsockname())
