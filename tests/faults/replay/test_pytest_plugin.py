"""The plug-in where it takes a process: to be stopped while a script waits, and to speak TLS."""

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
COMMAND = [sys.executable, "-m", "pytest", "-p", "pytest_socketscope", "-p", "no:cacheprovider"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, pytest.ExitCode.INTERRUPTED), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_script_under_way_is_no_passed_test(tmp_path, number, status):
    (tmp_path / "waits.talk").write_text("@timeout 60s\n> hello\n< hello\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        with subprocess.Popen(
            [*COMMAND, "--talk-target", f"tcp://127.0.0.1:{silent.getsockname()[1]}"],
            cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(100) == b"hello\r\n"
                process.send_signal(number)
                told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == status
    assert "passed" not in told


@pytest.mark.parametrize(
    ("returns", "status"),
    [
        ("URL, ssl.create_default_context(cafile=CA)", pytest.ExitCode.OK),
        ("URL", pytest.ExitCode.TESTS_FAILED),
    ],
)
def test_a_fixture_says_how_a_server_is_verified(tmp_path, certificate, server_context, returns, status):
    class Echo(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.readline())

    class Server(socketserver.ThreadingTCPServer):
        def get_request(self):
            connection, address = super().get_request()
            return server_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            ), address

        def handle_error(self, *_):
            pass  # of a client that does not trust it

    (tmp_path / "echo.talk").write_text("> hello\n< hello\n")
    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        (tmp_path / "conftest.py").write_text(
            f"import pytest, ssl\n"
            f"URL, CA = 'tls://localhost:{server.server_address[1]}', {str(certificate)!r}\n"
            f"@pytest.fixture\n"
            f"def talk_target(): return {returns}\n"
        )
        ended = subprocess.run(
            COMMAND,
            cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        server.shutdown()
    assert ended.returncode == status, ended.stdout
    assert ("tls_error" in ended.stdout) == (status != pytest.ExitCode.OK)
