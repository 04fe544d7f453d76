"""Programs that have configured structlog by themselves, and processors that are given."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.launch.launched import RUN, ended
from tests.faults.server.process import PATIENCE, ROOT, read_all, wait_for

HEAD = """
import logging, socketserver, sys
import structlog
from prometheus_client import CollectorRegistry
from structlog.processors import CallsiteParameterAdder, JSONRenderer, LogfmtRenderer, TimeStamper
import socketscope

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        text = self.rfile.readline()
        structlog.get_logger().info("order_placed", id=7)
        if b"fail" in text:
            raise ValueError("as asked")
        self.wfile.write(text)

def counted(logger, name, fields):
    counted.lines += 1
    fields["line"] = counted.lines
    return fields
counted.lines = 0
"""

TAIL = """
server = socketscope.ThreadingTCPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], file=sys.stderr, flush=True)
sys.exit(socketscope.run(server, metrics=None, **given))
"""

JSON = """
structlog.configure(processors=[
    structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, counted,
    TimeStamper(fmt="iso", key="at"), JSONRenderer(sort_keys=True),
])
given = {}
"""

LOGFMT = """
logging.basicConfig(format="%(name)s %(message)s", stream=sys.stdout, level=logging.INFO)
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name, structlog.stdlib.add_log_level, counted,
        LogfmtRenderer(key_order=["level", "event"]),
    ],
    wrapper_class=structlog.stdlib.BoundLogger, logger_factory=structlog.stdlib.LoggerFactory(),
)
given = {}
"""

CONSOLE = """
structlog.configure(processors=[
    structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, counted,
    structlog.processors.KeyValueRenderer(key_order=["level", "event", "connection_id"]),
])
given = {"log": "console"}
"""


def output(text: str, *requests: bytes, last: str = "connection", launched: bool = False) -> tuple[str, str]:
    """Return what a program, which ends in order, has written after these requests and SIGTERM.

    Args:
        text: Of the program, or the words that it is launched by.
        requests: One is sent when the line of the one before is there.
        last: The event of that line.
        launched: Whether it is launched.
    """
    command = [*RUN, "--metrics", "none", *text.split()] if launched else [sys.executable, "-c", text]
    with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=written, stderr=errors)

        def said(file: Any) -> str:
            return os.pread(file.fileno(), 1 << 20, 0).decode()

        def has_told(number: int) -> bool:
            return len(re.findall(last, said(written) + said(errors))) >= number

        try:
            port = int(wait_for(lambda: said(errors).partition("\n")[0], "the port"))
            wait_for(lambda: launched or "server_started" in said(written), "the start")
            for number, request in enumerate(requests, start=1):
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                    client.sendall(request)
                    read_all(client)
                wait_for(partial(has_told, number), "the last line")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
        return said(written), said(errors).partition("\n")[2]


def run(text: str, *requests: bytes, last: str = r"event\W+connection\W") -> str:
    """Return what a program that runs a server has written."""
    written, errors = output(HEAD + text + TAIL, *requests, last=last)
    assert errors == ""
    return written


def test_a_programs_own_json_has_the_librarys_fields():
    lines = [json.loads(text) for text in run(JSON, b"x\n", b"fail\n").splitlines()]
    assert all(list(line) == sorted(line) and "at" in line for line in lines)
    assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["event"] for line in lines] == [
        "server_started", "order_placed", "connection", "order_placed", "connection",
        "drain_started", "drain_finished",
    ]  # fmt: skip
    for order, own in (lines[1:3], lines[3:5]):
        assert {key: order[key] for key in ("connection_id", "listener", "peer")} == {
            key: own[key] for key in ("connection_id", "listener", "peer")
        }
        assert set(own) - {"line", "at"} == {
            "level", "event", "listener", "peer", "connection_id", "outcome", "received_bytes", "sent_bytes",
            "exchanges", "handle_seconds", "error",
        }  # fmt: skip
    assert [(line["level"], line["outcome"]) for line in (lines[2], lines[4])] == [
        ("info", "ok"), ("warning", "handler_error"),
    ]  # fmt: skip


def test_a_programs_own_logfmt_goes_through_its_logging_under_the_librarys_name():
    written = run(LOGFMT, b"x\n")
    lines = written.splitlines()
    own = next(text for text in lines if "event=connection" in text)
    assert re.fullmatch(
        r"socketscope level=info event=connection listener=tcp peer=127.0.0.1:\d+ connection_id=(\w+-\d+) "
        r"outcome=ok received_bytes=2 sent_bytes=2 exchanges=1 handle_seconds=\S+ error= "
        r"logger=socketscope line=3",
        own,
    )
    (order,) = (text for text in lines if "event=order_placed" in text)
    assert re.search(r"connection_id=\w+-\d+", own).group() in order  # type: ignore[union-attr]


def test_a_programs_own_form_for_people_keeps_its_order():
    written = run(CONSOLE, b"x\n")
    own = next(text for text in written.splitlines() if "event='connection'" in text)
    assert re.match(r"level='info' event='connection' connection_id='\w+-\d+' listener='tcp' peer=", own)
    assert own.endswith(" line=3")


STALLED = """
class Handler(Handler):
    def handle(self):
        for _ in range(20):
            structlog.get_logger().info("line", text="x" * 1000)
            print("line")
        super().handle()
