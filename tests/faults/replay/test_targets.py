"""Targets of every kind, each a real server, played against by the program as its users run it."""

import contextlib
import json
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from socketscope import ThreadingTCPServer

ROOT = Path(__file__).parents[3]
PATIENCE = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Yield the URLs of the timestamp service, which listens in every way that it can."""
    folder = tmp_path_factory.mktemp("sockets")
    urls = [
        "tcp4=tcp://127.0.0.1:0", "udp4=udp://127.0.0.1:0", f"unix=unix://{folder}/s",
        f"unixgram=unixgram://{folder}/d",
    ]  # fmt: skip
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        urls += ["tcp6=tcp://[::1]:0", "udp6=udp://[::1]:0"]
    command = [sys.executable, "-m", "server", "--metrics", "none", "--log-level", "error", "--keep-alive"]
    process = subprocess.Popen(
        [*command, *(word for url in urls for word in ("--listen", url))],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["listeners"]
    process.terminate()
    process.communicate(timeout=PATIENCE)


def replay(folder: Path, target: str, *options: str, script: str = "") -> tuple[int, dict[str, int], str]:
    path = folder / "x.talk"
    path.write_text(script or "> x ${seq}\n<~ \\] x ${seq}$\n> last\n<~ \\] last$\n")
    ended = subprocess.run(
        [sys.executable, "-m", "client", "replay", path, "--target", target, "--summary", "json", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    outcomes = json.loads(ended.stdout)["outcomes"] if ended.stdout else {}
    return ended.returncode, {name: number for name, number in outcomes.items() if number}, ended.stderr


@pytest.mark.parametrize("listener", ["tcp4", "tcp6", "udp4", "udp6", "unix", "unixgram"])
@pytest.mark.parametrize("connect", ["message", "user"])
def test_a_server_is_spoken_to(tmp_path, server, listener, connect):
    if listener not in server:
        pytest.skip("this machine's loopback has no IPv6")
    options = ("--loops", "5", "--users", "2", "--connect", connect)
    assert replay(tmp_path, server[listener], *options) == (0, {"ok": 20}, "")


def test_a_name_is_spoken_to_by_whichever_address_answers(tmp_path, server):
    # The name may have an IPv6 address too, where nobody listens on this port.
    target = server["tcp4"].replace("127.0.0.1", "localhost")
    assert replay(tmp_path, target, "--loops", "10") == (0, {"ok": 20}, "")


def test_nobody_at_the_other_end_of_a_datagram_is_a_refusal(tmp_path):
    with socket.socket(type=socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        target = f"udp://127.0.0.1:{reserved.getsockname()[1]}"
    status, outcomes, _ = replay(tmp_path, target)
    assert (status, outcomes) == (1, {"refused": 1})


def test_a_datagram_ends_its_line(tmp_path):
    with socket.socket(type=socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 0))

        def serve() -> None:
            data, peer = service.recvfrom(100)
            service.sendto(b"two\nlines of " + data, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        script = "@eol none\n> ping\n< two\n< lines of ping\n"
        target = f"udp://127.0.0.1:{service.getsockname()[1]}"
        assert replay(tmp_path, target, script=script) == (0, {"ok": 1}, "")
        thread.join()


def test_a_datagram_that_is_too_long_is_told(tmp_path, server):
    status, outcomes, _ = replay(tmp_path, server["udp4"], script="!flood 1MiB\n")
    assert (status, outcomes) == (1, {"send_error": 1})


class Lines(socketserver.StreamRequestHandler):
    """Answers each line with one in capitals, until it is to end."""

    def handle(self):
        while (line := self.rfile.readline()) != b"END\r\n":
            self.wfile.write(line.upper())
        self.wfile.write(b"THE END\n")


@pytest.fixture
def tls_server(server_context: ssl.SSLContext) -> Iterator[int]:
    class Server(ThreadingTCPServer):
        registry = CollectorRegistry()

    with Server(("127.0.0.1", 0), Lines) as server:
        server.socket = server_context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


CAPITALS = "> a\n< A\n> b\n< B\n> END\n< THE END\n<$\n"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_tls_server_is_verified(tmp_path, tls_server, certificate, host):
    options = ("--connect", "pass", "--ca", str(certificate))
    target = f"tls://{host}:{tls_server}"
    assert replay(tmp_path, target, *options, script=CAPITALS) == (0, {"ok": 3}, "")


def test_a_tls_server_that_nobody_vouches_for_is_not_spoken_to(tmp_path, tls_server):
    status, outcomes, _ = replay(tmp_path, f"tls://localhost:{tls_server}", script=CAPITALS)
    assert status == 4
    assert sum(outcomes.values()) == 1
    assert "ok" not in outcomes


def test_a_tls_server_of_another_name_is_not_spoken_to(tmp_path, tls_server, certificate):
    target = f"tls://127.0.0.2:{tls_server}"
    status, _, _ = replay(tmp_path, target, "--ca", str(certificate), script=CAPITALS)
    assert status == 4


def test_a_tls_server_may_be_taken_at_its_word_and_the_user_is_told(tmp_path, tls_server):
    options = ("--connect", "pass", "--insecure")
    assert replay(tmp_path, f"tls://localhost:{tls_server}", *options, script=CAPITALS) == (
        0,
        {"ok": 3},
        "client: --insecure: the server's certificate is not verified\n",
    )


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_a_file_without_certificates_is_told(tmp_path, text):
    path = tmp_path / "ca.pem"
    if text:
        path.write_text(text)
    status, _, told = replay(tmp_path, "tls://localhost:1", "--ca", str(path))
    assert status == 2
    assert told.startswith(f"client: --ca {path}: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "target", "told"),
    [
        (
            "> a\n<$",
            "udp://127.0.0.1:1",
            "ends a connection, and udp://127.0.0.1:1 has none",
        ),
        (
            "> a\n!half-close\n",
            "unixgram:///s",
            "ends a connection, and unixgram:///s has none",
        ),
        ("> a\n!half-close\n", "tls://127.0.0.1:1", "has !half-close: TLS closes both directions at once"),
        (
            "< hello\n",
            "tcp://127.0.0.1:1",
            "expects the server to speak first: that needs --connect pass or user",
        ),
    ],
)
def test_a_script_that_does_not_fit_its_target_is_told_first(tmp_path, script, target, told):
    assert replay(tmp_path, target, script=script) == (2, {}, f"client: {tmp_path}/x.talk {told}\n")
