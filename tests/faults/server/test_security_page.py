"""What SECURITY.md tells its reader to type works as it stands there, with fewer inputs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import blocks

from .process import PATIENCE, ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
COMMANDS = "".join(blocks(PAGE))


@pytest.mark.usefixtures("authority")  # it needs openssl, as TLS does here
def test_its_commands_find_no_fault():
    typed = re.sub(r"--inputs \d+", "--inputs 400", COMMANDS)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", typed],
        cwd=ROOT, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=6 * PATIENCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    said = re.findall(r"^(\w+): (\d+) inputs .*; 0 faults$", ended.stdout, re.MULTILINE)
    assert [name for name, _ in said] == ["tcp", "tls", "script"]
    assert all(int(number) >= 360 for _, number in said)  # a worker's share is rounded
    assert "seed 16" in ended.stdout
