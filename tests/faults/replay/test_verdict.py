"""Ways in which a run could look better than the server was: none is a pass, whoever or whatever ends it."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.replay.test_replay import COMMAND, PATIENCE, ROOT, echo, run, serving, stall, write
from tests.threads import in_a_thread

ASK = "@timeout 1m\n> hello\n< hello\n"
WRONG = "> hello\n< bye\n"
TWICE = "@timeout 1m\n> hello\n< hello\n> again\n< again\n"
IMPATIENT = "@timeout 300ms\n> hello\n< hello\n"
SLOW = ("--think", "10ms")
HALF = ("--fail-on", "errors > 90%", "--fail-on", "p99 > 200ms", *SLOW)


def stall_after_one(connection: socket.socket) -> None:
    """Answer one line and no other."""
    connection.sendall(connection.makefile("rb").readline())
    stall(connection)


def answer_every_second() -> Callable[[socket.socket], None]:
    """Answer every second connection, the first of them among these."""
    turn = threading.Lock()
    answers = [False]

    def handle(connection: socket.socket) -> None:
        with turn:
            answers[0] = not answers[0]
            answer = answers[0]
        (echo if answer else stall)(connection)

    return handle


WAYS = [
    pytest.param(ASK, stall, (), "no exchange ended ok", id="nothing answered"),
    pytest.param(TWICE, stall_after_one, ("--connect", "pass"), "1 exchange was unanswered", id="stalled"),
    pytest.param(
        WRONG, echo, ("--fail-on", "p99 > 10s", *SLOW), "errors > 0 (", id="a condition on something else"
    ),
    pytest.param(
        WRONG, echo, ("--fail-on", "errors > 100%", *SLOW), "no exchange ended ok", id="all may fail"
    ),
    pytest.param(IMPATIENT, answer_every_second(), HALF, "p99 > 200ms (", id="the slow ones timed out"),
    pytest.param(ASK, echo, ("LONG",), "b.talk was never played", id="never played"),
]


@pytest.mark.parametrize("number", [None, signal.SIGTERM], ids=["to its end", "SIGTERM"])
@pytest.mark.parametrize(("script", "handle", "options", "reason"), WAYS)
def test_it_is_no_pass(tmp_path, script, handle, options, reason, number):
    command = ["replay", write(tmp_path, script)]
    if "LONG" in options:
        # The one user is busy with the first.
        (tmp_path / "a.talk").write_text("> hello\n< hello\npause 30s\n")
        (tmp_path / "b.talk").write_text(script)
        command, options = ["replay", str(tmp_path / "a.talk"), str(tmp_path / "b.talk")], ()
    with serving(handle) as target:
        ended = played([*command, "--target", target, *options], number)
    assert ended.returncode == (1 if number is None else 128 + number), ended.stdout + ended.stderr
    assert ended.stdout.startswith("FAIL: "), ended.stdout
    assert reason in ended.stdout.partition("\n")[0]


def played(
    arguments: list[str], number: int | None, begun: threading.Event | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a replay for a bit more than a second, to its own end or to a signal, once it has begun."""
    if number is None:
        return run(*arguments, "--duration", "1200ms", "--grace", "100ms")
    with subprocess.Popen(
        [*COMMAND, *arguments, "--forever", "-v"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        process.stderr.readline()  # it has begun
        drain = in_a_thread(process.stderr.read)
        assert begun is None or begun.wait(PATIENCE)
        time.sleep(1.3)
        process.send_signal(number)
        sent = time.monotonic()
        assert process.stdout is not None
        output = process.stdout.read()
        process.wait(PATIENCE)
        assert time.monotonic() - sent < 10, "the signal is heard at once"
        drain.join(PATIENCE)
    return subprocess.CompletedProcess([], process.returncode, output, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_signal_met_unanswered_is_told_above_the_figures(tmp_path, number):
    asked_again = threading.Event()

    def stall_when_asked_again(connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            connection.sendall(lines.readline())
            lines.readline()
            asked_again.set()
            lines.read()

    with serving(stall_when_asked_again) as target:
        command = ["replay", write(tmp_path, TWICE), "--target", target, "--connect", "pass"]
        ended = played(command, number, asked_again)
    above, _, below = ended.stdout.partition("\nservice ")
    assert "\nlower bounds among these: 1 unanswered at the end" in above
    assert below.split()[9] == "s", "the longest has waited for more than a second"


@pytest.mark.parametrize("rate", ["2e7", "1e300", "1e-300"])
def test_a_signal_is_heard_whatever_the_rate_asks_for(tmp_path, rate):
    with serving(echo) as target:
        ended = played(["replay", write(tmp_path, ASK), "--target", target, "--rate", rate], signal.SIGINT)
    assert ended.returncode == 128 + signal.SIGINT
    assert "\nexchanges  " in ended.stdout


def test_a_run_that_ends_in_its_warm_up_is_no_pass(tmp_path):
    with serving(echo) as target:
        ended = run("replay", write(tmp_path, ASK), "--target", target, "--warmup", "10s")
    assert ended.returncode == 1
    assert ended.stdout.startswith("FAIL: the run ended within its warm-up, of which nothing counts\n")


@pytest.mark.parametrize(
    ("condition", "told"),
    [("errors > nan", "neither a count nor a share"), ("p99[mian] > 1s", "no step 'mian'; there are main")],
)
def test_a_condition_that_could_never_be_met_is_refused(tmp_path, condition, told):
    ended = run("replay", write(tmp_path, ASK), "--target", "tcp://127.0.0.1:1", "--fail-on", condition)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr


def test_passes_under_way_at_the_end_have_time_to_end(tmp_path):
    def slow(connection: socket.socket) -> None:
        for line in connection.makefile("rb"):
            time.sleep(1)
            connection.sendall(line)

    with serving(slow) as target:
        ended = run(
            "replay", write(tmp_path, ASK), "--target", target, "--users", "4", "--duration", "1900ms",
            "--summary", "json",
        )  # fmt: skip
    summary = json.loads(ended.stdout)
    assert (ended.returncode, summary["ok"], summary["in_flight"]) == (0, 8, 0)


def test_the_conversation_is_printed_where_that_is_asked_for(tmp_path):
    script = write(tmp_path, "> a\\x01\n< a\\x01\n> b\n< c\n")
    with serving(echo) as target:
        ended = run("replay", script, "--target", target, "--connect", "pass", "-v")
    assert ended.stderr.splitlines() == [
        f"# {script}, pass 1", "> a\\x01", "< a\\x01", "> b", "< b", f"# {script}:4: mismatch",
    ]  # fmt: skip
    assert ended.stdout.endswith("""\
  > a\\x01
  < a\\x01
  > b
  expected  'c'
  got       'b'
             ^
""")


def test_the_failures_of_every_script_are_told_and_steps_are_of_their_files(tmp_path):
    for name in ("1", "2"):
        (tmp_path / f"{name}.talk").write_text(f"== ask\n> {name}\n< wrong\n")
    with serving(echo) as target:
        ended = run("replay", str(tmp_path), "--target", target, "--summary", "json", "--users", "2")
    summary = json.loads(ended.stdout)
    assert list(summary["steps"]) == ["1.talk/ask", "2.talk/ask"]
    told = [(f["file"], f["line"], f["count"], f["got"], f["said"]) for f in summary["failures"]]
    # Which user's came first is theirs to say.
    assert sorted(told) == [
        (str(tmp_path / "1.talk"), 3, 2, "1", ["> 1"]),
        (str(tmp_path / "2.talk"), 3, 2, "2", ["> 2"]),
    ]
    assert summary["scripts"] == [str(tmp_path / "1.talk"), str(tmp_path / "2.talk")]
    assert (summary["schema"], summary["users"]) == (1, 2)
    assert summary["seed"] < 2**53
    assert summary["duration"] > 0
