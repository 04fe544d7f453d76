"""A log's lines, read from the pipe that they are written to."""

import errno
import json
import os
import re
import select
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from types import SimpleNamespace

import pytest

from socketscope.observe.datagrams import Datagram
from socketscope.observe.outcomes import DATAGRAM_OUTCOMES, OUTCOMES
from socketscope.views import log as module
from socketscope.views.lines import writer as writer_module
from socketscope.views.lines.rendering import MOST_BYTES, renderer
from socketscope.views.lines.writer import TICK, LineWriter
from socketscope.views.log import LEVELS, Log
from tests.unit.socketscope.patience import until

SIZE = 16 * MOST_BYTES
LONG = {
    "text": "x" * SIZE,
    "escaped": "\x01" * SIZE,
    "no text": "\udcff" * SIZE,
    "many bytes": "\U0001f600" * SIZE,
    "a long name": {"n" * SIZE: "tcp://127.0.0.1:1"},
    "a long value": {"tcp": "v" * SIZE},
    "many": {f"listener-{number}": "tcp://127.0.0.1:1" for number in range(5000)},
}


def lines_of(tell: Callable[[Log], object], form: str = "json", level: str = "info") -> list[bytes]:
    """Return what a log has written of what it was told."""
    reader, writer = os.pipe()
    log = Log(form, level=level, descriptor=writer)
    os.close(writer)
    tell(log)
    log.close()
    with os.fdopen(reader, "rb") as pipe:
        return list(pipe)


def written(form: str, **fields: object) -> bytes:
    """Return all that a log has written of one event."""
    return b"".join(lines_of(lambda log: log.event("told", **fields), form))


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("long", LONG)
def test_a_line_is_bounded_and_says_what_was_cut(form, long):
    line = written(form, short="kept", long=LONG[long], last=1)
    assert MOST_BYTES / 4 < len(line) <= MOST_BYTES
    assert line.count(b"\n") == 1
    assert re.search(rb"\d+ (characters )?more", line)
    if form == "json":
        told = json.loads(line)
        assert list(told) == ["timestamp", "level", "event", "short", "long", "last"]
        assert (told["short"], told["last"]) == ("kept", 1)


def test_a_line_is_cut_from_the_first_byte_on_that_is_too_many():
    render = renderer("json", -1)
    whole = len(render({"event": "told", "text": ""}))
    for more in (-1, 0, 1):
        line = render({"event": "told", "text": "x" * (MOST_BYTES - whole + more)})
        assert (len(line) <= MOST_BYTES, b"characters more" in line) == (True, more > 0)


@pytest.mark.parametrize(
    "fields",
    [{"n" * SIZE: 1}, {f"field-{number}": "v" * 50 for number in range(5000)}],
    ids=["a long name", "many fields"],
)
def test_what_a_client_has_for_names_costs_a_line_none_of_its_own(fields):
    text = written("json", outcome="ok", peer="[2001:db8::1]:65535", **fields)
    line = json.loads(text)
    assert len(text) <= MOST_BYTES
    assert list(line)[:5] == ["timestamp", "level", "event", "peer", "outcome"]
    assert (line["event"], line["peer"]) == ("told", "[2001:db8::1]:65535")
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is UTC
    *whole, told = list(line.items())[5:]
    assert all(fields[name] == value for name, value in whole)
    assert "more" in str(told)
    if len(fields) > 1:
        assert told == ("...", f"{len(fields) - len(whole)} more")


def nested(deep: int, inner: object) -> object:
    for level in range(deep):
        inner = [inner] if level % 2 else {"of": inner}
    return inner


@pytest.mark.parametrize("inner", ["x", "x" * MOST_BYTES], ids=["short", "long"])
@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("deep", [300, 3_000, 100_000])
def test_what_is_nested_without_end_costs_a_line_its_depth_alone(form, deep, inner):
    line = written(form, path="x", body=nested(deep, inner))
    assert len(line) <= MOST_BYTES
    assert b"told" in line
    assert b"path" in line
    assert b"body" in line
    if form == "json":
        assert json.loads(line)["path"] == "x"


@pytest.mark.parametrize(
    ("form", "told"), [("json", b'"status":200,'), ("console", b"status=<HTTPStatus.OK: 200>")]
)
def test_a_number_of_a_class_of_its_own_is_told_as_any_other(form, told):
    assert told in written(form, status=HTTPStatus.OK, path="\udcff")


def served(level: str, outcome: str) -> list[dict[str, object]]:
    """Return the lines that a log of this level has of a connection which ended so."""
    datagram = Datagram("127.0.0.1:5", 3)
    datagram.listener = SimpleNamespace(name="tcp", processors=())
    lines = lines_of(lambda log: log.served("connection", datagram, outcome, 0.0002507), level=level)
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("outcome", [*OUTCOMES, *DATAGRAM_OUTCOMES[1:-1]])
def test_what_is_no_part_of_normal_service_is_a_warning(outcome):
    level = "info" if outcome in {"ok", "empty", "idle_timeout", "no_reply"} else "warning"
    (line,) = served("info", outcome)
    assert (line["level"], line["outcome"], line["handle_seconds"]) == (level, outcome, 0.00025)
    assert len(served("warning", outcome)) == (level == "warning")
    assert served("error", outcome) == []


def told(level: str, tell: Callable[[Log], None]) -> list[str]:
    """Return the events that a log of this level has of what it is told."""
    return [json.loads(line)["event"] for line in lines_of(tell, level=level)]


