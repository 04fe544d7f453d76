import socket
from collections.abc import Callable

import pytest

from socketscope.serve.listeners import arrivals, queue
from socketscope.serve.listeners.queue import (
    accept_queue,
    handshakes,
    lost,
    unix_length,
    waits,
)

SHORT = 0.2


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=SHORT)


def datagrams() -> socket.socket:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(SHORT)
    return receiver


@pytest.mark.parametrize(
    ("stop", "told"), [(arrivals.stop, OSError), (arrivals.refuse, ConnectionRefusedError)]
)
def test_who_waits_is_served_and_who_comes_later_is_not(
    stop: Callable[[socket.socket], bool], told: type[OSError]
):
    with socket.create_server(("127.0.0.1", 0)) as listener, connect(listener) as early:
        assert stop(listener)
        with pytest.raises(told):
            connect(listener)
        assert accept_queue(listener)[0] == 1
        accepted, _ = listener.accept()
        with accepted:
            early.sendall(b"x")
            assert accepted.recv(10) == b"x"
            accepted.sendall(b"y")
            assert early.recv(10) == b"y"


def test_a_datagram_socket_can_be_closed_to_senders_or_says_that_it_cannot():
    with datagrams() as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        stopped = arrivals.stop(receiver)
        sender.sendto(b"late", receiver.getsockname())
        if stopped:
            with pytest.raises(TimeoutError):
                receiver.recv(10)
        else:
            assert receiver.recv(10) == b"late"


def test_the_queue_has_a_length_and_a_limit():
    with socket.create_server(("127.0.0.1", 0), backlog=7) as listener:
        assert accept_queue(listener) == (0, 7)
        with connect(listener), connect(listener):
            assert accept_queue(listener) == (2, 7)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_client_in_a_handshake_is_known_before_it_is_in_the_queue(family, request):
    if both := family == socket.AF_INET6:
        request.getfixturevalue("ipv6")
    with socket.create_server(("", 0), family=family, dualstack_ipv6=both) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)  # until the client sends
        port = listener.getsockname()[1]
        assert handshakes(listener) == 0
        with (
            socket.create_connection(("127.0.0.1", port)) as one,
            socket.create_connection(("127.0.0.1", port)) as other,
        ):
            assert (handshakes(listener), accept_queue(listener)[0]) == (2, 0)
            one.sendall(b"x")
            assert (handshakes(listener), accept_queue(listener)[0]) == (1, 1)
            other.sendall(b"x")
            assert (handshakes(listener), accept_queue(listener)[0]) == (0, 2)


def test_of_what_is_no_listener_of_tcp_no_handshakes_are_told():
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises((OSError, IndexError)):
        handshakes(sock)


def test_what_found_the_receive_queue_full_was_lost():
    with datagrams() as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the kernel's least
        assert lost(receiver) == 0
        sent = 100
        for _ in range(sent):
            sender.sendto(bytes(1000), receiver.getsockname())
        kept = 0
        while waits(receiver):
            receiver.recv(1000)
            kept += 1
        assert kept < sent
        assert lost(receiver) == sent - kept


def test_of_what_is_no_socket_nothing_is_known_to_be_lost():
    assert lost(None) == 0
    with datagrams() as receiver:
        pass
    assert lost(receiver) == 0


def test_what_waits_can_be_taken():
    near, far = socket.socketpair()
    with near, far:
        assert not waits(near)
        far.send(b"x")
        assert waits(near)


def test_that_a_unix_listener_cannot_keep_clients_out_is_told():
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + __name__)
        listener.listen()
        assert not arrivals.stop(listener)


def test_at_last_a_unix_listener_refuses_who_comes_and_tells_of_who_waits():
    name = f"\0{__name__}"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as early:
        listener.bind(name)
        listener.listen()
        early.connect(name)
        assert arrivals.refuse_at_last(listener)
        with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
            late.connect(name)
        assert unix_length(listener) == 1
        listener.accept()[0].close()
        assert unix_length(listener) == 0


def test_nobody_is_refused_where_the_kernel_does_not_tell_of_who_waits(monkeypatch):
    monkeypatch.setattr(queue, "_NETLINK_SOCK_DIAG", -1)
    name = f"\0{__name__}"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(name)
        listener.listen()
        assert not arrivals.refuse_at_last(listener)
        client.connect(name)


def test_what_is_no_unix_listener_refuses_nobody_at_last():
    with socket.create_server(("127.0.0.1", 0)) as listener, datagrams() as receiver:
        assert not arrivals.refuse_at_last(listener)
        assert not arrivals.refuse_at_last(receiver)
        connect(listener).close()


def test_clients_queue_where_they_are_accepted_and_where_datagrams_come():
    near, far = socket.socketpair()
    with near, far, socket.create_server(("127.0.0.1", 0)) as listener, datagrams() as receiver:
        assert [queue.exists(each) for each in (listener, receiver, near)] == [True, True, False]
    assert queue.exists(None)  # it may be, behind what is no socket
