import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import pytest

from tests.faults.server.process import PATIENCE, ROOT, serving, wait_for
from tests.threads import ends, in_a_thread, together

SERVER = (sys.executable, "-m", "server", "--listen", "tcp://127.0.0.1:0")

LOUD = """
import io, socketserver, subprocess, sys

print("printed")
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, "utf-8", line_buffering=True)  # as many do
print('{"event": "mine"}')
subprocess.run(["echo", "of a child"], check=True)
stream = sys.stdout
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)

class Line(socketserver.StreamRequestHandler):
    def handle(self):
        stream.write("by who was made then\\n")
        child.communicate(b"by a child later\\n")
"""


def test_the_canonical_line_is_whole_and_equals_the_counters():
    with serving() as server:
        for _ in range(20):
            server.ask(b"hello\r\n")
        lines = server.connections(20)
        line = dict(lines[0])
        assert set(line) == {
            "timestamp", "level", "event", "listener", "peer", "connection_id", "outcome", "received_bytes",
            "sent_bytes", "exchanges", "handle_seconds", "error",
        }  # fmt: skip
        assert line["timestamp"].endswith("Z")
        assert (line["level"], line["listener"], line["outcome"], line["error"]) == (
            "info",
            "tcp",
            "ok",
            None,
        )
        assert (line["received_bytes"], line["sent_bytes"], line["exchanges"]) == (7, 34, 1)
        assert len({line["connection_id"] for line in lines}) == 20
        assert sum(line["received_bytes"] for line in lines) == server.metric(
            "socketserver_received_bytes_total"
        )
        assert sum(line["sent_bytes"] for line in lines) == server.metric("socketserver_sent_bytes_total")
        assert server.metric("socketserver_response_duration_seconds_count") == 20
        assert server.metric("socketserver_handle_duration_seconds_count") == 20


def test_who_has_read_a_line_finds_the_counters_at_least_as_far():
    with serving() as server:
        for number in range(1, 11):
            server.ask(b"x\n")
            server.connections(number)
            assert server.closed("ok") >= number


def test_case_15_whatever_a_handler_raises_is_counted_and_the_pool_is_whole():
    with serving("--handler", "tests.faults.server.handlers:Failing") as server:
        for request in (b"error\n", b"exit\n", b"memory\n") * 10:
            assert server.ask(request) == b""
        lines = server.connections(30)
        assert {line["outcome"] for line in lines} == {"handler_error"}
        assert {line["error"].partition(" (")[0] for line in lines} == {
            "ValueError: as asked", "SystemExit: 5", "MemoryError",
        }  # fmt: skip
        assert server.ask(b"fine\n") == b"fine"
        # The one that takes and serves quick clients is still there, and waits.
        wait_for(lambda: server.metric("socketserver_threads", state="busy") == 0, "nobody is busy")
        assert server.metric("socketserver_threads", state="idle") >= 1
        assert server.metric("socketserver_connections_open") == 0


@pytest.mark.parametrize(
    ("request_line", "told"),
    [
        (b"file\n", "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/at/all' ("),
        (b"backend\n", "ConnectionResetError: [Errno 104] another server's ("),
    ],
)
def test_an_error_of_the_system_that_is_the_handlers_own_is_told_with_its_place(request_line, told):
    with serving("--handler", "tests.faults.server.handlers:Failing") as server:
        server.ask(request_line)
        (line,) = server.connections(1)
    assert (line["outcome"], line["level"]) == ("handler_error", "warning")
    assert line["error"].startswith(told)
    assert "/handlers.py:" in line["error"] or "/pathlib" in line["error"]


