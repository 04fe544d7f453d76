"""What a handler may do with its TLS socket beside recv and sendall, as the standard library has it."""

import io
import socket
import socketserver
import ssl
import threading
import time
from queue import SimpleQueue

import pytest

from socketscope.serve.mixin import service_of
from socketscope.serve.threads.deadlines import hang_up
from tests.faults.library.running import (
    HOST,
    PATIENCE,
    count,
    ended,
    handling,
    make,
    reset,
    running,
    secured,
    wait_for,
)
from tests.faults.server.process import unread

FLOOD = bytes(64 << 20)


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
        with secured(server, client_context) as client:
            client.sendall(bytes(1))
            assert client.recv(100) == b"got 0"
        ended(server, "ok")
        assert count(server, "received_bytes_total") == 1


def test_who_asks_for_less_than_nothing_is_told_so_at_once(server_context, client_context):
    def handle(connection):
        with pytest.raises(ValueError, match="size should not be negative"):
            connection.recv(-1)
        connection.sendall(b"told")

    with running(make(handling(handle)), server_context) as server, secured(server, client_context) as client:
        assert client.recv(100) == b"told"


def test_what_openssl_has_read_already_is_there_though_nothing_more_comes(server_context, client_context):
    def handle(connection):
        connection.sendall(connection.recv(3) + connection.recv(3))

    with running(make(handling(handle)), server_context) as server, secured(server, client_context) as client:
        client.sendall(b"onetwo")
        assert client.recv(100) == b"onetwo"


def test_what_came_before_the_library_hung_up_is_read_and_then_the_end(server_context, client_context):
    entered, goes_on, got = threading.Event(), threading.Event(), []

    def handle(connection):
        entered.set()
        assert goes_on.wait(PATIENCE)
        got.extend([connection.recv(100), connection.recv(100)])

    with running(make(handling(handle)), server_context) as server, secured(server, client_context) as client:
        assert entered.wait(PATIENCE)
        client.sendall(b"said")
        wait_for(lambda: unread(client), "what was said")
        (record,) = service_of(server).totals.records
        hang_up(record, socket.SHUT_RD)
        goes_on.set()
        assert client.recv(100) == b""
    assert got == [b"said", b""]


def test_who_does_not_wait_is_told_that_nothing_is_there_as_by_the_base_class(server_context, client_context):
    def handle(connection):
        connection.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            connection.recv(1)
        connection.setblocking(True)
        connection.sendall(b"told")

    with running(make(handling(handle)), server_context) as server, secured(server, client_context) as client:
        assert client.recv(100) == b"told"


def test_a_handshake_that_has_been_done_waits_for_nobody(server_context, client_context):
    def handle(connection):
        connection.do_handshake()  # as one that cannot know does it
        connection.sendall(b"hello")

    with running(make(handling(handle)), server_context) as server, secured(server, client_context) as client:
        assert client.recv(100) == b"hello"


@pytest.mark.parametrize("timeout", [None, PATIENCE])
@pytest.mark.parametrize("way", ["sendall", "sendfile"])
def test_a_peer_that_takes_nothing_is_cut_in_time(server_context, client_context, way, timeout):
    def handle(connection):
        connection.settimeout(timeout)
        getattr(connection, way)(FLOOD if way == "sendall" else io.BytesIO(FLOOD))

    with running(make(handling(handle), write_timeout=0.3), server_context) as server:
        began = time.monotonic()
        with secured(server, client_context):
            ended(server, "write_timeout")
        assert time.monotonic() - began < PATIENCE / 4


def test_a_reset_is_to_the_handler_what_it_is_without_us(server_context, client_context):
    told: SimpleQueue[object] = SimpleQueue()
    ends = []

    def handle(connection):
        told.put(connection.recv(1))
        try:
            told.put(connection.recv(1))
        except OSError as error:  # of the standard library's since 3.11.9 and 3.12.3
            told.put(type(error))

    for server in (socketserver.TCPServer(HOST, handling(handle)), make(handling(handle))):
        with running(server, server_context):
            client = secured(server, client_context)
            client.sendall(b"x")
            assert told.get(timeout=PATIENCE) == b"x"
            reset(client)
            ends.append(told.get(timeout=PATIENCE))
    assert ends[0] == ends[1]
    ended(server, "reset")
