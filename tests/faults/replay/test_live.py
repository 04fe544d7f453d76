"""The live view of `replay`, seen in a terminal."""

import itertools
import os
import re
import signal
import socket
import sys
import threading

import pytest

from tests.faults.replay.terminal import PATIENCE, children, terminal
from tests.faults.replay.test_replay import echo, never_answer, serving, stall, write

COMMAND = (sys.executable, "-m", "client", "replay")


OPTIONS = ("--rate", "50", "--loops", "100")


class Pausing:
    """Echoes, but keeps the user in the middle of its passes waiting until it may go on."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self._numbers = itertools.count()

    def __call__(self, connection: socket.socket) -> None:
        if next(self._numbers) == 50:
            self.may_go_on.wait(60)
        echo(connection)


def test_it_tells_how_the_run_goes_and_leaves_the_summary_alone(tmp_path):
    server = Pausing()
    script = write(tmp_path, "@timeout 1m\n> x\n< x\n")
    with serving(server) as target, terminal(*COMMAND, script, "--target", target, *OPTIONS) as shown:
        shown.sees("of 100 passes")
        shown.sees("/s of 50.0/s")
        seen = shown.sees("p50 ")
        assert "a connection a message" in seen
        server.may_go_on.set()
        assert shown.wait() == 0
        assert shown.lines[0] == "PASS"
        assert "of 100 passes" not in shown.text


def test_the_first_failure_is_shown_while_the_run_lasts(tmp_path):
    script = write(tmp_path, "> x\n< x\n> y\n< z\n")
    with (
        serving(echo) as target,
        terminal(*COMMAND, script, "--target", target, "--forever", "--think", "20ms", columns=200) as shown,
    ):
        seen = shown.sees(lambda text: "┴-" in text and "first failure: " in text)
        assert re.search(
            r"first failure: \S*x\.talk:4, mismatch, \d+ times\n  expected  'z'\n  got       'y'", seen
        )
        assert re.search(r"0└─+┴-\d.*now", seen)
        shown.type("\x03")
        assert shown.wait() == 130


def test_a_terminal_that_is_too_small_has_one_line(tmp_path):
    with (
        serving(echo) as target,
        terminal(
            *COMMAND, write(tmp_path, "> x\n< x\n"), "--target", target, "--forever", columns=20, lines=6
        ) as shown,
    ):
        seen = shown.sees(lambda text: re.search(r"^\d+ s [\d,]+ ok$", text))
        assert len(seen.splitlines()) == 1
        shown.type("\x03")
        assert shown.wait() == 130


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_the_terminal_as_it_was(tmp_path, number, status):
    asked = threading.Event()
    with (
        serving(never_answer(asked)) as target,
        terminal(*COMMAND, write(tmp_path, "@timeout 5m\n> x\n"), "--target", target, "--forever") as shown,
    ):
        shown.sees("until Ctrl-C")
        assert asked.wait(PATIENCE)
        if number == signal.SIGINT:
            shown.type("\x03")
        else:
            shown.process.send_signal(number)
        assert shown.wait() == status
        assert "in flight at the end: 1" in shown.text


def test_a_run_that_is_killed_leaves_the_terminal_as_it_was(tmp_path):
    # The shell is who the terminal belongs to; without it the kernel would hang up.
    shell = ("sh", "-c", '"$@"; echo ended with $?; read line', "sh")
    with (
        serving(stall) as target,
        terminal(*shell, *COMMAND, write(tmp_path, "> x\n"), "--target", target, "--forever") as shown,
    ):
        shown.sees("until Ctrl-C")
        (replay,) = children(shown.process.pid)
        os.kill(replay, signal.SIGKILL)
        shown.sees(lambda _: b"ended with 137" in shown.raw and shown.is_as_it_was)


def test_a_run_that_is_stopped_leaves_the_terminal_to_the_shell(tmp_path):
    shell = ("bash", "-mc", '"$@"; echo ended with $?; read line', "bash")
    with (
        serving(echo) as target,
        terminal(*shell, *COMMAND, write(tmp_path, "> x\n< x\n"), "--target", target, "--forever") as shown,
    ):
        shown.sees("until Ctrl-C")
        shown.type("\x1a")
        shown.sees(lambda _: b"ended with 148" in shown.raw)
        assert shown.is_as_it_was


def test_a_terminal_whose_output_is_stopped_does_not_stop_the_run(tmp_path):
    server = Pausing()
    script = write(tmp_path, "@timeout 1m\n> x\n< x\n")
    with serving(server) as target, terminal(*COMMAND, script, "--target", target, *OPTIONS) as shown:
        shown.sees("of 100 passes")
        shown.type("\x13")
        server.may_go_on.set()
        # The process that draws is let go of at the end, which only the summary then waits for.
        shown.sees(lambda _: not children(shown.process.pid))
        shown.type("\x11")
        assert shown.wait() == 0
        assert " ok, 0 failed" in shown.text
