"""The plug-in in a pytest that is stopped while a script waits."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, pytest.ExitCode.INTERRUPTED), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_script_under_way_is_no_passed_test(tmp_path, number, status):
    (tmp_path / "waits.talk").write_text("@timeout 60s\n> hello\n< hello\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "pytest_socketscope", "-p", "no:cacheprovider",
             "--talk-target", f"tcp://127.0.0.1:{silent.getsockname()[1]}"],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(100) == b"hello\r\n"
                process.send_signal(number)
                told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == status
    assert "passed" not in told
