"""Every way for an exchange to end, by servers that do it, and the client's count against theirs."""

import contextlib
import itertools
import json
import re
import socket
import subprocess
import threading
import time
from collections import Counter

import pytest

from socketscope.replay.measure.instruments import OUTCOMES
from socketscope.replay.play import exchanges, run
from socketscope.replay.wire import inbox, targets
from tests.faults.replay.test_replay import (
    COMMAND,
    PATIENCE,
    ROOT,
    nobody,
    replay,
    reset,
    scraped,
    serving,
    write,
)
from tests.faults.server.process import wait_for
from tests.ports import free_port

ASK = "@timeout 1s\n> hello\n< hello\n"
LINGER_RESET = b"\1\0\0\0\0\0\0\0"

MANNERS = {
    "ok": (b"hello\r\n",),
    "closed": (),
    "short_reply": (b"hel",),
    "mismatch": (b"bye\r\n",),
    "unexpected_data": (b"hello\r\nand more\r\n",),
    "reset": None,
    "timeout": None,
}
"""What servers say to `ASK`, by how it then ends."""


class Misbehaving:
    """Treats each connection in the next manner, and counts."""

    def __init__(self) -> None:
        self.count = Counter[str]()
        self._lock = threading.Lock()
        self._manners = itertools.cycle(MANNERS)

    def __call__(self, connection: socket.socket) -> None:
        if not connection.recv(100):
            return
        with self._lock:
            manner = next(self._manners)
            self.count[manner] += 1
        for said in MANNERS[manner] or ():
            connection.sendall(said)
        if manner == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        if manner in {"timeout", "unexpected_data"}:
            connection.recv(100)


def test_what_the_client_counts_is_what_the_server_did(tmp_path):
    server = Misbehaving()
    with serving(server) as target:
        _, summary = replay(write(tmp_path, ASK), target, "--connect", "pass", "--users", "140")
    assert summary["outcomes"] == dict.fromkeys(OUTCOMES, 0) | dict.fromkeys(MANNERS, 20)
    assert summary["outcomes"] == dict.fromkeys(OUTCOMES, 0) | server.count
    assert list(summary["outcomes"]) == list(OUTCOMES)
    assert (summary["attempted"], summary["passes"], summary["in_flight"]) == (140, 140, 0)
    assert summary["steps"]["main"]["ok"] == 20
    assert summary["steps"]["main"]["failed"] == 120


def test_what_a_deadline_cuts_off_is_neither_ok_nor_an_error_and_not_lost(tmp_path):
    asked = []

    def slow(connection: socket.socket) -> None:
        for line in connection.makefile("rb"):
            asked.append(line)
            time.sleep(0.05)
            connection.sendall(line)

    with serving(slow) as target:
        options = ("--connect", "user", "--users", "8", "--duration", "1s", "--grace", "0s")
        status, summary = replay(write(tmp_path, "> hello\n< hello\n"), target, *options)
        wait_for(lambda: len(asked) == summary["attempted"], "what was sent")
    assert status == 0
    assert summary["outcomes"] == dict.fromkeys(OUTCOMES, 0) | {"ok": summary["ok"]}
    assert summary["ok"] > 8
    assert 1 <= summary["in_flight"] <= 8
    assert summary["attempted"] == summary["ok"] + summary["in_flight"]


