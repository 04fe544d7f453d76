"""What handlers and libraries log is the log's, and tells of whom it is."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.faults.server.process import (
    PATIENCE,
    ROOT,
    ServerProcess,
    read_all,
    serving,
    summed,
    udp_client,
    wait_for,
)
from tests.threads import together

from .test_log import piped

CLIENTS = 64


def talkative(name: str) -> tuple[str, str]:
    return ("--handler", f"tests.faults.server.talkative:{name}")


def ask(server: ServerProcess, text: str, listener: str = "tcp") -> str:
    """Send a line on a connection of its own; return this end's address."""
    with server.connect(text.encode() + b"\n", listener) as client:
        host, port = client.getsockname()[:2]
        read_all(client)
    return f"{host}:{port}"


def told(server: ServerProcess, peer: str) -> list[dict[str, Any]]:
    """Return a connection's lines once its last one is there, less what differs each time."""

    def lines() -> list[dict[str, Any]]:
        return [line for line in list(server.lines) if line.get("peer") == peer]

    wait_for(lambda: any(line["event"] == "connection" for line in lines()), "the connection's line")
    assert len({line["connection_id"] for line in lines()}) == 1
    return [{key: value for key, value in line.items() if key != "timestamp"} for line in lines()]


def line(level: str, event: str, peer: str, **fields: Any) -> dict[str, Any]:
    return {"level": level, "event": event, "listener": "tcp", "peer": peer, "connection_id": ANY, **fields}


def ended(peer: str, token: str, outcome: str = "ok", **fields: Any) -> dict[str, Any]:
    level = "info" if outcome == "ok" else "warning"
    figures = {"received_bytes": len(token) + 1, "sent_bytes": 5, "exchanges": 1, "handle_seconds": ANY}
    return line(level, "connection", peer, outcome=outcome, **figures, **{"error": None, **fields})


EXPECTED = {
    "Structured": lambda peer, token: [
        line("info", "set_up", peer),
        line("info", "order_placed", peer, token=token),
        line("warning", "finished in order", peer),
    ],
    "Recorded": lambda peer, token: [
        line("info", f"order {token} placed", peer, logger="shop", token=token),
    ],
    "Both": lambda peer, token: [
        line("info", "order_placed", peer, token=token),
        line("info", "paid", peer, token=token),
        line("info", f"order {token}", peer, logger="shop"),
    ],
}


@pytest.mark.parametrize("handler", EXPECTED)
def test_each_line_of_a_handler_is_whole_and_is_of_its_client(handler):
    with serving(*talkative(handler)) as server:
        asked: list[tuple[str, str]] = []

        def client(number: int) -> None:
            for each in range(5):
                token = f"{number}-{each}"
                asked.append((ask(server, token), token))

        together(client, CLIENTS)
        for peer, token in asked:
            expected = [*EXPECTED[handler](peer, token), ended(peer, token)]
            lines = told(server, peer)
            # Of what ends at the same time either may be the first.
            assert sorted(lines, key=str) == sorted(expected, key=lambda each: str({**each, **ids(lines)}))
            assert lines[-1]["event"] == "connection"
        assert server.errors == b""