@contextmanager
def piped(*options: str, **popen: Any) -> Iterator[tuple[Any, tuple[str, int], str]]:
    """Run a server whose log the block reads; yield it with both addresses."""
    with subprocess.Popen(
        [*SERVER, "--metrics", "127.0.0.1:0", *options],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            started = json.loads(process.stdout.readline())
            host, port = started["listeners"]["tcp"].removeprefix("tcp://").split(":")
            yield process, (host, int(port)), started["metrics"]
        finally:
            process.kill()


def ask(address: tuple[str, int]) -> float:
    began = time.monotonic()
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.sendall(b"x\n")
        assert client.recv(100).endswith(b"x\n")
    return time.monotonic() - began


def test_case_21_a_closed_log_delays_no_reply():
    with piped() as (process, address, _):
        process.stdout.close()
        assert max(ask(address) for _ in range(200)) < PATIENCE / 4
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def test_a_level_above_info_leaves_out_what_is_normal_but_not_the_start():
    with serving("--log-level", "warning", "--max-line", "1") as server:
        server.ask(b"x\n")
        server.ask(b"long\n")
        server.connections(1)
        assert [line["event"] for line in server.lines] == ["server_started", "connection"]
        assert server.lines[1]["outcome"] == "line_too_long"


def test_the_start_is_told_before_what_clients_do_who_wait_for_it(tmp_path):
    path, has_started = f"{tmp_path}/s", threading.Event()

    def call() -> None:
        while not has_started.is_set():
            with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(path)
                client.sendall(b"x\n")
                client.recv(100)

    clients = [threading.Thread(target=call) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        # While the others begin to serve, the first one does so.
        with serving(listen=(f"unix://{path}", *(f"unix://{path}{n}" for n in range(8)))) as server:
            server.connections(1)
            assert server.lines[0]["event"] == "server_started"
    finally:
        has_started.set()
        for client in clients:
            client.join()


def test_people_read_the_console_format():
    process = subprocess.Popen(
        [*SERVER, "--metrics", "none", "--log-format", "console"],
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    process.terminate()
    process.communicate()
    told = r"server_started +listeners={'tcp': 'tcp://127\.0\.0\.1:\d+'} metrics=None"
    assert re.fullmatch(rf"20\S+Z \[info +\] {told}\n", line)


HOSTILE = b"\xff\nevent=forged \x1b[2J\xc2\x9b2J"


def ask_from_a_hostile_path(folder: str, name: bytes = HOSTILE) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.bind(folder.encode() + b"/" + name)
        client.connect(f"{folder}/s")
        client.sendall(b"x\n")
        return client.recv(100)


def test_case_7_a_peer_whose_path_is_no_text_has_a_line_like_any_other():
    with (
        tempfile.TemporaryDirectory(prefix="scope") as folder,
        serving(listen=(f"unix://{folder}/s",)) as server,
    ):
        assert ask_from_a_hostile_path(folder).endswith(b"x\n")
        (line,) = server.connections(1)
    assert line["peer"] == folder + "/\\udcff\\nevent=forged \\x1b[2J\\x9b2J"
    assert (line["outcome"], line["received_bytes"]) == ("ok", 2)


def test_a_line_is_written_soon_after_its_event():
    late = []
    with piped() as (process, address, _):
        for _ in range(5):
            ask(address)
            stamp = json.loads(process.stdout.readline())["timestamp"]
            late.append(time.time() - datetime.fromisoformat(stamp).timestamp())
    # 200 ms is what is promised; a machine may be slow.
    assert sorted(late)[2] < 1


@pytest.mark.parametrize("name", [HOSTILE, b"forged\x1b[2J\xff"])
def test_case_7_nothing_that_a_peer_chooses_moves_the_terminal_or_begins_a_line(name):
    with tempfile.TemporaryDirectory(prefix="scope") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "--listen", f"unix://{folder}/s", "--metrics", "none",
             "--log-format", "console"],
            cwd=ROOT, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        ask_from_a_hostile_path(folder, name)
        line = process.stdout.readline()
        process.terminate()
        process.communicate()
    assert b"forged" in line
    assert line.rstrip(b"\n").decode().isprintable()


def test_the_last_lines_are_written_at_the_end():
    with serving() as server:
        for _ in range(500):
            server.ask(b"x\n")
        assert server.stop() == 0
        assert len(server.events("connection")) == 500
        assert [line["event"] for line in server.lines][-1] == "drain_finished"


def crowd(address: tuple[str, int], request: bytes, each: int) -> None:
    """Ask from some threads at once, and return when all have been answered."""

    def load() -> None:
        for _ in range(each):
            with socket.create_connection(address, timeout=PATIENCE) as client:
                client.sendall(request)
                assert client.makefile("rb").read() == request

    together(lambda _: load(), 6)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("request_line", "each"),
    [(b"print 100\n", 200), (b"print 7000\n", 50), (b"say 100000\n", 4), (b"write 100\n", 200)],
)
def test_what_a_handler_writes_to_standard_output_tears_no_line_and_is_not_torn(
    request_line, each, unbuffered
):
    written = bytearray()

    def read_slowly() -> None:
        while data := os.read(process.stdout.fileno(), 20_000):
            written.extend(data)
            time.sleep(0.005)

    handler = ("--handler", "tests.faults.server.handlers:Garrulous")
    with piped(*handler, env=os.environ | {"PYTHONUNBUFFERED": unbuffered}) as (process, address, _):
        reader = in_a_thread(read_slowly)
        crowd(address, request_line, each)
        wait_for(lambda: written.count(b'"connection"') == 6 * each, "all lines")
        process.terminate()
        assert process.wait(PATIENCE) == 0
        ends(reader)
    events = Counter(json.loads(line)["event"] for line in written.splitlines())
    assert events == {"mine": 6 * each, "connection": 6 * each, "drain_started": 1, "drain_finished": 1}


def test_what_is_printed_while_the_handler_is_loaded_is_told_as_later(tmp_path):
    (tmp_path / "loud.py").write_text(LOUD)
    with serving("--handler", "loud:Line", env=os.environ | {"PYTHONPATH": str(tmp_path)}) as server:
        server.ask(b"x\n")
        texts = ["printed", "of a child", "by who was made then", "by a child later"]
        wait_for(lambda: len(server.events("printed")) >= len(texts), "what was printed")
        assert server.stop() == 0
        assert [line["text"] for line in server.events("printed")] == texts
        assert server.lines.index({"event": "mine"}) < server.lines.index(server.started)


def test_a_line_is_bounded_whatever_an_error_says_and_keeps_its_place():
    with serving("--handler", "tests.faults.server.handlers:Garrulous") as server:
        server.ask(b"fail\n")
        (line,) = server.connections(1)
    assert len(json.dumps(line)) < 16 * 1024
    assert line["error"].startswith("ValueError: \x01\x01")
    assert "... (1046576 characters more) (" in line["error"]
    assert line["error"].endswith("in handle)")


def test_a_line_that_a_full_disk_has_torn_is_ended_before_the_next(tmp_path):
    log = tmp_path / "log"

    def whole_lines() -> int:
        return sum(map(is_whole, log.read_bytes().splitlines()))

    def told() -> float:
        return server.metric("socketserver_log_lines_total")

    # A limit of the process' stands for the disk.
    with serving(
        log=log,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY)),
    ) as server:
        for _ in range(100):
            server.ask(b"x\n")
        wait_for(lambda: server.metric("socketserver_log_lines_dropped_total"), "there is no room")
        full = told()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        for _ in range(5):
            server.ask(b"x\n")
        wait_for(lambda: told() >= full + 5, "there is room again")
        wait_for(lambda: whole_lines() == told(), "each line that was counted is whole")
        assert server.stop() == 0
    assert json.loads(log.read_bytes().splitlines()[-1])["event"] == "drain_finished"


def is_whole(line: bytes) -> bool:
    try:
        return bool(json.loads(line))
    except ValueError:
        return False
