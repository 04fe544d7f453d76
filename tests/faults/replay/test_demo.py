"""`demo`: server, replay and dashboard in one terminal, and nothing of them left at the end."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from socketscope.replay.watch import demo
from tests.faults.replay.terminal import ROOT, Terminal, children, terminal
from tests.faults.server.process import wait_for

COMMAND = (sys.executable, "-m", "client", "demo")


def started(shown: Terminal) -> list[int]:
    """Return the processes of a demo that shows traffic."""
    shown.sees(lambda text: re.search(r"2 of 2 up(.|\n)*?\n[\d.]+/s +0 %", text))
    server, replay = children(shown.process.pid)
    return [server, replay]


def gone(processes: list[int]) -> bool:
    return not any(map(lives, processes))


def lives(pid: int) -> bool:
    """Return whether a process has not ended; one of which nobody has asked how it ended has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("locale", [(), ("env", "LC_ALL=C", "PYTHONUTF8=0")], ids=["utf-8", "ascii"])
def test_it_shows_traffic_and_ctrl_c_ends_all_of_it(locale):
    with terminal(*locale, *COMMAND, lines=40) as shown:
        processes = started(shown)
        address = re.search(r"try: echo hello \| nc (\S+) (\d+)", shown.text)
        assert address is not None
        with socket.create_connection((address[1], int(address[2])), timeout=10) as person:
            person.sendall(b"hello\n")
            assert person.makefile("rb").readline().endswith(b"] hello\n")
        shown.type("\x03")
        assert shown.wait() == 0
        assert gone(processes)
        assert "PASS" in shown.text
        assert " attempted, " in shown.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_of_it(number):
    with terminal(*COMMAND) as shown:
        processes = started(shown)
        shown.process.send_signal(number)
        assert shown.wait() == 128 + number
        assert gone(processes)


def test_nothing_of_it_outlives_it_even_where_it_is_killed():
    with terminal("sh", "-c", '"$@"; read line', "sh", *COMMAND) as shown:
        shown.sees(lambda text: "2 of 2 up" in text)
        (killed,) = children(shown.process.pid)
        processes = children(killed)
        assert len(processes) == 2
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: gone(processes), "both have ended", 10)


def test_ports_that_are_taken_are_no_hindrance():
    with contextlib.ExitStack() as stack:
        for port in (21567, 9464):
            # Somebody else may have them already, which is as good.
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        shown = stack.enter_context(terminal(*COMMAND))
        started(shown)
        assert "127.0.0.1 21567" not in shown.text
        assert "127.0.0.1:9464 " not in shown.text
        shown.type("q")
        assert shown.wait() == 0


def test_a_port_that_is_taken_while_the_server_starts_is_no_hindrance(monkeypatch):
    free, notes = demo._port, []
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = {demo.SERVICE_PORT: taken}
        monkeypatch.setattr(demo, "_port", lambda wanted: ports.get(wanted) or free(wanted))
        monkeypatch.setattr(demo, "show", lambda _watches, _every, note, _check: notes.append(note))
        _, status = demo.run()
    assert status == 0
    assert re.fullmatch(rf"try: echo hello \| nc 127\.0\.0\.1 (?!{taken}$)\d+", *notes)


def test_a_server_that_dies_ends_it_with_one_line():
    with terminal(*COMMAND) as shown:
        server, replay = started(shown)
        os.kill(server, signal.SIGKILL)
        assert shown.wait() == 1
        assert gone([server, replay])
        assert shown.text.splitlines()[-1] == "client: the server has ended: exit status -9"


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("SERVER_MAX_LINE", "the server did not start: server: Invalid value for '--max-line'"),
        ("CLIENT_REPLAY_FAIL_ON", "the replay did not start: socketscope: Invalid value for '--fail-on'"),
    ],
)
def test_a_program_that_cannot_start_is_one_line(variable, told):
    ended = subprocess.run(
        COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, variable: "much"},
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"client: {told}")
    assert ended.stderr.count("\n") == 1
