import signal
import socket
import stat
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from .process import PATIENCE, read_all, serving, udp_client, wait_for
from .test_start import start


@pytest.fixture
def path():
    # A Unix path may have 107 bytes, fewer than pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="scope") as folder:
        yield Path(folder) / "socket"


def ask_at(path: Path, data: bytes) -> bytes:
    """Send on a connection of its own and return all that comes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(data)
        return read_all(client)


def test_all_kinds_of_listeners_are_served_by_one_process_each_under_its_name(path):
    urls = ("tcp://127.0.0.1:0", "v6=tcp://[::1]:0", "udp://127.0.0.1:0")
    with serving(listen=(*urls, f"unix://{path}", f"unixgram://{path}.dgram")) as server:
        assert list(server.started["listeners"]) == ["tcp", "v6", "udp", "unix", "unixgram"]
        assert server.ask(b"one\n").endswith(b"] one\n")
        assert server.ask(b"two\n", "v6").endswith(b"] two\n")
        assert ask_at(path, b"three\n").endswith(b"] three\n")
        with udp_client() as client:
            client.sendto(b"four\n", server.address("udp"))
            assert client.recv(100).endswith(b"] four\n")
        with udp_client(socket.AF_UNIX) as client:
            client.bind(f"{path}.client")
            client.sendto(b"five\n", f"{path}.dgram")
            assert client.recv(100).endswith(b"] five\n")
        server.connections(3)
        wait_for(lambda: len(server.events("datagram")) == 2, "both datagrams are logged")
        for name in ("tcp", "v6", "unix"):
            assert server.metric("socketserver_connections_accepted_total", listener=name) == 1
        for name in ("udp", "unixgram"):
            assert server.metric("socketserver_datagrams_total", listener=name, outcome="ok") == 1
        assert server.metric("socketserver_handle_duration_seconds_count") == 5
        # Each is written once its reply is out, so one can overtake the other.
        peers = {line["listener"]: line["peer"] for line in server.events("datagram")}
        assert set(peers) == {"udp", "unixgram"}
        assert peers["unixgram"] == f"{path}.client"
        assert server.stop() == 0
    assert not path.exists()
    assert not path.with_name("socket.dgram").exists()


def test_a_name_of_both_families_is_a_listener_for_each_at_one_port(both_families):
    urls = ("tcp://localhost:0", "dgram=udp://localhost:0")
    with serving(listen=urls, metrics="localhost:0", prefix=both_families) as server:
        hosts = {name: server.address(name)[0] for name in server.started["listeners"]}
        assert hosts == {"tcp": "::1", "tcp-2": "127.0.0.1", "dgram": "::1", "dgram-2": "127.0.0.1"}
        for name in ("tcp", "dgram"):
            assert server.address(name)[1] == server.address(f"{name}-2")[1]
        for name in ("tcp", "tcp-2"):
            assert server.ask(b"one\n", name).endswith(b"] one\n")
        for family, name in ((socket.AF_INET6, "dgram"), (socket.AF_INET, "dgram-2")):
            with udp_client(family) as client:
                client.sendto(b"two\n", server.address(name))
                assert client.recv(100).endswith(b"] two\n")
        # Two threads tell them.
        assert sorted(line["listener"] for line in server.connections(2)) == ["tcp", "tcp-2"]
        port = server.metrics_url.rpartition(":")[2].removesuffix("/metrics")
        for host in ("[::1]", "127.0.0.1"):
            with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=PATIENCE) as answer:
                assert answer.status == 200
        assert server.stop() == 0


def test_case_24_a_stale_path_is_reclaimed(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(listen=(f"unix://{path}",)) as server:
        assert ask_at(path, b"x\n").endswith(b"x\n")
        assert server.stop() == 0


def test_case_24_a_live_path_is_refused(path):
    with serving(listen=(f"unix://{path}",)):
        assert start("--listen", f"unix://{path}", "--metrics", "none") == (
            1, f"server: cannot listen on unix://{path}: Address already in use\n"
        )  # fmt: skip
        assert stat.S_ISSOCK(path.stat().st_mode)


def test_case_24_a_file_that_is_no_socket_is_left_alone(path):
    path.write_text("mine")
    assert start("--listen", f"unix://{path}", "--metrics", "none") == (
        1, f"server: cannot listen on unix://{path}: it exists and is not a socket\n"
    )  # fmt: skip
    assert path.read_text() == "mine"


def test_case_24_only_its_own_path_is_removed(path):
    with serving(listen=(f"unix://{path}",)) as server:
        path.unlink()
        path.write_text("mine")
        assert server.stop() == 0
    assert path.read_text() == "mine"


def test_case_25_a_datagram_that_was_cut_off_is_dropped_and_one_of_nobody_handled_and_both_are_counted(path):
    with serving("--handler", "tests.faults.server.small:Small", listen=(f"unixgram://{path}",)) as server:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nobody:
            nobody.sendto(b"who am I\n", str(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.bind(f"{path}.client")
            client.settimeout(PATIENCE)
            client.sendto(b"x" * 70_000, str(path))
            client.sendto(b"silence", str(path))
            client.sendto(b"line\n", str(path))
            assert client.recv(100) == b"line\n"
            client.sendto(b"\n", str(path))
            assert client.recv(100) == b""
        wait_for(lambda: len(server.events("datagram")) == 5, "all are logged")
        outcomes = {"no_address": 1, "truncated": 1, "no_reply": 1, "ok": 2}
        assert Counter(line["outcome"] for line in server.events("datagram")) == outcomes
        for outcome, number in outcomes.items():
            assert server.metric("socketserver_datagrams_total", outcome=outcome) == number
        assert server.metric("socketserver_exchanges_total") == 2
        # Of one that nobody can answer what came counts all the same.
        assert server.metric("socketserver_received_bytes_total") == 9 + 7 + 5 + 1
        assert server.metric("socketserver_sent_bytes_total") == 5


def test_a_datagram_may_be_as_long_as_its_answer_can_be():
    with (
        serving("--max-line", "64KiB", listen=("udp://127.0.0.1:0",)) as server,
        udp_client() as client,
    ):
        client.sendto(b"x" * 65_000, server.address("udp"))
        assert client.recv(1 << 16).endswith(b"] " + b"x" * 65_000)


def test_what_follows_the_line_does_not_cost_the_reply_on_a_unix_socket_either(path):
    with serving(listen=(f"unix://{path}",)) as server:
        for _ in range(50):
            assert ask_at(path, b"line\n" + b"x" * 100_000).endswith(b"line\n")
        assert {line["outcome"] for line in server.connections(50)} == {"ok"}


def test_a_unix_peer_that_takes_no_replies_holds_up_nobody(path):
    with (
        serving(
            "--write-timeout", "300ms", "--max-connections", "20", listen=(f"unixgram://{path}",)
        ) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client,
    ):
        deaf.bind(f"{path}.deaf")
        for _ in range(60):
            deaf.sendto(b"x\n", str(path))
        # While as many are served as may be, more are dropped, and the client's would be.
        wait_for(lambda: server.metric("socketserver_datagrams_total") == 60, "all are dealt with")
        assert server.metric("socketserver_datagrams_total", outcome="no_reply") >= 20
        client.bind(f"{path}.client")
        client.settimeout(PATIENCE)
        client.sendto(b"line\n", str(path))
        assert client.recv(100).endswith(b"line\n")
        wait_for(lambda: len(server.events("datagram")) == 61, "all are logged")
        given_up = next(line for line in server.events("datagram") if line["outcome"] == "no_reply")
        assert given_up["error"].startswith("TimeoutError: the peer did not take the reply in time (")
        assert server.metric("socketserver_datagrams_total", outcome="handler_error") == 0


def test_datagrams_that_came_before_the_stop_are_answered():
    with serving(
        "--handler", "tests.faults.server.handlers:SlowDatagram", listen=("udp://127.0.0.1:0",)
    ) as server:
        with udp_client() as client:
            for number in range(20):
                client.sendto(b"%d" % number, server.address("udp"))
            server.signal(signal.SIGTERM)
            answers = {client.recv(100) for _ in range(20)}
        assert answers == {b"%d" % number for number in range(20)}
        assert server.wait() == 0
