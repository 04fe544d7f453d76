"""What docs/log.md shows is done: its programs run, its clients ask, and its commands find what it says."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.server.process import PATIENCE, ROOT, read_all, wait_for

PAGE = (ROOT / "docs/log.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

CLIENTS = (
    b"order 7\n", b"order 5\norder seven\n", b"order eight\n", b"think 0.2\n", b"think 0.1\n", b"hi\n", b"\n",
)  # fmt: skip


def log_of(folder: Path, program: str) -> None:
    """Run a program of the page's on free ports, as its clients ask; leave its output in `shop.log`."""
    with (folder / "shop.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, program], cwd=folder, stdout=log, stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        started = wait_for(
            lambda: re.search(r"tcp://127.0.0.1:(\d+)", (folder / "shop.log").read_text()), "the start"
        )
        for request in CLIENTS:
            with socket.create_connection(("127.0.0.1", int(started[1])), PATIENCE) as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                read_all(client)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, b"")
    finally:
        process.kill()
        process.communicate()


def matches(expected: str, told: str) -> bool:
    """Return whether a text is the expected one, which leaves out what differs each time."""
    return re.fullmatch(re.escape(expected).replace("…", ".*"), told, re.DOTALL) is not None


@pytest.mark.skipif(shutil.which("jq") is None, reason="the page's commands are jq's, which is not installed")
def test_the_page_of_the_log_does_what_it_says(tmp_path):
    done = 0
    for (kind, text), (next_kind, expected) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        program = re.match(r"python (\S+) > shop.log\n$", text)
        if kind == "python":
            name = re.match(r"# (\S+)\n", text)
            assert name is not None, text
            (tmp_path / name[1]).write_text(text.replace(":9464", ":0").replace("9000", "0"))
        elif kind == "sh" and program:
            log_of(tmp_path, program[1])
            if next_kind == "text":
                told = (tmp_path / "shop.log").read_text().splitlines()
                for line in expected.splitlines():
                    assert any(matches(line, each) for each in told), line
        elif kind == "sh":
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
            assert (ended.returncode, ended.stderr) == (0, ""), text
            assert next_kind == "text", f"it is not said what comes of it: {text}"
            assert matches(expected, ended.stdout), f"{text}\n{expected}\n{ended.stdout}"
            done += 1
    assert done == 8
    _says_no_address(tmp_path)


def _says_no_address(folder: Path) -> None:
    log_of(folder, "processed.py")
    text = (folder / "shop.log").read_text()
    assert '"log.level":"warning"' in text
    assert "client.address" not in text
    assert "127.0.0.1" not in re.sub(r"tcp://127.0.0.1:\d+|http://127.0.0.1:\d+", "", text)