"""


def test_a_stalled_output_holds_up_no_handler_of_a_program_with_a_form_of_its_own():
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD + JSON + STALLED + TAIL], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        port = int(process.stderr.readline())
        slowest = 0.0
        for _ in range(400):  # 16,000 lines, of which 10,000 may wait
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                client.sendall(b"x\n")
                assert read_all(client) == b"x\n"
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < PATIENCE / 4
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, errors) == (0, b"")
    lines = [json.loads(line) for line in output.splitlines() if line != b"line"]
    assert sum(line["count"] for line in lines if line["event"] == "log_lines_dropped") > 5000


LATE = """
given = {}
class Handler(Handler):
    def handle(self):
        super().handle()
        structlog.configure(processors=[structlog.processors.add_log_level, JSONRenderer(sort_keys=True)])
"""


def test_a_program_that_configures_structlog_later_has_what_comes_later_in_its_form():
    written = run(LATE, b"x\n")
    own = next(text for text in written.splitlines() if '"connection"' in text)
    assert own.startswith('{"connection_id": ')
    assert written.startswith('{"timestamp":')


def test_what_the_program_has_set_up_is_as_before_when_run_has_ended():
    text = """
given = {}
import threading, warnings
def state():
    return (structlog.is_configured(), logging.getLogger().handlers[:], logging.getLogger().level,
            warnings.showwarning, threading.excepthook, sys.excepthook, sys.stdout)
before = state()
kept = socketscope.run
def run(*args, **kwargs):
    status = kept(*args, **kwargs)
    assert state() == before, (state(), before)
    return status
socketscope.run = run
"""
    written = run(text, b"x\n")
    assert written.count("\n") == 5


OWN_LOGGING = """
given = {}
logging.basicConfig(format="mine: %(message)s", stream=sys.stderr)
class Handler(Handler):
    def handle(self):
        logging.warning("as ever")
        super().handle()
"""


def test_a_program_that_has_configured_logging_keeps_that():
    written, errors = output(HEAD + OWN_LOGGING + TAIL, b"x\n", last='"connection"')
    assert errors == "mine: as ever\n"
    assert [json.loads(text)["event"] for text in written.splitlines()][1:3] == ["order_placed", "connection"]


RECORDS = """
import threading, warnings
class Handler(Handler):
    def handle(self):
        logging.getLogger("shop").warning("paid %s", 8, extra={"amount": 5, "event": "other"})
        warnings.warn("it is odd")
        thread = threading.Thread(target=lambda: 1 / 0, name="mine")
        thread.start()
        thread.join()
        super().handle()
