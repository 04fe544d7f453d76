"""Each kind of listener, asked by programs that others wrote."""

import shutil
import subprocess
import tempfile

import pytest

from .process import PATIENCE, ROOT, serving, wait_for

COMMANDS = {
    "tcp": ["printf 'x\\n' | nc -N {host} {port}", "printf 'x\\n' | socat - TCP:{host}:{port}"],
    "v6": ["printf 'x\\n' | nc -N ::1 {port}", "printf 'x\\n' | socat - TCP6:[::1]:{port}"],
    "dual": ["printf 'x\\n' | nc -N -4 127.0.0.1 {port}", "printf 'x\\n' | nc -N -6 ::1 {port}"],
    "udp": [
        "printf 'x\\n' | nc -u -w 1 {host} {port}",
        "printf 'x\\n' | socat -t 1 - UDP:{host}:{port}",
    ],
    "unix": ["printf 'x\\n' | nc -N -U {path}", "printf 'x\\n' | socat - UNIX-CONNECT:{path}"],
    "unixgram": [
        "printf 'x\\n' | nc -u -w 1 -U {path}",
        "printf 'x\\n' | socat -t 1 - UNIX-SENDTO:{path},bind={path}.client",
    ],
}
URLS = {
    "tcp": "tcp://127.0.0.1:0",
    "v6": "tcp://[::1]:0",
    "dual": "tcp://:0",
    "udp": "udp://127.0.0.1:0",
    "unix": "unix://{path}",
    "unixgram": "unixgram://{path}",
}


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize(("kind", "number"), [(kind, number) for kind in COMMANDS for number in (0, 1)])
def test_a_line_is_answered(kind, number):
    command = COMMANDS[kind][number]
    need(command.split("| ")[1].split()[0])
    with tempfile.TemporaryDirectory(prefix="scope") as folder:
        path = f"{folder}/s"
        with serving(listen=(f"{kind}={URLS[kind].format(path=path)}",)) as server:
            host, port = ("", 0) if kind.startswith("unix") else server.address(kind)
            said = subprocess.run(
                ["sh", "-c", command.format(host=host, port=port, path=path)],
                capture_output=True, text=True, timeout=PATIENCE, check=True,
            )  # fmt: skip
            assert said.stdout.endswith("] x\n")
            event = "datagram" if kind in {"udp", "unixgram"} else "connection"
            (line,) = wait_for(lambda: server.events(event), "its line")
            assert (line["listener"], line["outcome"], line["received_bytes"]) == (kind, "ok", 2)
            assert server.stop() == 0
            assert server.errors == b""


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
