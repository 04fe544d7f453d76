"""The client against servers that misbehave in one way each."""

import contextlib
import io
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from socketscope.commands.group import main
from tests.faults.server.process import wait_for
from tests.ports import free_port
from tests.threads import in_a_thread

ROOT = Path(__file__).parents[3]
PATIENCE = 60
COMMAND = (sys.executable, "-m", "client")


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], Any]) -> Iterator[str]:
    """Serve each connection with a function; yield the URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            handle(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                in_a_thread(serve, listener.accept()[0])

    in_a_thread(accept)
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def echo(connection: socket.socket) -> None:
    for line in connection.makefile("rb"):
        connection.sendall(line)


def with_file(handle: Callable[[IO[bytes]], None]) -> Callable[[socket.socket], None]:
    """Serve a connection with what reads and writes lines."""

    def serve(connection: socket.socket) -> None:
        with connection.makefile("rwb", buffering=0) as file:
            handle(file)

    return serve


def reset(connection: socket.socket) -> None:
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def say(*parts: bytes) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        connection.recv(100)
        for part in parts:
            connection.sendall(part)

    return handle


def stall(connection: socket.socket) -> None:
    """Say nothing, until the client has had enough."""
    while connection.recv(100):
        pass


def never_answer(asked: threading.Event) -> Callable[[socket.socket], None]:
    """Say nothing, and note that something was asked."""

    def handle(connection: socket.socket) -> None:
        while connection.recv(100):
            asked.set()

    return handle


def nobody() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


def write(folder: Path, text: str) -> str:
    path = folder / "x.talk"
    path.write_text(text, encoding="utf-8")
    return str(path)


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False, **options,
    )  # fmt: skip


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Do what the program does in this process: to start one takes longer than most replays."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as ended,
    ):  # fmt: skip
        main("python -m client", arguments)
    output.seek(0)
    errors.seek(0)
    assert isinstance(ended.value.code, int)
    return subprocess.CompletedProcess([], ended.value.code, output.read(), errors.read())


def replay(script: str, target: str, *options: str) -> tuple[int, dict[str, Any]]:
    ended = run("replay", script, "--target", target, "--summary", "json", *options)
    summary = json.loads(ended.stdout)
    assert summary["attempted"] == sum(summary["outcomes"].values()) + summary["in_flight"]
    return ended.returncode, summary


ONE = "@timeout 20s\n> hello\n< hello\n"


def test_a_message_that_a_reset_meets_is_told_and_counted(tmp_path):
    script = write(tmp_path, "@reply none\n> a\n!dribble 1B/100ms " + "hello" * 40 + "\n")
    with serving(reset) as target:
        status, summary = replay(script, target, "--connect", "pass")
    assert (status, summary["outcomes"]["send_error"]) == (1, 1)


def test_the_first_failure_is_shown_with_its_place(tmp_path):
    with serving(say(b"hallo\r\n")) as target:
        ended = run("replay", write(tmp_path, ONE), "--target", target)
    assert ended.returncode == 1
    told = (
        f"first failure: {tmp_path}/x.talk:3, mismatch\n  > hello\n  expected  'hello'\n  got       'hallo'\n"
    )
    assert told in ended.stdout


def test_a_conversation_of_many_forms_is_played(tmp_path):
    script = r"""
