"""Standard output or standard error that takes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.server.process import few_descriptors, serving


@pytest.mark.parametrize("option", ["--help", "--version"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_told_in_one_line(option: str, unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(
            [sys.executable, "-m", "server", option],
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False,
        )  # fmt: skip
    expected = "server: cannot write to standard output: No space left on device\n"
    assert (told.returncode, told.stderr) == (1, expected)


def test_what_standard_error_does_not_take_keeps_no_server_from_its_start():
    def warn_where_it_is_full() -> None:
        few_descriptors(100)()
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)

    with serving(preexec_fn=warn_where_it_is_full) as server:
        assert server.metric("socketserver_connections_limit") == 68


@pytest.mark.parametrize(("listen", "status"), [("nowhere", 2), ("tcp://192.0.2.1:0", 1)])
def test_what_standard_error_does_not_take_changes_no_exit_status(listen: str, status: int) -> None:
    command = [sys.executable, "-m", "server", "--listen", listen, "--metrics", "none"]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stderr=full, check=False, timeout=30, env=buffered)
    assert done.returncode == status
