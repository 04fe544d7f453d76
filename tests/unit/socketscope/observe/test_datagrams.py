"""A datagram listener's socket: whose bytes pass, the context says."""

import errno
import os
import socket
from contextlib import suppress
from contextvars import copy_context
from types import SimpleNamespace

import pytest

from socketscope.addresses import format_peer
from socketscope.observe import datagrams
from socketscope.observe.datagrams import Datagram, DatagramSocket
from socketscope.observe.served import current


@pytest.fixture
def server():
    with DatagramSocket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield server


@pytest.fixture
def client():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(20)
        yield client


def serving(datagram, function, *args):
    def serve():
        current.set(datagram)
        return function(*args)

    return copy_context().run(serve)


WAYS = {
    "sendto": lambda server, peer: server.sendto(b"reply", peer),
    "sendto with flags": lambda server, peer: server.sendto(b"reply", socket.MSG_DONTWAIT, peer),
    "sendmsg": lambda server, peer: server.sendmsg([b"re", b"ply"], [], 0, peer),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_counts_for_the_datagram_being_served(server, client, way):
    datagram = Datagram(format_peer(client.getsockname()), 3)
    assert serving(datagram, WAYS[way], server, client.getsockname()) == 5
    assert client.recv(10) == b"reply"
    assert (datagram.sent, datagram.exchanges, datagram.outcome) == (5, 1, "ok")


def test_what_goes_beside_a_reply_goes_with_it():
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with DatagramSocket(fileno=near.detach()) as server, far:
        serving(Datagram("", 3), socket.send_fds, server, [b"reply"], [far.fileno()])
        data, (descriptor,), *_ = socket.recv_fds(far, 10, 1)
        os.close(descriptor)
        assert data == b"reply"


def test_an_empty_reply_is_sent_and_is_one(server, client):
    datagram = Datagram(format_peer(client.getsockname()), 3)
    assert serving(datagram, server.sendto, b"", client.getsockname()) == 0
    assert client.recv(10) == b""
    assert (datagram.sent, datagram.outcome) == (0, "ok")


def test_several_replies_are_one_exchange(server, client):
    datagram = Datagram(format_peer(client.getsockname()), 3)
    for _ in range(3):
        serving(datagram, server.sendto, b"x", client.getsockname())
    assert (datagram.sent, datagram.exchanges) == (3, 1)


RECEIVES = {
    "recv": lambda server, flags=0: server.recv(9, flags),
    "recv_into": lambda server, flags=0: into(lambda buffer: server.recv_into(buffer, 0, flags)),
    "recvfrom": lambda server, flags=0: server.recvfrom(9, flags)[0],
    "recvfrom_into": lambda server, flags=0: into(lambda buffer: server.recvfrom_into(buffer, 0, flags)[0]),
    "recvmsg": lambda server, flags=0: server.recvmsg(9, 0, flags)[0],
    "recvmsg_into": lambda server, flags=0: into(lambda buffer: server.recvmsg_into([buffer], 0, flags)[0]),
}


def into(receive):
    buffer = bytearray(9)
    return bytes(buffer[: receive(buffer)])


@pytest.mark.parametrize("way", RECEIVES)
def test_what_a_handler_receives_counts_for_its_datagram(server, client, way):
    datagram = Datagram(format_peer(client.getsockname()), 3)
    client.sendto(b"more", server.getsockname())
    assert serving(datagram, RECEIVES[way], server) == b"more"
    assert (datagram.received, datagram.outcome) == (7, "no_reply")


@pytest.mark.parametrize("way", RECEIVES)
def test_what_is_only_looked_at_counts_once_it_is_received(server, client, way):
    datagram = Datagram(format_peer(client.getsockname()), 3)
    client.sendto(b"more", server.getsockname())
    assert serving(datagram, RECEIVES[way], server, socket.MSG_PEEK) == b"more"
    assert datagram.received == 3
    assert serving(datagram, RECEIVES[way], server) == b"more"
    assert datagram.received == 7


@pytest.mark.parametrize("way", [*WAYS, *RECEIVES])
def test_outside_of_a_handler_it_is_a_plain_socket(server, client, way):
    if way in WAYS:
        assert WAYS[way](server, client.getsockname()) == 5
        assert client.recv(10) == b"reply"
    else:
        client.sendto(b"more", server.getsockname())
        assert RECEIVES[way](server) == b"more"


def test_two_who_serve_at_once_have_their_own(server, client):
    one, two = (Datagram(format_peer(client.getsockname()), 1) for _ in range(2))
    serving(one, server.sendto, b"1", client.getsockname())
    serving(two, server.sendto, b"22", client.getsockname())
    assert (one.sent, two.sent) == (1, 2)


@pytest.mark.parametrize("peer", [None, "", b""], ids=repr)
def test_who_has_no_address_cannot_be_answered(tmp_path, peer):
    with DatagramSocket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        datagram = Datagram(format_peer(peer), 3)
        with pytest.raises((OSError, TypeError)) as wrong:
            serving(datagram, server.sendto, b"reply", peer)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plain, pytest.raises(wrong.type) as same:
            plain.sendto(b"reply", peer)
        assert str(wrong.value) == str(same.value)
        assert datagram.outcome == "no_address"


@pytest.mark.parametrize("to", [(), (None,)], ids=["no address", "None"])
def test_who_forgets_the_address_has_made_the_mistake(server, client, to):
    datagram = Datagram(format_peer(client.getsockname()), 3)
    with pytest.raises(TypeError):
        serving(datagram, server.sendto, b"reply", *to)
    assert datagram.outcome == "no_reply"  # the handler's error makes it another


@pytest.mark.parametrize(("number", "known"), [(errno.EHOSTUNREACH, True), (errno.EMSGSIZE, False)])
def test_only_what_has_become_of_the_peer_is_no_error_of_the_handlers(monkeypatch, server, number, known):
    def fail(*_):
        raise OSError(number, "failed")

    monkeypatch.setattr(socket.socket, "sendto", fail, raising=False)
    datagram = Datagram("127.0.0.1:1", 3)
    with pytest.raises(OSError, match="failed") as raised:
        serving(datagram, server.sendto, b"reply", ("127.0.0.1", 1))
    assert datagram.knows(raised.value) is known


@pytest.mark.parametrize("error", [FileNotFoundError, ConnectionRefusedError])
def test_a_peer_that_is_gone_is_known_again(tmp_path, error):
    with (
        DatagramSocket(socket.AF_UNIX, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer,
    ):
        server.bind(str(tmp_path / "socket"))
        datagram = Datagram(str(tmp_path / "gone"), 3)
        if error is ConnectionRefusedError:
            peer.bind(datagram.peer)
            peer.close()  # its path stays
        with pytest.raises(error) as wrong:
            serving(datagram, server.sendto, b"reply", datagram.peer)
        assert datagram.knows(wrong.value)
        assert datagram.outcome == "no_reply"


@pytest.fixture
def full(tmp_path):
    """A Unix server, and a peer's path whose queue is full."""
    with (
        DatagramSocket(socket.AF_UNIX, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer,
    ):
        server.bind(str(tmp_path / "server"))
        peer.bind(str(tmp_path / "peer"))
        with suppress(BlockingIOError):
            while True:
                server.sendto(b"x", socket.MSG_DONTWAIT, peer.getsockname())
        yield server, peer


def test_a_peer_that_takes_nothing_is_waited_for_no_longer_than_it_may_be(full, monkeypatch):
    server, peer = full
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[-1], sleep=lambda seconds: now.append(now[-1] + seconds))
    monkeypatch.setattr(datagrams, "time", clock)
    datagram = Datagram(format_peer(peer.getsockname()), 3, patience=5.0)
    with pytest.raises(TimeoutError, match="the peer did not take the reply in time") as wrong:
        serving(datagram, server.sendto, b"reply", peer.getsockname())
    assert now[-1] == pytest.approx(5.0, abs=0.02)
    assert datagram.knows(wrong.value)


def test_a_peer_that_takes_something_meanwhile_is_answered(full, monkeypatch):
    server, peer = full
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: peer.recv(10))
    monkeypatch.setattr(datagrams, "time", clock)
    datagram = Datagram(format_peer(peer.getsockname()), 3, patience=5.0)
    assert serving(datagram, server.sendto, b"reply", peer.getsockname()) == 5
    assert datagram.outcome == "ok"


def test_a_handlers_own_timeout_is_its_own(full):
    server, peer = full
    server.settimeout(0.0)
    datagram = Datagram(format_peer(peer.getsockname()), 3, patience=5.0)
    with pytest.raises(BlockingIOError):
        serving(datagram, server.sendto, b"x", peer.getsockname())


def test_a_failure_counts_for_more_than_a_reply():
    datagram = Datagram("", 1)
    datagram.exchanges = 1
    datagram.failure = "handler_error"
    assert datagram.outcome == "handler_error"