@set name ${random:hex:4}
== transcript
> one ${seq} ${name}
<~ ^one (?P<number>\d+) [0-9a-f]{4}$
> two ${number}
< two ${number}
== until
> a\x41
<... aA
!dribble 2B/1ms slowly
< slowly
!half-close
<$
"""
    with serving(echo) as target:
        status, summary = replay(
            write(tmp_path, script), target, "--connect", "pass", "--loops", "3", "--users", "2"
        )
    assert (status, summary["failed"], summary["passes"]) == (0, 0, 6)
    assert {name: step["ok"] for name, step in summary["steps"].items()} == {"transcript": 12, "until": 12}


def test_an_open_loop_shows_a_stall_of_which_the_service_durations_tell_nothing(tmp_path):
    lines = itertools.count()

    def stalling(connection: socket.socket) -> None:
        for line in connection.makefile("rb"):
            if next(lines) == 200:
                time.sleep(2)
            connection.sendall(line)

    with serving(stalling) as target:
        options = ("--rate", "100", "--duration", "5s", "--connect", "user")
        ended = run("replay", write(tmp_path, "> x\n< x\n"), "--target", target, *options)
    assert ended.returncode == 0
    rows = {words[0]: words[1:] for line in ended.stdout.splitlines() if (words := line.split())}
    service, intended = durations(rows["service"]), durations(rows["intended"])
    # Of 500 passes one waited for the server and 200 for their turn behind it.
    assert service["p99"] < 0.5
    assert intended["p50"] < 0.5
    assert intended["p90"] > 0.5
    assert intended["p99"] > 1.5


def durations(words: list[str]) -> dict[str, float]:
    """Return what a row of the summary says, in seconds."""
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
    seconds = [float(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True)]
    return dict(zip(("p50", "p90", "p99", "p99_9", "max"), seconds, strict=True))


REFUSED = re.compile(r'replay_connections_total\{outcome="refused"\} [1-9]')


def scraped(port: int) -> str:
    """Return what an endpoint shows, or nothing while there is none."""
    try:
        page: bytes = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read()
        return page.decode()
    except OSError:
        return ""


def test_a_second_replay_with_the_environment_of_the_first_takes_another_port(tmp_path):
    port, script = free_port(), write(tmp_path, "> x\n< x\n")
    env = {**os.environ, "CLIENT_REPLAY_METRICS": f"127.0.0.1:{port}"}
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(serving(echo))
        command = [*COMMAND, "replay", script, "--target", target]
        first = stack.enter_context(killed([*command, "--forever", "--think", "10ms"], env=env))
        wait_for(lambda: scraped(port), "the first is scraped")
        second = stack.enter_context(killed([*command, "--linger", "5m"], env=env))
        assert second.stderr is not None
        told = second.stderr.readline()
        assert told.startswith(f"client: cannot serve metrics on 127.0.0.1:{port}: Address already in use")
        another = re.search(r"; they are at http://127\.0\.0\.1:(\d+)/metrics$", told)
        assert another is not None
        wait_for(lambda: "replay_passes_total 1.0" in scraped(int(another[1])), "the second is scraped")
        assert first.poll() is None
        ended = program(*command[len(COMMAND) :], "--metrics", f"127.0.0.1:{port}", env=env)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
        assert ended.stderr.startswith(f"client: cannot serve metrics on 127.0.0.1:{port}: ")


def test_where_its_metrics_are_is_told_where_the_kernel_chose_the_port(tmp_path):
    with serving(echo) as target:
        script = write(tmp_path, "> x\n")
        options = ("--metrics", "127.0.0.1:0", "--linger", "10s")
        with killed([*COMMAND, "replay", script, "--target", target, *options]) as process:
            assert process.stderr is not None
            told = re.fullmatch(
                r"client: metrics are at http://127\.0\.0\.1:(\d+)/metrics\n", process.stderr.readline()
            )
            assert told is not None
            wait_for(lambda: "replay_passes_total 1.0" in scraped(int(told[1])), "the pass is scraped")


@contextlib.contextmanager
def killed(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program, but for no longer than the block."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes | options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_metrics_that_nobody_asked_for_and_that_cannot_be_served_end_nothing(tmp_path):
    env = {**os.environ, "CLIENT_REPLAY_METRICS": "192.0.2.1:9465"}  # an address of nobody's, RFC 5737
    with serving(echo) as target:
        ended = program("replay", write(tmp_path, "> x\n< x\n"), "--target", target, env=env)
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1)
    assert ended.stderr.startswith("client: cannot serve metrics on 192.0.2.1:9465: Cannot assign")
    assert ended.stderr.endswith("; there are none\n")


def test_it_waits_for_a_server_that_is_absent_and_goes_on_when_it_comes(tmp_path):
    port, metrics_port = free_port(), free_port()
    command = [
        *COMMAND, "replay", write(tmp_path, "> x\n"), "--target", f"tcp://127.0.0.1:{port}", "--forever",
        "--metrics", f"127.0.0.1:{metrics_port}", "--summary", "json",
    ]  # fmt: skip
    with killed(command, stdout=subprocess.PIPE) as process:
        wait_for(lambda: REFUSED.search(scraped(metrics_port)), "a refusal")
        with socket.create_server(("127.0.0.1", port)) as listener:
            for _ in range(3):
                connection, _ = listener.accept()
                echo_one = connection.makefile("rb").readline()
                connection.sendall(echo_one)
                connection.close()
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE)
    outcomes = json.loads(output)["outcomes"]
    assert 1 <= outcomes["refused"] < 100
    assert outcomes["ok"] >= 2


def test_a_person_talks():
    with serving(echo) as target:
        ended = program("talk", "--target", target, input="hello\n  spaces \n\nnever sent\n")
    assert ended.stdout == "> hello\n> spaces\n> "
    assert ended.returncode == 0
