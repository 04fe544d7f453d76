"""A datagram socket that is connected: its handler may leave out the address."""

import socket

import pytest

from socketscope.observe.adoption import prepare
from socketscope.observe.datagrams import Datagram
from socketscope.observe.served import current


@pytest.fixture
def datagram():
    datagram = Datagram("127.0.0.1:1", 3)
    token = current.set(datagram)
    yield datagram
    current.reset(token)


@pytest.fixture
def pair():
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        prepare(near)
        yield near, far


@pytest.mark.parametrize("send", ["send", "sendall"])
def test_what_is_sent_is_counted(datagram, pair, send):
    near, far = pair
    getattr(near, send)(b"reply")
    assert far.recv(10) == b"reply"
    assert (datagram.sent, datagram.exchanges, datagram.outcome) == (5, 1, "ok")


def test_what_is_received_into_a_buffer_is_counted(datagram, pair):
    near, far = pair
    far.send(b"more")
    assert near.recv_into(bytearray(10)) == 4
    assert datagram.received == 7


def test_to_have_no_address_is_no_failure_where_none_is_wanted(pair):
    near, _ = pair
    datagram = Datagram("", 3)
    token = current.set(datagram)
    near.send(b"reply")
    current.reset(token)
    assert datagram.outcome == "ok"