def test_the_metrics_say_what_the_summary_says(tmp_path):
    port = free_port()
    with serving(Misbehaving()) as target:
        process = subprocess.Popen(
            [*COMMAND, "replay", write(tmp_path, ASK), "--target", target, "--connect", "pass",
             "--loops", "14", "--metrics", f"127.0.0.1:{port}", "--linger", "5m", "--summary", "json"],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        summary = json.loads(process.stdout.readline())
        page = scraped(port)
        process.terminate()
        process.communicate(timeout=PATIENCE)
    told = re.findall(r'replay_exchanges_total\{outcome="(\w+)",step="main"\} (\S+)', page)
    assert {outcome: int(float(number)) for outcome, number in told} == summary["outcomes"]
    for line in (
        f"replay_passes_total {float(summary['passes'])}",
        'replay_connections_total{outcome="ok"} 14.0',
        "replay_sent_bytes_total 98.0",
        "replay_received_bytes_total 64.0",
        f'replay_exchange_duration_seconds_count{{step="main"}} {float(summary["ok"])}',
        f'replay_exchange_intended_duration_seconds_count{{step="main"}} {float(summary["ok"])}',
        "replay_open_connections 0.0",
        "replay_users 0.0",
    ):
        assert f"\n{line}\n" in page


def only(outcome: str) -> dict[str, int]:
    return dict.fromkeys(OUTCOMES, 0) | {outcome: 1}


@pytest.mark.parametrize("connect", ["message", "pass", "user"])
def test_a_connection_that_fails_is_one_exchange_of_the_step_that_wanted_it(tmp_path, connect):
    script = write(tmp_path, "== first\n> a\n== second\n> b\n")
    for target, outcome in (
        (nobody(), "refused"),
        (f"unix://{tmp_path}/nobody", "refused"),
        ("tcp://no-such-name.invalid:1", "dns_error"),
    ):
        status, summary = replay(script, target, "--connect", connect)
        assert (status, summary["outcomes"], summary["passes"]) == (4, only(outcome), 1)
        assert {step: figures["failed"] for step, figures in summary["steps"].items()} == {
            "first": 1, "second": 0,
        }  # fmt: skip


def test_a_handshake_that_nobody_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "CONNECT_TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        # The queue of a listener that accepts nobody holds one; what comes then is not answered.
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            status, summary = replay(write(tmp_path, ASK), f"tcp://127.0.0.1:{address[1]}")
    assert (status, summary["outcomes"]) == (4, only("connect_timeout"))


@pytest.mark.parametrize(
    ("said", "script", "got"),
    [
        (b"log", "> a\n< login\n", "'log' and no end of line, then Connection reset by peer"),
        (b"a\nb\n", "> a\n<... c\n", "2 other lines, the last 'b', then Connection reset by peer"),
        (b"a", "> a\n< 26B\n", "1 of 26 bytes, 'a', then Connection reset by peer"),
        (b"", "> a\n< login\n", "Connection reset by peer"),
    ],
)
def test_what_came_before_a_reset_is_told(tmp_path, said, script, got):
    def rude(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(said)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)

    with serving(rude) as target:
        _, summary = replay(write(tmp_path, script), target)
    assert summary["outcomes"] == only("reset")
    assert summary["first_failure"]["got"] == got


def test_a_handshake_of_tls_that_breaks_is_a_reset(tmp_path):
    with serving(reset) as target:
        status, summary = replay(write(tmp_path, ASK), target.replace("tcp:", "tls:"), "--insecure")
    assert (status, summary["outcomes"]) == (4, only("reset"))


def answer_once(connection: socket.socket) -> None:
    connection.sendall(connection.recv(100))


@pytest.mark.parametrize(
    ("handle", "script", "connect", "ok"),
    [
        (reset, "> a\n", "message", 0),
        (reset, "> a\n", "pass", 0),
        (reset, "> a\n", "user", 1),
        # Who sends a message into a connection that the server has closed is told at once.
        (answer_once, "@reply line\n> a\npause 300ms\n@reply none\n> b\n", "pass", 1),
    ],
)
def test_a_message_without_a_reply_is_not_ok_where_the_server_resets(
    tmp_path, monkeypatch, handle, script, connect, ok
):
    for module in (run, exchanges):
        monkeypatch.setattr(module, "QUIET", 5.0)  # else a server on a busy machine may come too late
    with serving(handle) as target:
        _, summary = replay(write(tmp_path, f"@reply none\n{script}"), target, "--connect", connect)
    assert summary["outcomes"] == only("reset") | {"ok": ok}
    assert summary["verdict"] == "fail"


@pytest.mark.parametrize("script", ["!flood 10B\n", "!garbage 10B\n", "> a\n!reset\n", "> a\n<~ a\n"])
def test_a_reset_behind_what_was_to_come_is_no_failure(tmp_path, script):
    def answer_and_reset(connection: socket.socket) -> None:
        data = connection.recv(100)
        if data.startswith(b"a") and "<" in script:
            connection.sendall(data)
            time.sleep(0.005)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)

    with serving(answer_and_reset) as target:
        status, summary = replay(write(tmp_path, f"@reply none\n{script}"), target, "--connect", "pass")
    assert (status, summary["outcomes"]) == (0, only("ok"))


@pytest.mark.parametrize("says_good_bye", [True, False])
def test_who_leaves_after_the_handshake_has_not_failed_at_tls(tmp_path, server_context, says_good_bye):
    def leave(connection: socket.socket) -> None:
        tls = server_context.wrap_socket(connection, server_side=True)
        tls.sendall(tls.recv(100))
        if says_good_bye:
            tls.settimeout(0.1)
            with contextlib.suppress(OSError):
                tls.unwrap()
        tls.close()

    # More than the buffers take: the client is still sending when it learns of it.
    script = "@connect pass\n> hello\n< hello\npause 300ms\n!flood 32MiB\n< b\n"
    with serving(leave) as target:
        status, summary = replay(write(tmp_path, script), target.replace("tcp:", "tls:"), "--insecure")
    assert (status, summary["outcomes"]) == (1, only("ok") | {"send_error": 1})
    assert summary["first_failure"]["got"] in {"Broken pipe", "Connection reset by peer"}


@pytest.mark.parametrize(
    ("fault", "expected", "ends"),
    [
        ("!dribble 1B/20ms hello", "< too slow\n<$\n", "ok"),
        ("!flood 32MiB", "< too slow\n<$\n", "ok"),
        ("!dribble 1B/20ms hello", "< hello\n", "mismatch"),
        ("!dribble 1B/20ms hello", "", "unexpected_data"),
    ],
)
def test_what_a_server_says_before_it_closes_on_a_fault_is_its_answer(tmp_path, fault, expected, ends):
    def refuse(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(b"too slow\r\n")

    with serving(refuse) as target:
        _, summary = replay(write(tmp_path, f"{fault}\n{expected}"), target)
    assert summary["outcomes"] == only(ends)


def test_a_server_that_never_ends_its_line_is_given_up(tmp_path, monkeypatch):
    def flood(connection: socket.socket) -> None:
        connection.recv(100)
        while True:
            connection.sendall(b"x" * 65536)

    monkeypatch.setattr(inbox, "LONGEST_LINE", 1_000_000)
    with serving(flood) as target:
        _, summary = replay(write(tmp_path, "@timeout 20s\n> hello\n"), target)
    assert summary["outcomes"] == only("mismatch")
    assert summary["first_failure"]["got"] == "1000000 bytes and no line's end"