"""


def test_records_warnings_and_failed_threads_are_in_the_programs_form():
    lines = [json.loads(text) for text in run(JSON + RECORDS, b"x\n").splitlines()]
    assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
    record, warned, failed, _, own = lines[1:6]
    assert (record["event"], record["logger"], record["level"], record["amount"]) == (
        "paid 8", "shop", "warning", 5,
    )  # fmt: skip
    assert "exc_info" not in record
    assert record["connection_id"] == warned["connection_id"] == own["connection_id"]
    assert "UserWarning: it is odd" in warned["event"]
    assert (failed["event"], failed["thread"], failed["level"]) == ("uncaught_exception", "mine", "error")


LATE_LOGGING = """
given = {}
class Handler(Handler):
    def handle(self):
        structlog.configure(
            processors=[structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.stdlib.BoundLogger, logger_factory=structlog.stdlib.LoggerFactory(),
        )
        logging.warning("as ever")
        super().handle()
"""


def test_a_program_that_has_its_structlog_lead_to_a_logging_without_handlers_is_as_ever():
    written, errors = output(HEAD + LATE_LOGGING + TAIL, b"fail\n", last="\nconnection\n")
    assert [json.loads(text)["event"] for text in written.splitlines()] == ["server_started"]
    assert errors.splitlines() == ["as ever", "connection"]


PROCESSORS = """
def no_peers(logger, name, fields):
    fields.pop("peer", None)
    return fields

def renamed(logger, name, fields):
    return {"ours." + key: value for key, value in fields.items()}

def few(logger, name, fields):
    if fields.get("ours.outcome") == "ok":
        raise structlog.DropEvent
    return fields

def wrong(logger, name, fields):
    return 1 / 0 if fields.get("id") else fields

server_options = {"processors": [no_peers, renamed]}
socketscope.ThreadingTCPServer = lambda *args: socketscope.observe(
    socketserver.ThreadingTCPServer(*args), **server_options)
"""


def lines_of(text: str, *requests: bytes) -> list[dict[str, Any]]:
    written = run(text, *requests, last="order_placed|unprintable_line")
    return [line for line in map(json.loads, written.splitlines()) if "drain" not in str(line)]


def test_the_processors_of_a_server_have_the_lines_of_its_clients_then_those_of_run_all_lines():
    lines = lines_of(PROCESSORS + "given = {'processors': [few]}", b"x\n", b"fail\n")
    events = [line.get("ours.event") or line["event"] for line in lines]
    assert events == [
        "server_started", "order_placed", "order_placed", "connection",
    ]  # fmt: skip
    assert "peer" not in str(lines)
    assert {"ours.timestamp", "ours.level", "ours.connection_id", "ours.id"} <= set(lines[1])
    assert lines[3]["ours.outcome"] == "handler_error"


def test_the_program_has_processors_and_its_own_configuration():
    (line,) = (
        line
        for line in lines_of(PROCESSORS + JSON + "given = {'processors': [few]}", b"fail\n")
        if line.get("ours.outcome")
    )
    assert line["ours.outcome"] == "handler_error"
    assert "ours.peer" not in line
    assert line["line"] == 3


def test_a_processor_that_fails_costs_its_line_and_tells_nothing_of_it():
    lines = lines_of(PROCESSORS + "server_options = {}; given = {'processors': [wrong]}", b"x\n")
    assert [line["event"] for line in lines][1:3] == ["unprintable_line", "connection"]
    assert set(lines[1]) == {"timestamp", "level", "event", "error"}
    assert lines[1]["error"] == "ZeroDivisionError"


def test_the_last_processor_may_make_the_line():
    text = "given = {'processors': [LogfmtRenderer(key_order=['event'])]}"
    written = run(text, b"x\n")
    assert [re.match(r"event=\w+", each).group() for each in written.splitlines()] == [  # type: ignore[union-attr]
        "event=server_started", "event=order_placed", "event=connection", "event=drain_started",
        "event=drain_finished",
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["run", "observe"])
def test_a_processor_that_cannot_be_called_is_refused(where):
    text = "given = {}\n" + PROCESSORS + "server_options = {}\n"
    text += "given = {'processors': [7]}" if where == "run" else "server_options = {'processors': [7]}"
    _, _, errors = ended(sys.executable, "-c", HEAD + text + TAIL)
    assert errors.splitlines()[-1] == "TypeError: processors has 7, which cannot be called"


LAUNCHED = """
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], file=sys.stderr, flush=True)
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server.serve_forever()
"""


def launch(tmp_path: Path, text: str, *options: str) -> tuple[str, str]:
    """Return what a launched program has written."""
    path = tmp_path / "program.py"
    path.write_text(HEAD.replace("import socketscope\n", "") + text + LAUNCHED)
    last = "connection" if options else "order_placed"
    return output(" ".join([*options, str(path)]), b"x\n", last=last, launched=True)


def test_nothing_is_set_up_for_a_launched_program_unless_its_log_is_asked_for(tmp_path):
    written, errors = launch(tmp_path, "")
    assert errors == ""
    assert re.search(r"\[info +\] .*order_placed", written)


def test_the_loggers_of_a_launched_program_lead_to_its_log_where_that_is_asked_for(tmp_path):
    written, errors = launch(tmp_path, "", "--log", "json")
    assert written == ""
    order, own = map(json.loads, errors.splitlines())
    assert (order["event"], own["event"]) == ("order_placed", "connection")
    assert order["connection_id"] == own["connection_id"]


def test_the_log_of_a_launched_program_with_a_configuration_of_its_own_is_of_its_form(tmp_path):
    written, errors = launch(tmp_path, JSON, "--log", "json")
    (order,), (own,) = map(json.loads, written.splitlines()), map(json.loads, errors.splitlines())
    assert (order["event"], own["event"], own["line"]) == ("order_placed", "connection", 2)
    assert order["connection_id"] == own["connection_id"]


FORKED = """
import os, socket, threading, warnings

warnings.filterwarnings("ignore", "This process", DeprecationWarning)  # 3.12, of threads and forks

def ask(server):
    with socket.create_connection(server.server_address) as client:
        client.sendall(b"x\\n")
        assert client.recv(10) == b"x\\n"

first, second = (socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) for _ in range(2))
threading.Thread(target=first.serve_forever, daemon=True).start()
ask(first)
if child := os.fork():
    os.waitpid(child, 0)
    first.shutdown()
else:
    structlog.get_logger().info("before it serves")
    serving = threading.Thread(target=second.serve_forever)
    serving.start()
    ask(second)
    second.shutdown()
    serving.join()
"""


def test_a_process_that_a_launched_program_has_forked_has_a_log_of_its_own(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(HEAD.replace("import socketscope\n", "") + FORKED)
    # coverage, as it begins, takes modules away again that a thread of the program has just loaded.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    status, written, errors = ended(*RUN, "--metrics", "none", "--log", "json", path, env=unmeasured)
    assert (status, written) == (0, ""), errors
    lines = [json.loads(line) for line in errors.splitlines()]
    assert sorted(line["event"] for line in lines) == [
        "before it serves", "connection", "connection", "order_placed", "order_placed",
    ]  # fmt: skip
    assert len({line["connection_id"].partition("-")[0] for line in lines if "connection_id" in line}) == 2
    for line in lines:
        if line["event"] == "connection":
            (order,) = (
                each
                for each in lines
                if each["event"] == "order_placed" and each["connection_id"] == line["connection_id"]
            )
            assert order["peer"] == line["peer"]
