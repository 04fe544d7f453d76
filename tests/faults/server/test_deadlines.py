import signal
import socket
import time

import pytest

from .process import PATIENCE, half_close, read_all, serving, wait_for

each_stream = pytest.mark.usefixtures("each_stream")


@each_stream
def test_case_1_a_silent_client_is_closed_at_the_deadline_and_its_thread_freed():
    with serving("--read-timeout", "300ms") as server:
        began = time.monotonic()
        assert server.ask(b"") == b"ERR timeout\r\n"
        assert 0.25 < time.monotonic() - began < PATIENCE / 4
        (line,) = server.connections(1)
        # Nothing has come, and nothing but the refusal has gone.
        assert (line["outcome"], line["level"], line["sent_bytes"]) == ("empty", "info", 13)
        assert server.closed("empty") == 1
        wait_for(lambda: server.metric("socketserver_threads", state="busy") == 0, "its thread is free")


@each_stream
def test_case_2_a_dribbling_client_meets_the_same_absolute_deadline():
    with serving("--read-timeout", "500ms") as server:
        began = time.monotonic()
        with server.connect() as client:
            client.settimeout(0.02)
            answer = b""
            while not answer and time.monotonic() - began < PATIENCE / 4:
                client.send(b"x")
                try:
                    answer = client.recv(100)
                except TimeoutError:
                    continue
        assert answer == b"ERR timeout\r\n"
        assert time.monotonic() - began > 0.4
        (line,) = server.connections(1)
        assert line["level"] == "warning"
        assert server.closed("read_timeout") == 1


@each_stream
def test_case_10_a_reader_that_takes_nothing_meets_the_write_deadline():
    with serving("--handler", "tests.faults.server.handlers:Large", "--write-timeout", "500ms") as server:
        with server.connect(b"go\n"):
            (line,) = server.connections(1)
        assert line["outcome"] == "write_timeout"
        assert 0.4 < line["handle_seconds"] < PATIENCE / 4
        assert line["sent_bytes"] == server.metric("socketserver_sent_bytes_total")


@each_stream
def test_an_idle_connection_is_closed_after_the_idle_timeout():
    with serving("--keep-alive", "--idle-timeout", "300ms", "--read-timeout", "10s") as server:
        with server.connect(b"one\n") as client:
            answer = read_all(client)
        assert answer.endswith(b"one\nERR timeout\r\n")
        (line,) = server.connections(1)
        assert (line["outcome"], line["level"], line["exchanges"]) == ("idle_timeout", "info", 1)

    # All requests together took longer than the deadline of one.


@each_stream
def test_case_28_deadlines_do_not_follow_the_wall_clock():
    # The service reads time.time for its log alone; a wall clock that stands still must not stop deadlines.
    with serving("--handler", "tests.faults.server.frozen:Frozen", "--read-timeout", "300ms") as server:
        began = time.monotonic()
        with server.connect() as client:
            assert read_all(client) == b""
        assert 0.25 < time.monotonic() - began < PATIENCE / 4
        assert server.connections(1)[0]["outcome"] == "empty"


@each_stream
def test_who_sent_in_time_is_served_by_a_process_that_was_stopped_meanwhile():
    # Of those who came first no deadline may pass while the others still come.
    with serving("--keep-alive", "--idle-timeout", "5s", "--read-timeout", "5s") as server:
        clients = [server.connect(b"one\n") for _ in range(20)]
        for client in clients:
            assert client.recv(100).endswith(b"one\n")
        for client in clients[::2]:
            client.sendall(b"t")
        server.signal(signal.SIGSTOP)
        for client in clients:
            client.sendall(b"wo\n")
        time.sleep(5.2)
        server.signal(signal.SIGCONT)
        for client in clients:
            assert client.recv(100).endswith(b"wo\n")
            half_close(client)
            assert read_all(client) == b""
        assert {line["outcome"] for line in server.connections(20)} == {"ok"}


def test_a_reader_that_takes_a_little_all_the_time_is_never_cut_and_one_that_stops_is():
    with serving("--handler", "tests.faults.server.handlers:Large", "--write-timeout", "1s") as server:
        with socket.socket() as client:
            # As little as the kernel lets a window be, so that it opens with each bit that is taken.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.settimeout(PATIENCE)
            client.connect(server.address())
            client.sendall(b"go\n")
            until = time.monotonic() + 2.5
            while time.monotonic() < until:
                assert client.recv(2000)
                time.sleep(0.02)
            assert server.metric("socketserver_connections_open") == 1
            (line,) = server.connections(1)
        assert (line["outcome"], line["level"]) == ("write_timeout", "warning")
        assert 3.4 < line["handle_seconds"] < PATIENCE / 2
        assert line["error"].startswith("TimeoutError: the client did not take the reply in time")
