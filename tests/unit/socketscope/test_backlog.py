import socket
from collections.abc import Callable

import pytest

from socketscope.serve.backlog import allow_arrivals, queue, refuse_arrivals, stop_arrivals

SHORT = 0.2


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=SHORT)


@pytest.mark.parametrize(
    ("stop", "told"), [(stop_arrivals, OSError), (refuse_arrivals, ConnectionRefusedError)]
)
def test_who_waits_is_served_and_who_comes_later_is_not(
    stop: Callable[[socket.socket], bool], told: type[OSError]
):
    with socket.create_server(("127.0.0.1", 0)) as listener, connect(listener) as early:
        assert stop(listener)
        with pytest.raises(told):
            connect(listener)
        assert queue(listener)[0] == 1
        accepted, _ = listener.accept()
        with accepted:
            early.sendall(b"x")
            assert accepted.recv(10) == b"x"
            accepted.sendall(b"y")
            assert early.recv(10) == b"y"


@pytest.mark.parametrize("stop", [stop_arrivals, refuse_arrivals])
def test_a_listener_can_be_opened_again(stop: Callable[[socket.socket], bool]):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert stop(listener)
        try:
            allow_arrivals(listener)
        except PermissionError:
            pytest.skip("only the privileged can undo it on this kernel")
        connect(listener).close()


def test_a_listener_that_stands_open_is_left_as_it_is():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        allow_arrivals(listener)
        connect(listener).close()


def test_a_datagram_socket_can_be_closed_to_senders_or_says_that_it_cannot():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(SHORT)
        stopped = stop_arrivals(receiver)
        sender.sendto(b"late", receiver.getsockname())
        if stopped:
            with pytest.raises(TimeoutError):
                receiver.recv(10)
        else:
            assert receiver.recv(10) == b"late"
