"""What a handler may do with its TLS socket beside recv and sendall, as the standard library has it."""

import pytest

from .running import connect, count, ended, handling, make, running


def recv_into_nothing(connection):
    return bytes(connection.recv_into(bytearray()))


NOTHING = {
    "recv": lambda connection: connection.recv(0),
    "read": lambda connection: connection.read(0),
    "recv_into": recv_into_nothing,
}


@pytest.mark.parametrize("way", NOTHING)
def test_who_asks_for_nothing_waits_for_nothing(server_context, client_context, way):
    def handle(connection):
        size = connection.recv(1)[0]
        assert size == 0
        connection.sendall(b"got %d" % len(NOTHING[way](connection)))

    with running(make(handling(handle)), server_context) as server:
        with client_context.wrap_socket(connect(server), server_hostname="localhost") as client:
            client.sendall(bytes(1))
            assert client.recv(100) == b"got 0"
        ended(server, "ok")
        assert count(server, "received_bytes_total") == 1


def test_who_asks_for_less_than_nothing_is_told_so_at_once(server_context, client_context):
    def handle(connection):
        with pytest.raises(ValueError, match="size should not be negative"):
            connection.recv(-1)
        connection.sendall(b"told")

    with (
        running(make(handling(handle)), server_context) as server,
        client_context.wrap_socket(connect(server), server_hostname="localhost") as client,
    ):
        assert client.recv(100) == b"told"
