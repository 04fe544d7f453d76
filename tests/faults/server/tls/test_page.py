"""What docs/tls.md tells its reader to do works as it stands there, at another port."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.server.process import PATIENCE, ROOT
from tests.pages import blocks, shell_lines
from tests.ports import free_port

PAGE = (ROOT / "docs" / "tls.md").read_text(encoding="utf-8")
COMMANDS = shell_lines(PAGE)
PROGRAM = blocks(PAGE, "python")
ECHO = """
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())
"""


def typed(folder: Path) -> list[str]:
    """Type all commands into one shell; return the lines of its output.

    What is typed after a server waits for its first line, and the end waits for that of each server.
    """
    port = str(free_port())
    lines = []
    for line in (command.replace("21567", port) for command in COMMANDS):
        if line.endswith("&"):
            lines += [f"{line[:-1]} > log &", "until [ -s log ]; do sleep 0.05; done"]
        elif line.startswith("kill -HUP"):
            lines += [line, "until grep -q certificate_read log; do sleep 0.05; done"]
        elif line.startswith("kill"):
            lines += [line, "wait $!", "cat log", "rm log"]
        else:
            lines.append(line)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SERVER_METRICS": "none",
    }
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, timeout=3 * PATIENCE, check=True,
    )  # fmt: skip
    return ended.stdout.splitlines()


@pytest.fixture
def page(tmp_path: Path) -> list[str]:
    """What the shell has shown of the whole page, in a folder that has its files then."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl, which is not installed")
    return typed(tmp_path)


def test_its_commands_and_its_program_do_as_they_say(page, tmp_path):
    assert sum(bool(re.fullmatch(r".*\] hello", line)) for line in page) == 2
    assert sum('"outcome":"ok"' in line for line in page) == 2
    assert sum("certificate_read" in line for line in page) == 1
    (tmp_path / "echo.py").write_text(ECHO)
    port = str(free_port())
    (program,) = PROGRAM
    # The endpoint's port may be taken here.
    program = program.replace("9000", port).replace('"server.key")))', '"server.key")), metrics=None)')
    running = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with running:
        assert running.stdout is not None
        assert f"tls://127.0.0.1:{port}" in running.stdout.readline()
        asked = subprocess.run(
            [sys.executable, "-m", "client", "talk", "--target", f"tls://localhost:{port}", "--ca", "ca.pem"],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, input="hello\n",
            stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
        running.terminate()
        assert "hello" in asked.stdout
        assert running.wait(PATIENCE) == 0