@pytest.mark.parametrize("least", LEVELS)
@pytest.mark.parametrize("level", LEVELS)
def test_of_what_is_below_the_level_only_what_was_printed_is_told(least, level):
    written = LEVELS.index(level) >= LEVELS.index(least)
    assert told(least, lambda log: log.event("once", level)) == ["once"] * written
    assert told(least, lambda log: log.printed(b"a text\n")) == ["printed"]


@pytest.mark.parametrize("least", LEVELS)
def test_an_event_that_repeats_is_a_warning(least):
    written = LEVELS.index("warning") >= LEVELS.index(least)
    assert told(least, lambda log: log.repeated("often")) == ["often"] * written


@pytest.mark.parametrize("line", [b"5\n", b'["event"]\n', b"{}}\n"])
def test_a_line_that_is_printed_and_is_no_object_is_the_text_of_an_event(line):
    assert told("info", lambda log: log.printed(line)) == ["printed"]


def test_an_object_that_is_printed_and_too_long_is_cut_as_any_line_is():
    short = b'{"event":"short","a" : 1}\n'
    long = json.dumps({"event": "order", "id": 7, "text": "x" * 100_000}).encode() + b"\n"
    as_it_was, cut = lines_of(lambda log: [*map(log.printed, (short, long))])
    assert as_it_was == short
    assert len(cut) <= MOST_BYTES
    line = json.loads(cut)
    assert (line["event"], line["id"]) == ("order", 7)
    assert line["text"].endswith(" characters more)")


def test_a_text_that_is_printed_where_the_log_is_for_people_is_as_it_was_and_cut_where_it_is_too_long():
    fits = b"\xff" + b"x" * (MOST_BYTES - 2) + b"\n"
    as_it_was, cut = lines_of(lambda log: [*map(log.printed, (fits, b"x" + fits))], "console")
    assert as_it_was == fits
    assert len(cut) <= MOST_BYTES
    assert cut.endswith(b" characters more)\n")


def test_a_log_begins_with_the_start(monkeypatch):
    monkeypatch.setattr(writer_module, "HELD", sys.maxsize)
    reader, writer = os.pipe()
    log = Log("json", descriptor=writer)
    os.close(writer)
    log.writer.hold()
    log.event("certificate_kept", "warning")
    log.repeated("connection_rejected", listener="tcp", reason="capacity")
    assert not select.select([reader], [], [], 3 * TICK)[0]
    log.started(listeners=LONG["a long value"], metrics=None)
    log.close()
    with os.fdopen(reader, "rb") as pipe:
        events = [json.loads(line)["event"] for line in pipe]
    assert events == ["server_started", "connection_rejected", "certificate_kept"]


def test_the_writer_may_ask_for_further_lines_before_the_log_knows_it(monkeypatch):
    class Hasty(LineWriter):
        def __init__(self, descriptor, digest):
            assert digest(0) == []
            super().__init__(descriptor, digest)

    monkeypatch.setattr(module, "LineWriter", Hasty)
    assert json.loads(written("json"))["event"] == "told"


@pytest.fixture
def closed(tmp_path):
    """Make logs whose threads ask for no digest any more."""

    def make(**options):
        with (tmp_path / "log").open("wb") as file:
            log = Log(descriptor=file.fileno(), **options)
            log.close()
        return log

    return make


def test_of_an_event_that_repeats_there_is_at_most_one_line_a_second(monkeypatch, closed):
    log = closed()
    now = time.monotonic()
    counts = []
    for after in (0.0, 0.9, 1.0):
        monkeypatch.setattr(time, "monotonic", lambda after=after: now + after)
        log.repeated("accept_error", listener="tcp", error="other")
        counts.append([json.loads(line)["count"] for line in log._digest(0)])
    assert counts == [[1], [], [2]]


def test_lines_that_were_dropped_are_told_of_once(monkeypatch, closed):
    log = closed()
    now = time.monotonic()
    counts = []
    for second, dropped in enumerate((5, 8, 8)):
        monkeypatch.setattr(time, "monotonic", lambda second=second: now + second)
        counts.append([json.loads(line)["count"] for line in log._digest(dropped)])
    assert counts == [[5], [3], []]


@pytest.mark.parametrize("level", LEVELS)
def test_lines_that_were_dropped_are_told_of_at_the_level_of_a_warning(level, closed):
    assert len(closed(level=level)._digest(5)) == (level != "error")


def test_lines_that_were_dropped_are_told_of_again_where_that_was_dropped_too(monkeypatch):
    full, taken = True, b""

    def write(_: int, data: bytes) -> int:
        nonlocal taken
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken += data
        return len(data)

    monkeypatch.setattr(os, "write", write)
    null = os.open(os.devnull, os.O_WRONLY)
    log = Log(descriptor=null)
    os.close(null)
    log.event("lost")
    until(lambda: log.writer.dropped >= 2)  # that line, and the one that told of it
    full = False
    log.event("kept")
    log.close()
    lines = [json.loads(line) for line in taken.splitlines()]
    dropped = log.writer.dropped
    assert {line["event"]: line.get("count") for line in lines} == {
        "kept": None,
        "log_lines_dropped": dropped,
    }


def test_what_repeated_since_the_last_line_is_told_at_the_end(tmp_path):
    path = tmp_path / "log"
    with path.open("wb") as file:
        log = Log(descriptor=file.fileno())
        log._next_digest = time.monotonic() + 1000
        log.repeated("accept_error", listener="tcp", error="other")
        log.close()
    assert [json.loads(line)["count"] for line in path.read_text().splitlines()] == [1]
