"""What a handler may do with its socket beside recv and sendall, as the standard library has it."""

import contextlib
import os
import select
import socket
import socketserver
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.server.process import reset

from .running import (
    PATIENCE,
    connect,
    count,
    ended,
    figures,
    handling,
    logged,
    observed,
    running,
    serving,
    wait_for,
)

PAUSE = 0.4
"""Seconds for which a peer is silent."""


def after_a_pause(server: Any, *parts: bytes, pause_first: bool = True) -> bytes:
    """Send each part after a pause, then end; return what comes."""
    with connect(server) as client:
        for number, part in enumerate(parts):
            if number or pause_first:
                time.sleep(PAUSE)
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while data := client.recv(1000):
            received += data
        return received


def read_into(method: str) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        buffer = bytearray(100)
        target = [buffer] if method == "recvmsg_into" else buffer
        size = getattr(connection, method)(target)
        connection.sendall(buffer[: size if isinstance(size, int) else size[0]])

    return handle


def wait_briefly(connection: socket.socket) -> None:
    connection.settimeout(0.01)
    connection.recv(10)


@pytest.mark.parametrize("base", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_timeout_of_its_own_that_ends_a_handler_is_told_though_it_is_no_outcome(base):
    with running(observed(base(("127.0.0.1", 0), handling(wait_briefly)))) as server:
        log = logged(server)
        with connect(server) as client:
            assert client.recv(1) == b""
        wait_for(lambda: log.lines == [("connection", "empty")], "the line")
        assert log.errors[0].startswith("TimeoutError: timed out (")


class Dropped:
    """What a handler has while it talks, and says when it goes."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def __del__(self) -> None:
        self.told.append("gone")


@pytest.mark.parametrize("why", ["reset", "own timeout", "deadline"])
def test_what_a_handler_drops_with_an_error_that_it_catches_goes_at_once(why):
    told: list[str] = []

    def talk(connection: socket.socket) -> None:
        _session = Dropped(told)
        if why == "own timeout":
            connection.settimeout(0.01)
        while connection.recv(10):
            pass

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            talk(connection)
        told.append("caught")

    with serving(handling(handle), read_timeout=PAUSE) as server, connect(server) as client:
        client.sendall(b"begun")
        if why == "reset":
            reset(client)
        wait_for(lambda: "caught" in told, "the handler")
        assert told == ["gone", "caught"]


@pytest.mark.parametrize("method", ["recv_into", "recvfrom_into", "recvmsg_into"])
def test_every_way_to_receive_is_held_to_the_deadline(method):
    with serving(handling(read_into(method)), read_timeout=PAUSE) as server:
        with connect(server) as client:
            assert client.recv(1) == b""
        ended(server, "empty")


def test_sendto_counts():
    sent: list[int] = []

    def handle(connection: socket.socket) -> None:
        sent.append(connection.sendto(connection.recv(9), 0, connection.getpeername()))

    with serving(handling(handle)) as server:
        assert after_a_pause(server, b"hello") == b"hello"
        ended(server, "ok")
        assert sent == [count(server, "sent_bytes_total")] == [5]


def test_a_receive_of_all_waits_for_all():
    def handle(connection: socket.socket) -> None:
        connection.sendall(connection.recv(6, socket.MSG_WAITALL))

    with serving(handling(handle)) as server:
        assert after_a_pause(server, b"one", b"two", pause_first=False) == b"onetwo"


def test_a_receive_of_all_that_gets_a_part_in_time_has_got_that():
    def handle(connection: socket.socket) -> None:
        connection.recv(6, socket.MSG_WAITALL)
        connection.recv(6)

    with serving(handling(handle), read_timeout=0.3) as server, connect(server) as client:
        client.sendall(b"one")
        ended(server, "read_timeout")
        assert figures(server).received == 3


def test_who_reads_the_bare_descriptor_waits_too():
    def handle(connection: socket.socket) -> None:
        first = os.read(connection.fileno(), 100)
        connection.sendall(first + connection.recv(100))

    with serving(handling(handle)) as server:
        assert after_a_pause(server, b"one", b"two") == b"onetwo"


def test_a_child_process_has_the_socket_as_its_input():
    def handle(connection: socket.socket) -> None:
        descriptor = connection.fileno()
        subprocess.run(["cat"], stdin=descriptor, stdout=descriptor, check=True)

    with serving(handling(handle)) as server:
        assert after_a_pause(server, b"one", b"two") == b"onetwo"


def test_the_deadline_holds_after_a_select():
    def handle(connection: socket.socket) -> None:
        select.select([connection], [], [], PATIENCE)
        while connection.recv(100):
            pass

    with serving(handling(handle), read_timeout=PAUSE) as server:
        with connect(server) as client:
            client.sendall(b"x")
            assert client.recv(1) == b""
        ended(server, "read_timeout")


def test_a_file_object_that_a_handler_has_left_keeps_no_socket_open():
    left: list[Any] = []

    def handle(connection: socket.socket) -> None:
        left.append(connection.makefile("rb"))
        connection.sendall(left[0].read(1))

    with serving(handling(handle)) as server:
        with connect(server) as client:
            client.sendall(b"x")
            assert client.recv(10) == b"x"
        ended(server, "ok")
        wait_for(lambda: left[0].fileno() < 0, "it is closed")


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
@pytest.mark.parametrize(("raises", "outcome"), [(False, "ok"), (True, "handler_error")])
def test_who_sends_on_after_an_end_of_its_own_has_lost_no_client(how, raises, outcome):
    def handle(request):
        request.recv(1)
        request.shutdown(how)
        with contextlib.suppress(*() if raises else (BrokenPipeError,)):
            request.sendall(b"x")

    with serving(handling(handle)) as server, connect(server) as client:
        server.handle_error = lambda *_: None
        client.sendall(b"x")
        assert client.recv(1) == b""
        ended(server, outcome)
