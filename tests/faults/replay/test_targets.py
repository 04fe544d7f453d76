"""Targets of every kind, each a real server."""

import contextlib
import json
import socket
import socketserver
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from socketscope import ThreadingTCPServer
from tests.faults.replay.test_replay import PATIENCE, ROOT, run, write
from tests.ports import free_port
from tests.threads import in_a_thread


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
    text = script or "> x ${seq}\n<~ \\] x ${seq}$\n> last\n<~ \\] last$\n"
    ended = run("replay", write(folder, text), "--target", target, "--summary", "json", *options)
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
    status, outcomes, _ = replay(tmp_path, f"udp://127.0.0.1:{free_port()}")
    assert (status, outcomes) == (1, {"refused": 1})


@pytest.mark.parametrize(
    "expected", ["< two\n< lines of ping", "< two\n<| lines of ping", "<|~ of ping$", "< 17B", "< 16B\n<| g"]
)
def test_a_datagram_ends_its_line(tmp_path, expected):
    with socket.socket(type=socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 0))

        def serve() -> None:
            data, peer = service.recvfrom(100)
            service.sendto(b"two\nlines of " + data, peer)

        thread = in_a_thread(serve)
        script = f"@eol none\n> ping\n{expected}\n"
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
    class Server(ThreadingTCPServer, registry=CollectorRegistry()):
        pass

    # At 127.0.0.2 too, which is not in its certificate.
    with Server(("0.0.0.0", 0), Lines) as server:
        server.socket = server_context.wrap_socket(server.socket, server_side=True)
        thread = in_a_thread(server.serve_forever)
        yield server.server_address[1]
        server.shutdown()
        thread.join()


CAPITALS = "> a\n< A\n> b\n< B\n> END\n< THE END\n<$\n"


def refusal(
    folder: Path, target: str, *options: str, script: str = CAPITALS
) -> tuple[int, dict[str, int], str]:
    """Return how a run that fails ends, and what came in place of what was expected."""
    ended = run("replay", write(folder, script), "--target", target, "--summary", "json", *options)
    summary = json.loads(ended.stdout)
    outcomes = {name: number for name, number in summary["outcomes"].items() if number}
    return ended.returncode, outcomes, summary["first_failure"]["got"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_tls_server_is_verified(tmp_path, tls_server, certificate, host):
    options = ("--connect", "pass", "--ca", str(certificate))
    target = f"tls://{host}:{tls_server}"
    assert replay(tmp_path, target, *options, script=CAPITALS) == (0, {"ok": 3}, "")


def test_a_tls_server_that_nobody_vouches_for_is_not_spoken_to(tmp_path, tls_server):
    assert refusal(tmp_path, f"tls://localhost:{tls_server}") == (
        4, {"tls_error": 1}, "the server's certificate does not hold: self-signed certificate",
    )  # fmt: skip


def test_a_tls_server_of_another_name_is_not_spoken_to(tmp_path, tls_server, certificate):
    target = f"tls://127.0.0.2:{tls_server}"
    status, outcomes, got = refusal(tmp_path, target, "--ca", str(certificate))
    assert (status, outcomes) == (4, {"tls_error": 1})
    assert "IP address mismatch" in got
    # Its name is what was asked for, if that is what the user says.
    options = ("--connect", "pass", "--ca", str(certificate), "--server-name", "localhost")
    assert replay(tmp_path, target, *options, script=CAPITALS) == (0, {"ok": 3}, "")


def test_who_speaks_no_tls_is_told_as_that(tmp_path, server):
    target = server["tcp4"].replace("tcp:", "tls:")
    status, outcomes, got = refusal(tmp_path, target, "--insecure")
    assert (status, outcomes) == (4, {"tls_error": 1})
    assert got in {
        "wrong version number",
        "the server closed instead of speaking TLS",
        "record layer failure",
    }


def test_a_tls_server_that_wants_a_certificate_gets_one(tmp_path, tls_server, server_context, certificate):
    server_context.load_verify_locations(certificate)
    server_context.verify_mode = ssl.CERT_REQUIRED
    target, options = f"tls://localhost:{tls_server}", ("--connect", "pass", "--ca", str(certificate))
    status, outcomes, got = refusal(tmp_path, target, *options)
    assert (status, outcomes, got) == (1, {"tls_error": 1}, "tlsv13 alert certificate required")
    shown = ("--cert", f"{certificate}.crt", "--key", str(certificate))
    assert replay(tmp_path, target, *options, *shown, script=CAPITALS) == (0, {"ok": 3}, "")
    assert replay(tmp_path, target, *options, *shown[:1], str(certificate), script=CAPITALS)[0] == 0


def test_a_tls_server_that_has_refused_and_gone_before_a_client_sends_is_told_as_that(
    tmp_path, server_context, certificate
):
    server_context.load_verify_locations(certificate)
    server_context.verify_mode = ssl.CERT_REQUIRED

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with pytest.raises(ssl.SSLError):
                server_context.wrap_socket(self.request, server_side=True)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as plain:
        thread = in_a_thread(plain.handle_request)
        target, options = f"tls://127.0.0.1:{plain.server_address[1]}", ("--ca", str(certificate))
        told = refusal(tmp_path, target, *options, script=f"!hold 500ms\n{CAPITALS}")
        thread.join()
    assert told == (1, {"tls_error": 1}, "tlsv13 alert certificate required")


def test_a_key_with_a_password_is_told_and_nobody_is_asked(tmp_path, certificate):
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", certificate, "-aes256", "-passout", "pass:x", "-out", locked], check=True
    )
    status, _, told = replay(
        tmp_path, "tls://localhost:1", "--cert", f"{certificate}.crt", "--key", str(locked)
    )
    assert (status, told.count("\n")) == (2, 1)
    assert told.startswith(f"client: --cert {certificate}.crt --key {locked}: ")
    assert told.endswith(f": the private key in {locked} is encrypted: decrypt it, by openssl pkey\n")


