"""`top`, seen in a terminal, against real servers."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.faults.replay.terminal import ROOT, terminal
from tests.faults.replay.test_replay import run
from tests.faults.server.process import ServerProcess, serving
from tests.ports import free_port

COMMAND = (sys.executable, "-m", "client", "top", "--interval", "200ms")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving() as server:
        yield server


@contextlib.contextmanager
def server_at(port: int) -> Iterator[ServerProcess]:
    """Serve with metrics on a port: of an option that is given twice the last counts."""
    with serving("--metrics", f"127.0.0.1:{port}") as server:
        yield server


def figures_of(text: str) -> list[str]:
    """Return the tiles' lines."""
    return text.splitlines()[3:5]


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 50)])
def test_it_shows_two_replicas_as_one_service_until_q(columns, lines):
    with (
        serving() as first,
        serving() as second,
        terminal(*COMMAND, first.metrics_url, second.metrics_url, columns=columns, lines=lines) as shown,
    ):
        shown.sees("2 of 2 up")
        shown.sees(lambda text: first.ask(b"hello\n") and re.search(r"\d [µm]s\b", text))
        seen = shown.sees(lambda text: "of 2,000" in text and "no failures since the start" in text)
        assert len(shown.lines[1]) == columns
        assert "" not in shown.lines
        assert re.search(r"0└─+┴-\d+ s─+.*now", seen)
        shown.type("q")
        assert shown.wait() == 0


def test_keys_explain_it_hold_it_and_change_its_span(server):
    with terminal(*COMMAND, server.metrics_url) as shown:
        shown.sees(lambda text: server.ask(b"hello\n") and "┴-2 s" in text)
        shown.type("?")
        assert "Connections     accepted a second" in shown.sees("closed loop     no rate is asked for")
        shown.type("?")
        shown.sees("no failures since the start")
        shown.type("+")
        shown.sees("┴-5 s")
        shown.type("-")
        shown.sees("┴-2 s")
        shown.type("p")
        held = shown.sees("paused")
        for _ in range(20):
            server.ask(b"hello\n")
        # A key that changes what is drawn tells that it was drawn again, from what was held.
        shown.type("+")
        assert figures_of(shown.sees("┴-5 s")) == figures_of(held)
        shown.type("p")
        shown.sees(lambda text: "paused" not in text and figures_of(text) != figures_of(held))


def test_it_says_when_a_server_goes_away_and_goes_on_when_it_is_back():
    port = free_port()
    with serving() as other, contextlib.ExitStack() as stack:
        gone = stack.enter_context(server_at(port))
        shown = stack.enter_context(terminal(*COMMAND, other.metrics_url, f"127.0.0.1:{port}"))
        shown.sees("2 of 2 up")
        gone.stop()
        seen = shown.sees("1 of 2 up")
        assert f"127.0.0.1:{port}" in seen
        shown.sees(lambda text: re.search(r"down for \d+ s: Connection refused", text))
        other.stop()
        shown.sees("0 of 2 up")
        stack.enter_context(server_at(port))
        shown.sees("1 of 2 up")
        shown.type("\x03")
        assert shown.wait() == 0


def test_sigterm_leaves_the_terminal_as_it_was(server):
    with terminal(*COMMAND, server.metrics_url) as shown:
        shown.sees("1 of 1 up")
        shown.process.send_signal(signal.SIGTERM)
        assert shown.wait() == 143


def test_without_a_terminal_it_prints_lines_for_as_long_as_they_are_read(server):
    process = subprocess.Popen(
        [*COMMAND, server.metrics_url], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(20) == 0
    for line in lines:
        assert " server 1/1 up; last 5 s: Connections 0/s (exchanges 0/s), " in line


def test_a_terminal_that_cannot_be_redrawn_gets_lines_too(server):
    command = ("env", "TERM=dumb", *COMMAND)
    with terminal(*command, server.metrics_url, columns=400) as shown:
        assert "\x1b" not in shown.sees(" server 1/1 up; last 5 s: Connections 0/s (exchanges 0/s), ")
        shown.process.send_signal(signal.SIGINT)
        assert shown.wait() == 0
        assert b"\x1b" not in shown.raw


def test_what_is_no_page_of_ours_is_one_line(server):
    root = server.metrics_url.removesuffix("/metrics")
    answers = {f"{root}/nothing": "answers 404 Not Found", f"{root}/healthz": "is not a page of metrics"}
    told = {url: run("top", url) for url in answers}
    for url, problem in answers.items():
        assert (told[url].returncode, told[url].stderr) == (1, f"client: {url} {problem}\n")
    port = free_port()
    nobody = run("top", f"127.0.0.1:{port}")
    assert nobody.returncode == 1
    assert nobody.stderr == f"client: http://127.0.0.1:{port}/metrics cannot be reached: Connection refused\n"
    wrong = run("top", "ftp://x")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("client: Invalid value for 'URL...': 'ftp://x' is not a URL of metrics: ")
    assert wrong.stderr.count("\n") == 1
