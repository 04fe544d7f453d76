"""What the exit status of `replay` says, and which of several comes first."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.replay.test_replay import (
    COMMAND,
    PATIENCE,
    REFUSED,
    ROOT,
    echo,
    never_answer,
    nobody,
    run,
    scraped,
    serving,
    write,
)
from tests.faults.server.process import wait_for
from tests.ports import free_port

ASK = "> hello\n< hello\n"
WRONG = "> hello\n< bye\n"
HALF = f"{ASK}{WRONG}"
PASS = ("--connect", "pass")
FAST = ("--rate", "200", "--duration", "1s", "--strict-rate")


def slow(connection: socket.socket) -> None:
    for line in connection.makefile("rb"):
        time.sleep(0.1)
        connection.sendall(line)


@pytest.mark.parametrize(
    ("status", "script", "handle", "options"),
    [
        pytest.param(0, ASK, echo, (), id="finished"),
        pytest.param(0, HALF, echo, ("--fail-on", "errors > 1", *PASS), id="finished, as many failed as may"),
        pytest.param(1, WRONG, echo, (), id="an exchange failed, which is the default threshold"),
        pytest.param(1, ASK, slow, ("--fail-on", "p50 > 1ms"), id="a threshold failed"),
        pytest.param(
            1, ASK, echo, ("--fail-on", "p50 > 10s", "--fail-on", "max >= 0"), id="one of two failed"
        ),
        pytest.param(2, ASK, echo, ("--users", "0"), id="usage"),
        pytest.param(3, "> ${nobody}\n", echo, (), id="a bad script"),
        pytest.param(4, ASK, None, (), id="no connection"),
        pytest.param(5, ASK, slow, (*FAST, "--fail-on", "errors > 0"), id="the rate was not held"),
        pytest.param(0, ASK, slow, FAST[:-1], id="nobody asked for the rate to be held"),
        pytest.param(3, "> ${nobody}\n", None, FAST, id="a bad script comes before a connection"),
        pytest.param(4, ASK, None, FAST, id="no connection comes before the rate and a threshold"),
        pytest.param(5, WRONG, slow, FAST, id="the rate comes before a threshold"),
    ],
)
def test_each_status(tmp_path, status, script, handle, options):
    path = write(tmp_path, script)
    if handle is None:
        ended = run("replay", path, "--target", nobody(), *options)
    else:
        with serving(handle) as target:
            ended = run("replay", path, "--target", target, *options)
    assert ended.returncode == status, ended.stdout + ended.stderr
    verdict = "" if status in {2, 3} else "PASS\n" if status == 0 else "FAIL: "
    assert ended.stdout.startswith(verdict)
    assert (ended.stdout == "") == (status in {2, 3})


def test_conditions_of_the_environment_stand_one_a_line_with_blanks_in_them(tmp_path, monkeypatch):
    path = write(tmp_path, HALF)
    with serving(echo) as target:
        for most, status in ((1, 0), (0, 1)):
            monkeypatch.setenv("CLIENT_REPLAY_FAIL_ON", f"max > 1m\n\nerrors > {most}\n")
            ended = run("replay", path, "--target", target, *PASS)
            assert (ended.returncode, ended.stderr) == (status, "")


def test_an_internal_error_comes_before_everything_and_is_one_line(tmp_path):
    program = (
        "from socketscope.commands import group\n"
        "from socketscope.replay.play import run\n"
        "def fail(self):\n"
        "    raise RuntimeError('a\\nbug')\n"
        "run.Run.play = fail\n"
        "group.main('python -m client')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "replay", write(tmp_path, WRONG), "--target", nobody()],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (70, "")
    assert ended.stderr == "client: internal error: RuntimeError: a\\nbug\n"


SIGNALS = pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)


@SIGNALS
def test_a_signal_while_it_plays_comes_before_what_the_run_came_to(tmp_path, number, status):
    asked = threading.Event()
    with serving(never_answer(asked)) as target:
        options = ("--target", target, "--forever", *FAST[:2])
        # A few at once are one.
        ended = interrupted(number, asked.is_set, write(tmp_path, ASK), *options, times=5)
    assert_ended_by_a_signal(ended, status)


@SIGNALS
def test_a_signal_while_nobody_can_be_reached_comes_before_that(tmp_path, number, status):
    port = free_port()
    options = ("--target", nobody(), "--forever", "--metrics", f"127.0.0.1:{port}")
    ended = interrupted(number, lambda: REFUSED.search(scraped(port)), write(tmp_path, ASK), *options)
    assert_ended_by_a_signal(ended, status)


@SIGNALS
def test_a_signal_ends_the_wait_for_a_last_scrape(tmp_path, number, status):
    port = free_port()
    with serving(echo) as target:
        options = ("--target", target, "--metrics", f"127.0.0.1:{port}", "--linger", "5m")
        ended = interrupted(
            number, lambda: "replay_passes_total 1.0" in scraped(port), write(tmp_path, ASK), *options
        )
    assert ended.returncode == status
    assert ended.stdout.startswith("PASS\n")


AGAIN = 2.0
"""Seconds after which a signal that comes again is a second one, though the first was noted a while later."""


@SIGNALS
def test_a_second_signal_ends_at_once_what_the_first_cannot_end(tmp_path, number, status):
    asked = threading.Event()

    def answer(connection: socket.socket) -> None:
        asked.set()
        echo(connection)

    reader, writer = os.pipe()
    fill(writer)
    with serving(answer) as target:
        process = subprocess.Popen(
            [*COMMAND, "replay", write(tmp_path, ASK), "--target", target, "--forever", "--think", "10ms"],
            cwd=ROOT, stdout=writer,
        )  # fmt: skip
        try:
            assert asked.wait(PATIENCE)
            process.send_signal(number)
            time.sleep(AGAIN)
            assert process.poll() is None, "its summary waits for a reader"
            process.send_signal(number)
            assert process.wait(PATIENCE) == status
        finally:
            process.kill()
            process.wait()
            os.close(reader)
            os.close(writer)


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x")
    os.set_blocking(pipe, True)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("command", "met"), [("talk", "click"), ("replay", "jinja2")])
def test_a_signal_while_the_program_is_still_imported_needs_no_traceback(
    tmp_path, command, met, number, status
):
    (tmp_path / f"{met}.py").write_text(
        # In short sleeps: a signal right before one would be noticed at its end.
        "import sys, time; sys.stderr.write('x'); sys.stderr.flush(); [time.sleep(0.05) for _ in range(600)]"
    )
    process = started(command, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert process.stderr is not None
    assert process.stderr.read(1) == "x"
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (status, "", "")


def test_ctrl_c_while_a_script_is_read_ends_with_its_status(tmp_path):
    script = tmp_path / "pipe.talk"
    os.mkfifo(script)
    process = started("check", str(script))
    with script.open("w"):  # waits for who reads it
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (130, "", "\n")  # behind the terminal's own ^C


def test_ctrl_c_that_is_sent_twice_at_once_leaves_the_prompt_in_order():
    process = started("talk", "--target", nobody())
    assert process.stdout is not None
    assert process.stdout.read(2) == "> "
    for _ in range(20):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, "\n", "")


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a command that obeys Ctrl-C."""
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def assert_ended_by_a_signal(ended: subprocess.CompletedProcess[str], status: int) -> None:
    assert ended.returncode == status
    assert "attempted" in ended.stdout
    assert ended.stderr == ""


def interrupted(
    number: int, going: Callable[[], Any], *arguments: str, times: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run a replay, and send a signal once it is so far, perhaps some times within milliseconds."""
    process = subprocess.Popen(
        [*COMMAND, "replay", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(going, "the run is so far")
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.005)
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()  # it would play for ever
    return subprocess.CompletedProcess([], process.returncode, output, errors)