def test_files_that_hold_something_else_are_told_with_what_they_lack(tmp_path, certificate):
    empty, cert = tmp_path / "empty.pem", f"{certificate}.crt"
    empty.touch()
    for options, told in (
        (("--cert", str(empty)), f"no certificate in PEM form is in {empty}"),
        (("--cert", cert), f"no private key in PEM form is in {cert}"),
        (("--cert", cert, "--key", str(empty)), f"no private key in PEM form is in {empty}"),
        (("--ca", str(empty)), f"no certificate in PEM form is in {empty}"),
    ):
        status, _, said = replay(tmp_path, "tls://localhost:1", *options)
        assert (status, said) == (2, f"client: {' '.join(options)}: {told}\n")
    status, _, said = replay(tmp_path, "tls://localhost:1", "--cert", cert, "--key", "absent.pem")
    assert (status, said) == (2, "client: --key absent.pem: No such file or directory\n")


def test_a_machine_without_a_port_left_is_not_a_server_that_refuses(tmp_path):
    prefix = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no network of its own can be made here")
    path = tmp_path / "x.talk"
    path.write_text("@connect pass\n> a\n< A\n> b\n< B\n")
    code = (
        "import pathlib, socketserver, subprocess, sys, threading\n"
        "class Lines(socketserver.StreamRequestHandler):\n"
        "    def handle(self):\n"
        "        for line in self.rfile: self.wfile.write(line.upper())\n"
        "server = socketserver.ThreadingTCPServer(('127.0.0.1', 20000), Lines)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').write_text('30000 30000')\n"
        "command = [sys.executable, '-m', 'client', 'replay', sys.argv[1], '--target', 'tcp://127.0.0.1:20000']\n"
        "sys.exit(subprocess.run([*command, '--users', '2', '--summary', 'json']).returncode)\n"
    )
    ended = subprocess.run(
        [*prefix, sys.executable, "-c", code, path],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    outcomes = json.loads(ended.stdout)["outcomes"]
    assert {name: number for name, number in outcomes.items() if number} == {"ok": 2, "no_port": 1}
    assert json.loads(ended.stdout)["first_failure"]["got"] == "no local port is left"


def test_a_tls_server_may_be_taken_at_its_word_and_the_user_is_told(tmp_path, tls_server):
    options = ("--connect", "pass", "--insecure")
    assert replay(tmp_path, f"tls://localhost:{tls_server}", *options, script=CAPITALS) == (
        0,
        {"ok": 3},
        "client: --insecure: the server's certificate is not verified\n",
    )
