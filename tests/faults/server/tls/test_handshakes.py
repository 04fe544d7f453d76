"""Handshakes: those that fail have an outcome and a reason, and cost nobody else anything."""

import socket
import ssl
import threading
import time

import pytest

from tests.faults.server.authority import Authority
from tests.faults.server.process import (
    PATIENCE,
    ServerProcess,
    read_all,
    reset,
    unread,
    wait_for,
)

from .listener import asked, over_tls, secured

HELLO = bytes.fromhex("160301020001")
"""The first bytes of a handshake."""


def outcomes(server: ServerProcess, count: int) -> list[tuple[str, str, str]]:
    """Return how connections have ended: outcome, level and what the log says of the error."""
    return [(line["outcome"], line["level"], line["error"] or "") for line in server.connections(count)]


def bare(server: ServerProcess, sent: bytes = b"") -> socket.socket:
    """Connect, and begin no handshake."""
    client = socket.create_connection(server.address("tls"), timeout=PATIENCE)
    client.sendall(sent)
    return client


def test_a_line_is_answered_and_told_as_under_tcp(authority, files):
    with over_tls(files) as server:
        assert asked(server, authority.cert).endswith(b"] x\n")
        (line,) = server.connections(1)
        assert (line["listener"], line["outcome"]) == ("tls", "ok")
        assert (line["received_bytes"], line["exchanges"]) == (2, 1)
        assert server.started["listeners"]["tls"].startswith("tls://127.0.0.1:")
        assert server.closed("tls_error") == 0
        assert server.stop() == 0


def test_a_client_that_does_not_trust_the_certificate_says_why(authority, files, tmp_path):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with over_tls(files) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(server, other.cert)
        ((outcome, level, error),) = outcomes(server, 1)
        assert (outcome, level) == ("tls_error", "warning")
        assert "unknown ca" in error
        assert server.closed("tls_error") == 1
        assert asked(server, authority.cert).endswith(b"] x\n")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http request"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "wrong version number"),
        (HELLO + b"\xff" * 600, "SSLError"),
    ],
)
def test_what_is_no_tls_is_told_with_the_reason(files, sent, reason):
    with over_tls(files) as server:
        with bare(server, sent) as client:
            answer = read_all(client)
        ((outcome, level, error),) = outcomes(server, 1)
        assert (outcome, level) == ("tls_error", "warning")
        assert reason in error
        assert answer[:1] in {b"", b"\x15"}  # TLS' own alert, if anything
        assert server.errors == b""


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize(("sent", "outcome"), [(b"", "empty"), (HELLO, "tls_error")])
def test_who_leaves_before_a_handshake_is_nobody_and_amid_one_is_told(files, leave, sent, outcome):
    with over_tls(files) as server:
        client = bare(server, sent)
        wait_for(lambda: server.metric("socketserver_connections_open") == 1, "it is served")
        # What has come and is unread goes with a reset.
        wait_for(lambda: unread(client) == 0, "it is read from")
        leave(client)
        assert outcomes(server, 1)[0][0] == outcome
        assert server.errors == b""
        # No handler was entered.
        assert server.metric("socketserver_handle_duration_seconds_count") == 0
        assert server.connections(1)[0]["handle_seconds"] == 0


def test_case_2_a_handshake_that_dribbles_meets_the_same_absolute_deadline(authority, files):
    with over_tls(files, "--read-timeout", "700ms") as server:
        began = time.monotonic()
        with bare(server) as client:
            client.settimeout(0.05)
            for byte in HELLO + bytes(500):
                try:
                    client.send(bytes([byte]))
                    assert client.recv(100)[:1] in {b"", b"\x15"}
                    break
                except TimeoutError:
                    # Meanwhile others are served.
                    assert asked(server, authority.cert)
                except OSError:
                    break
        assert 0.6 < time.monotonic() - began < PATIENCE / 4
        failed = wait_for(
            lambda: [x for x in server.events("connection") if x["outcome"] != "ok"], "its line"
        )
        assert [line["outcome"] for line in failed] == ["tls_error"]
        assert failed[0]["error"].startswith("TimeoutError: the client did not send in time")
        assert server.closed("tls_error") == 1


def test_a_record_that_was_tampered_with_is_no_fault_of_the_handler(authority, files):
    with over_tls(files, "--keep-alive") as server, secured(server, authority.cert) as client:
        client.sendall(b"x\n")
        assert client.recv(100)
        with socket.socket(fileno=socket.dup(client.fileno())) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            ((outcome, level, error),) = outcomes(server, 1)
    assert (outcome, level) == ("tls_error", "warning")
    assert "SSLError" in error
    assert server.errors == b""


def test_case_9_resets_in_a_read_and_in_a_write_are_counted_and_cost_nothing_else(authority, files):
    with over_tls(files, "--handler", "tests.faults.server.handlers:Large") as server:
        reading = secured(server, authority.cert)
        reading.sendall(b"half a li")
        wait_for(lambda: server.metric("socketserver_received_bytes_total") == 9, "it is read from")
        reset(reading)
        server.connections(1)
        writing = secured(server, authority.cert)
        writing.sendall(b"go\n")
        assert writing.recv(1)  # and there is more than the kernel takes
        reset(writing)
        assert [outcome for outcome, _, _ in outcomes(server, 2)] == ["reset", "reset"]
        assert server.closed("tls_error") == 0
        with secured(server, authority.cert) as client:
            client.sendall(b"go\n")
            assert client.recv(10).startswith(b"x")
        assert server.stop() in {0, 3}
        assert server.errors == b""


def test_case_11_above_the_limit_who_comes_is_let_go_before_a_handshake(authority, files):
    options = ("--max-connections", "20", "--read-timeout", "5m")
    with over_tls(files, *options) as server:
        held = [secured(server, authority.cert) for _ in range(20)]
        for _ in range(50):
            with pytest.raises(OSError):  # noqa: PT011 - an end, or a reset
                secured(server, authority.cert)
        with bare(server) as client:
            assert read_all(client) == b""  # before a handshake there are no words
        assert server.metric("socketserver_connections_rejected_total", reason="capacity") == 51
        assert server.metric("socketserver_connections_accepted_total") == 20
        assert server.closed("tls_error") == 0
        for client in held:
            client.sendall(b"x\n")
            assert read_all(client).endswith(b"x\n")
            client.close()
        assert asked(server, authority.cert).endswith(b"x\n")


def test_case_17_what_is_in_flight_and_what_waits_in_the_backlog_is_answered(authority, files):
    options = ("--max-connections", "50", "--when-full", "queue")
    context = ssl.create_default_context(cafile=authority.cert)
    answers: list[bytes] = []

    def ask(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(b"x\n")
            answers.append(read_all(client))

    with over_tls(files, "--handler", "tests.faults.server.handlers:Slow", *options) as server:
        plain = [bare(server) for _ in range(120)]
        clients = [threading.Thread(target=ask, args=(each,)) for each in plain]
        for client in clients:
            client.start()
        wait_for(lambda: server.metric("socketserver_exchanges_total"), "the first has its answer")
        server.signal()
        for client in clients:
            client.join()
        assert answers == [b"x\n"] * 120
        assert server.wait() == 0
