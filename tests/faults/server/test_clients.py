"""Each kind of listener, asked by programs that others wrote."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from .process import PATIENCE, ROOT, ServerProcess, serving, wait_for

COMMANDS = {
    "tcp": ["nc -N {host} {port}", "socat - TCP:{host}:{port}"],
    "v6": ["nc -N ::1 {port}", "socat - TCP6:[::1]:{port}"],
    "dual": ["nc -N -4 127.0.0.1 {port}", "nc -N -6 ::1 {port}"],
    "udp": ["nc -u {host} {port}", "socat -t 60 - UDP:{host}:{port}"],
    "unix": ["nc -N -U {path}", "socat - UNIX-CONNECT:{path}"],
    "unixgram": ["nc -u -U {path}", "socat -t 60 - UNIX-SENDTO:{path},bind={path}.client"],
}
URLS = {
    "tcp": "tcp://127.0.0.1:0",
    "v6": "tcp://[::1]:0",
    "dual": "tcp://:0",
    "udp": "udp://127.0.0.1:0",
    "unix": "unix://{folder}/unix",
    "unixgram": "unixgram://{folder}/unixgram",
}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with tempfile.TemporaryDirectory(prefix="scope") as folder:
        urls = (f"{kind}={url.format(folder=folder)}" for kind, url in URLS.items())
        with serving(listen=tuple(urls)) as server:
            yield server
            assert server.stop() == 0
            assert server.errors == b""


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize(("kind", "number"), [(kind, number) for kind in COMMANDS for number in (0, 1)])
def test_a_line_is_answered(server, kind, number):
    def told() -> list[dict[str, Any]]:
        return [line for line in server.events(event) if line["listener"] == kind]

    command = COMMANDS[kind][number]
    need(command.split()[0])
    path = server.started["listeners"][kind].partition("://")[2]
    host, port = ("", 0) if kind.startswith("unix") else server.address(kind)
    event = "datagram" if kind in {"udp", "unixgram"} else "connection"
    before = len(told())
    words = command.format(host=host, port=port, path=path).split()
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"x\n")
        client.stdin.close()
        assert client.stdout.readline().endswith(b"] x\n")
        if event == "datagram":
            client.terminate()  # nothing tells it that this was all
        else:
            assert client.wait(PATIENCE) == 0
    (line,) = wait_for(lambda: told()[before:], "its line")
    assert (line["outcome"], line["received_bytes"]) == ("ok", 2)


def test_a_handler_of_http_server_is_asked_by_curl(tmp_path):
    need("curl")
    (tmp_path / "page.txt").write_text("hello " * 20_000)
    with serving(
        "--handler", "http.server:SimpleHTTPRequestHandler", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    ) as server:
        host, port = server.address()
        url = f"http://{host}:{port}/page.txt"
        said = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", url, url],
            capture_output=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
        assert said.stdout == (tmp_path / "page.txt").read_bytes() * 2
        assert {line["outcome"] for line in server.connections(2)} == {"ok"}
        assert server.metric("socketserver_sent_bytes_total") > 2 * 120_000
        assert server.metric("socketserver_exchanges_total") == 2
