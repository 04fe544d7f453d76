import socket
import struct
import time

import pytest

from .process import PATIENCE, reset, serving, wait_for

each_stream = pytest.mark.usefixtures("each_stream")


def test_case_9_resets_before_accept_in_a_read_and_in_a_write_are_counted_and_cost_nothing_else():
    with serving("--handler", "tests.faults.server.handlers:Large") as server:
        reset(server.connect())
        assert server.connections(1)[0]["outcome"] == "empty"
        reading = server.connect(b"half a li")
        wait_for(lambda: server.metric("socketserver_received_bytes_total") == 9, "it is read from")
        reset(reading)
        server.connections(2)
        writing = server.connect(b"go\n")
        assert writing.recv(1)  # and there is more than the kernel takes
        reset(writing)
        assert {line["outcome"] for line in server.connections(3)[1:]} == {"reset"}
        assert server.closed("reset") == 2
        with server.connect(b"go\n") as client:
            assert client.recv(10).startswith(b"x")
        assert server.stop() in {0, 3}
        assert server.errors == b""


def test_why_a_client_is_refused_stays_the_same_though_it_has_left():
    with serving("--keep-alive", "--max-line", "100") as server:
        # The reply to the first line is answered with a reset, by which the refusal of the second one fails.
        server.connect(b"x\n" + b"x" * 200).close()
        assert server.connections(1)[0]["outcome"] == "line_too_long"


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
def test_a_client_that_says_nothing_and_leaves_is_empty_as_a_health_check_is(leave):
    with serving() as server:
        client = server.connect()
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "it is served")
        leave(client)
        (line,) = server.connections(1)
        assert (line["outcome"], line["level"], line["error"]) == ("empty", "info", None)


@each_stream
def test_a_socket_whose_handler_failed_in_setup_is_closed():
    with serving("--handler", "tests.faults.server.handlers:BrokenSetup") as server:
        server.ask(b"")
        server.connections(1)
        before = server.descriptors()
        for _ in range(20):
            server.ask(b"")
        server.connections(21)
        # A client sees the end before its socket is closed.
        wait_for(lambda: server.descriptors() <= before + 2, "all are closed")


@each_stream
def test_case_22_a_burst_of_200_connections_is_accepted_at_once():
    with serving() as server:
        clients = [server.connect() for _ in range(200)]
        for client in clients:
            client.sendall(b"x\n")
        for client in clients:
            assert client.recv(100).endswith(b"x\n")
            assert retransmits(client) == 0


def retransmits(client: socket.socket) -> int:
    """Return how often a packet was sent again, as what a full queue drops is: tcpi_total_retrans."""
    (number,) = struct.unpack_from("I", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)
    return int(number)


def test_case_23_one_dual_stack_listener_serves_both_families_and_names_a_client_once():
    with serving(listen=("tcp://:0",)) as server:
        port = server.address()[1]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), timeout=PATIENCE) as client:
                client.sendall(b"x\n")
                assert client.recv(100).endswith(b"x\n")
        # Two threads write these lines: their order says nothing.
        hosts = sorted(line["peer"].rpartition(":")[0] for line in server.connections(2))
        assert hosts == ["127.0.0.1", "[::1]"]


def test_the_only_reply_leaves_together_with_the_end():
    together = 0
    with serving() as server:
        for _ in range(50):
            with server.connect(b"line\n") as client:
                assert client.recv(1, socket.MSG_PEEK)
                # <linux>/include/net/tcp_states.h: 8 is CLOSE_WAIT, the peer has sent its end.
                together += client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x08"
    # Where the server is kept from running for 200 ms, the kernel sends what it has.
    assert together > 40


@each_stream
@pytest.mark.parametrize("options", [("--keep-alive",), ("--handler", "tests.faults.server.handlers:Echo")])
def test_a_reply_that_may_not_be_the_only_one_leaves_at_once(options):
    with serving(*options) as server:
        took = []
        for _ in range(50):
            with server.connect() as client:
                began = time.monotonic()
                client.sendall(b"line\n")
                assert client.recv(100).endswith(b"line\n")
                took.append(time.monotonic() - began)
        # Held back by the kernel each would take 200 ms.
        assert sorted(took)[25] < 0.1