def ids(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {"connection_id": lines[0]["connection_id"]}


def test_of_a_hundred_thousand_lines_none_is_of_another_client(tmp_path):
    log = tmp_path / "log"
    each, lines_each = 61, 26
    peers: dict[str, str] = {}

    def client(number: int) -> None:
        for turn in range(each):
            token = f"{number}-{turn}"
            peers[token] = ask(server, token)

    with serving(*talkative("Crowded"), log=log) as server:
        together(client, CLIENTS)
        total = each * CLIENTS
        wait_for(lambda: log.read_bytes().count(b'"event":"connection"') == total, "all lines")
        assert server.metric("socketserver_log_lines_dropped_total") == 0
        assert server.stop() == 0
    found: dict[str, tuple[str, str]] = {}
    number = Counter[str]()
    of_connections = 0
    for text in log.read_bytes().splitlines():
        fields = json.loads(text)
        if fields["event"] == "line":
            number[fields["token"]] += 1
            whose = fields["peer"], fields["connection_id"]
            assert found.setdefault(fields["token"], whose) == whose
            assert fields.get("bound", fields["token"]) == fields["token"]
        elif fields["event"] == "connection":
            of_connections += 1
            assert found[fields["bound"]] == (fields["peer"], fields["connection_id"])
    assert of_connections == total
    assert {token: peer for token, (peer, _) in found.items()} == peers
    assert len({connection_id for _, connection_id in found.values()}) == total
    assert set(number.values()) <= {lines_each, lines_each + 2}
    assert sum(number.values()) >= 100_000


def test_the_lines_of_a_datagrams_handler_are_of_its_client():
    with serving(*talkative("Datagrams"), listen=("udp://127.0.0.1:0",)) as server:
        with udp_client() as client:
            client.connect(server.address("udp"))
            client.send(b"mine")
            assert client.recv(10) == b"done"
            host, port = client.getsockname()
        wait_for(lambda: server.events("datagram"), "the datagram's line")
    (mine,), (own,) = server.events("order_placed"), server.events("datagram")
    assert (mine["token"], mine["peer"], mine["listener"]) == ("mine", f"{host}:{port}", "udp")
    assert mine["connection_id"] == own["connection_id"]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving(*talkative("Asked")) as server:
        yield server
        assert server.stop() == 0
        assert server.errors == b""


def asked(server: ServerProcess, what: str) -> tuple[list[dict[str, Any]], str]:
    """Return a connection's lines and its peer."""
    peer = ask(server, what)
    return told(server, peer), peer


PLACE = "LookupError: as asked (/"


def test_an_exception_is_told_with_its_place(server):
    lines, peer = asked(server, "caught")
    error = lines[0]["error"]
    assert error.startswith(PLACE)
    assert error.endswith(" in _caught)")
    assert lines == [
        line("error", "caught", peer, tries=1, error=error),
        line("error", "caught too", peer, logger="shop", error=error),
        ended(peer, "caught"),
    ]


def test_at_the_debug_level_exceptions_are_told_with_the_whole_of_their_tracebacks():
    with serving(*talkative("Asked"), "--log-level", "debug") as server:
        (caught, too, own), _ = asked(server, "caught")
        (raised,), _ = asked(server, "raised")
    assert "exception" not in own
    for each in (caught, too):
        (trace,) = each["exception"]
        assert (trace["exc_type"], trace["exc_value"]) == ("LookupError", "as asked")
        assert [frame["name"] for frame in trace["frames"]] == ["_caught"]
        assert "locals" not in trace["frames"][0]
    (trace,) = raised["exception"]
    assert raised["error"].startswith(PLACE)
    assert [frame["name"] for frame in trace["frames"]][-2:] == ["handle", "_raised"]


def test_people_read_a_traceback_line_by_line_and_none_begins_like_one_of_the_logs():
    lines = console("caught")
    begin = next(number for number, text in enumerate(lines) if "caught" in text)
    assert lines[begin + 1] == "    Traceback (most recent call last):"
    assert "    LookupError: as asked" in lines


def test_a_thread_that_ends_by_an_exception_is_told_of(server):
    lines, peer = asked(server, "thread")
    assert lines == [ended(peer, "thread")]
    failed = wait_for(lambda: server.events("uncaught_exception"), "its line")[-1]
    assert failed["level"] == "error"
    assert failed["thread"] == "worker of the program's"
    assert failed["error"].startswith("LookupError: in a thread (/")


def test_a_warning_is_a_line(server):
    (warned, _), peer = asked(server, "warned")
    text = warned.pop("event")
    assert "UserWarning: it is odd" in text
    assert {**warned, "event": ""} == line("warning", "", peer, logger="py.warnings")


def test_what_is_printed_and_is_no_object_is_told_as_a_text(server):
    asked(server, "printed")
    printed = wait_for(lambda: server.events("printed"), "its line")[-1]
    assert printed == {"timestamp": ANY, "level": "info", "event": "printed", "text": "what is no object"}


def test_who_clears_structlogs_variables_is_told_of_all_the_same(server):
    lines, peer = asked(server, "cleared")
    assert lines == [
        line("info", "cleared", peer, request="mine"),
        ended(peer, "cleared", request="mine"),
    ]


def test_a_logger_with_a_name_tells_it(server):
    lines, peer = asked(server, "named")
    assert lines[0] == line("info", "named", peer, logger="shop.orders")


def test_a_record_of_logging_keeps_its_text_and_level_whatever_else_it_has(server):
    lines, peer = asked(server, "extra")
    assert lines[0] == line("warning", "sold 7", peer, logger="shop", amount=5)


def test_whatever_is_logged_has_a_line(server):
    lines, peer = asked(server, "odd")
    circle = lines[0].pop("circle")
    assert circle["text"] == "a\\x1b[2J"
    assert "{...}" in circle["itself"]
    assert lines[0] == line(
        "info", "odd", peer, number=str(1 << 70), data="b'\\xff'", surrogate="\\udcff", keys={"1": "{2}"}
    )


def test_a_handlers_line_is_bounded(server):
    lines, _ = asked(server, "long")
    assert [len(json.dumps(each)) < 16 * 1024 for each in lines] == [True] * 3
    assert lines[0]["token"] == "kept"
    assert lines[0]["text"].endswith("characters more)")
    assert lines[1]["event"].endswith("characters more)")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_what_is_less_severe_than_was_asked_for_is_not_told(level):
    with serving(*talkative("Asked"), "--log-level", level) as server:
        ask(server, "levels")
        wait_for(lambda: len(server.events("told")) >= 4, "the most severe lines")
        assert server.stop() == 0
    names = ["debug", "info", "warning", "error", "critical"]
    expected = names[names.index(level) :]
    assert [each["level"] for each in server.events("told")] == expected * 2


def test_a_forked_process_writes_its_lines_as_well(server):
    peer = ask(server, "forked")
    wait_for(lambda: server.events("in a child"), "the child's line")
    lines = told(server, peer)
    # They have come by different ways.
    assert {each["event"] for each in lines} == {"in a child", "connection"}


def test_what_a_child_of_the_handlers_module_prints_later_is_told(tmp_path):
    go = tmp_path / "go"
    # Only so long that it is not left behind by a test that fails.
    late = (
        f"import os, sys, time\nuntil = time.monotonic() + {2 * PATIENCE}\n"
        "while not os.path.exists(sys.argv[1]) and time.monotonic() < until: time.sleep(0.01)\nprint('late')"
    )
    (tmp_path / "starts.py").write_text(
        "import subprocess, sys\nfrom tests.faults.server.handlers import Echo\n"
        f"subprocess.Popen([sys.executable, '-c', {late!r}, {str(go)!r}])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with serving("--handler", "starts:Echo", env=environment) as server:
        go.touch()
        wait_for(lambda: server.events("printed"), "the child's line")
    assert [each["text"] for each in server.events("printed")] == ["late"]


def console(what: str) -> list[str]:
    """Return the lines of a log for people."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--listen", "tcp://127.0.0.1:0", "--metrics", "none",
         "--log-format", "console", "--log-level", "debug", *talkative("Asked")],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    port = int(process.stdout.readline().split("127.0.0.1:")[1].split("'")[0])
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(what.encode() + b"\n")
        read_all(client)
    process.terminate()
    return process.communicate()[0].splitlines()


def test_case_21_a_stalled_log_delays_no_reply_whatever_is_written_and_what_is_lost_is_told():
    def lost() -> float:
        page = urllib.request.urlopen(metrics).read().decode()
        return summed(page, "socketserver_log_lines_dropped_total")

    def memory() -> int:
        pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    with piped(*talkative("Asked")) as (process, address, metrics):
        slowest, before = 0.0, 0
        for number in range(600):
            began = time.monotonic()
            with socket.create_connection(address, PATIENCE) as client:
                client.sendall(b"everything\n")
                assert read_all(client) == b"done\n"
            slowest = max(slowest, time.monotonic() - began)
            if number == 300:  # the queue is full
                assert lost()
                before = memory()
        assert slowest < PATIENCE / 4
        assert memory() - before < 10 << 20
        told = 0
        while not told:
            fields = json.loads(process.stdout.readline())
            if fields["event"] == "log_lines_dropped":
                told = fields["count"]
        assert told == lost() > 0
