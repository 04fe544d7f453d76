"""The short way of a canonical line against structlog's chain, and what is bound while a client is served."""

import asyncio
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from socketscope.observe.datagrams import Datagram
from socketscope.observe.record import Record
from socketscope.observe.served import current
from socketscope.serve.options import Options
from socketscope.views import context
from socketscope.views.context import enter, leave, nothing_else_bound
from socketscope.views.lines import encoding, loggers, rendering
from socketscope.views.log import Log
from tests.pages import log_fields
from tests.unit.socketscope.patience import PATIENCE


class Lines:
    """A log, and what it has written so far."""

    def __init__(self, log: Log, taken: list[bytes]) -> None:
        self.log = log
        self._taken = taken

    def take(self) -> list[bytes]:
        taken = self._taken[:]
        self._taken.clear()
        return taken


@dataclass
class Kept:
    """A writer that keeps its lines."""

    put: Callable[[bytes], None]

    def wake(self) -> None:
        pass


@contextmanager
def lines(**options: Any) -> Iterator[Lines]:
    null = os.open(os.devnull, os.O_WRONLY)
    log = Log(descriptor=null, **options)
    os.close(null)
    taken: list[bytes] = []
    log.close()
    log.writer = Kept(taken.append)  # type: ignore[assignment]  # it has tests of its own
    yield Lines(log, taken)


def listener(*processors: Callable[..., Any]) -> Any:
    return SimpleNamespace(name="tcp", processors=processors)


def record(**fields: Any) -> Record:
    made = Record(SimpleNamespace(), "127.0.0.1:5", 0.0)
    made.listener = listener()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


ODD = {
    "plain": {"received": 3, "sent": 4, "exchanges": 1},
    "an error": {"error": 'ValueError: "no" \\ \t\n\x00\x1b[2J\x7f\x9b \U0001f600 (/x.py:3 in y)'},
    "an error that is no UTF-8": {"error": "OSError: '\udcff\n'"},
    "an error that is long": {"error": "\x01" * 30_000},
    "many bytes": {"received": 1 << 62, "sent": (1 << 64) - 1},
    "more than JSON has": {"sent": 1 << 64},
    "IPv6": {"peer": ("::1", 5, 0, 0)},
    "IPv4 as IPv6": {"peer": ("::ffff:127.0.0.1", 5, 0, 0)},
    "a path": {"peer": "/tmp/a \udcff\n\x1b"},
    "no path": {"peer": ""},
    "no peer": {"peer": None},
    "an abstract name": {"peer": b"\0name\xff"},
    "another family": {"peer": (3, 1024)},
    "a name of a listener": {"listener": SimpleNamespace(name='we"b\n\u2028', processors=())},
}
SECONDS = [0.0, 1e-7, 0.1234567, 1.0, 86400.5, 1e9]


def line(of: Lines, served: Any, outcome: str, seconds: float) -> dict[str, Any]:
    return Context().run(_line, of, served, outcome, seconds)


def _line(of: Lines, served: Any, outcome: str, seconds: float) -> Any:
    enter(served)
    of.log.served("connection", served, outcome, seconds)
    (text,) = of.take()
    return text


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("outcome", ["ok", "handler_error"])
def test_the_short_way_and_the_chain_make_the_same_line(odd, outcome, monkeypatch):
    served = record(**ODD[odd])
    with lines() as of:
        ways: list[Any] = []

        def by_chain(*args: Any) -> bytes | None:
            ways.append(args)
            return Log._line(of.log, *args)

        monkeypatch.setattr(of.log, "_line", by_chain)
        for seconds in SECONDS:
            short = line(of, served, outcome, seconds)
            assert not ways
            with monkeypatch.context() as patch:
                patch.setattr("socketscope.views.log.nothing_else_bound", lambda _: False)
                long = line(of, served, outcome, seconds)
            assert ways.pop()
            assert without_time(short) == without_time(long)
    events, common = log_fields()
    names = [*common[:3], *events["connection"]]
    assert list(json.loads(short)) == list(json.loads(long)) == names


def without_time(text: bytes) -> bytes:
    """Return a line without its time, which it begins with."""
    head, time, rest = text.partition(b'Z",')
    assert head.startswith(b'{"timestamp":"20')
    return time + rest


@pytest.mark.parametrize("length", [1, 5000])
def test_what_a_terminal_would_obey_is_escaped_in_json_and_says_the_same(length):
    text = "\x1b[2J\x9b2J\x85\xa0\xc2\U0001f600" * length
    with lines() as kept:
        kept.log.event("odd", text=text)
        (line,) = kept.take()
    assert line.decode().removesuffix("\n").replace("\xa0", "").isprintable()
    assert len(line) <= rendering.MOST_BYTES
    assert json.loads(line)["text"].startswith(text[:20])


@pytest.mark.parametrize("microsecond", [0, 1, 120, 999_999])
def test_both_write_the_time_alike(microsecond):
    moment = datetime(2026, 1, 2, 3, 4, 5, microsecond, tzinfo=UTC)
    stamped = moment.isoformat().replace("+00:00", "Z")
    assert rendering._json({"timestamp": moment}) == rendering._json({"timestamp": stamped})
    by_structlog = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "", {})["timestamp"]
    assert by_structlog.endswith("Z")
    now = encoding.dumps(datetime.now(UTC), repr)
    assert encoding.loads(now)[:11] == by_structlog[:11]


class Told:
    def __structlog__(self) -> str:
        return "told"


@pytest.mark.parametrize("value", [Told(), Path("/a"), {"in": [Told()]}])
def test_what_json_has_not_is_told_as_structlog_tells_it(value):
    by_structlog = structlog.processors.JSONRenderer(serializer=encoding.dumps)
    assert rendering._json({"value": value}) == by_structlog(None, "", {"value": value}) + b"\n"


def test_what_a_handler_binds_is_in_its_canonical_line():
    with lines() as of:

        def serve() -> Any:
            enter(served)
            bind_contextvars(user="u", peer="not this one")
            of.log.served("connection", served, "ok", 0.5)
            return of.take()

        served = record()
        (text,) = Context().run(serve)
    told = json.loads(text)
    assert (told["user"], told["peer"]) == ("u", "127.0.0.1:5")


@pytest.mark.parametrize("processors", [[], [lambda *args: args[2]]], ids=["short", "by the chain"])
def test_a_line_that_is_written_elsewhere_has_nothing_of_whom_it_meets_there(processors):
    with lines(processors=processors) as of:
        served = record(error="its own")

        def serve_another() -> None:
            enter(record())
            bind_contextvars(user="another's")
            of.log.served("connection", served, "forced", 0.5)

        Context().run(serve_another)
        (text,) = of.take()
    told = json.loads(text)
    assert (told["connection_id"], told["error"]) == (served.connection_id, "its own")
    assert "user" not in told


def test_what_tells_of_a_client_is_bound_while_it_is_served_and_gone_after_it():
    served = record()
    expected = {"connection_id": served.connection_id, "listener": "tcp", "peer": "127.0.0.1:5"}

    def serve() -> None:
        assert get_contextvars() == {}
        entered = enter(served)
        assert get_contextvars() == expected
        assert asyncio.run(inside()) == expected
        assert copy_context().run(get_contextvars) == expected
        assert nothing_else_bound(served)
        leave(entered)
        assert get_contextvars() == {}
        assert current.get() is None

    async def inside() -> dict[str, Any]:
        return await asyncio.to_thread(get_contextvars)

    Context().run(serve)
    assert get_contextvars() == {}


def test_leaving_gives_back_what_the_program_had_bound_by_the_same_names():
    def serve() -> None:
        bind_contextvars(peer="mine")
        entered = enter(record())
        assert get_contextvars()["peer"] == "127.0.0.1:5"
        leave(entered)
        assert get_contextvars() == {"peer": "mine"}

    Context().run(serve)


def test_a_line_that_names_its_connection_itself_is_of_that_one():
    def serve() -> None:
        enter(record())
        clear_contextvars()
        of.log.event("told", connection_id="another")

    with lines() as of:
        Context().run(serve)
        (text,) = of.take()
    told = json.loads(text)
    assert (told["connection_id"], told.get("peer")) == ("another", None)


def test_what_a_line_says_of_a_peer_itself_stays():
    def serve() -> None:
        enter(served)
        clear_contextvars()
        of.log.event("told", peer="another")

    served = record()
    with lines() as of:
        Context().run(serve)
        (text,) = of.take()
    told = json.loads(text)
    assert (told["connection_id"], told["listener"], told["peer"]) == (served.connection_id, "tcp", "another")


def test_they_are_structlogs_own_variables():
    def serve() -> None:
        enter(record())
        bind_contextvars(peer="mine")
        assert get_contextvars()["peer"] == "mine"
        clear_contextvars()
        assert get_contextvars() == {}

    Context().run(serve)


@pytest.mark.parametrize("other", ["structlog's", "the program's"])
def test_whatever_else_is_set_takes_the_line_through_structlog(other):
    def serve() -> None:
        enter(served)
        if other == "structlog's":
            bind_contextvars(user="u")
        else:
            unrelated.set(1)
        assert not nothing_else_bound(served)

    unrelated: ContextVar[int] = ContextVar("unrelated")
    served = record()
    Context().run(serve)


def drop_ok(_: Any, __: str, fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("outcome") == "ok":
        raise structlog.DropEvent
    return fields


def hide(_: Any, __: str, fields: dict[str, Any]) -> dict[str, Any]:
    fields.pop("peer", None)
    return fields


def count(_: Any, __: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"fields": len(fields), **fields}


def test_processors_have_a_canonical_line_as_it_would_be_written():
    with lines(processors=[count]) as of:
        served = record(listener=listener(hide))
        of.log.served("connection", served, "ok", 0.5)
        (text,) = of.take()
    told = json.loads(text)
    assert told["fields"] == 11
    assert "peer" not in told


@pytest.mark.parametrize(
    "wrong", [lambda *_: None, lambda *_: 7, lambda *_: 1 / 0], ids=["None", "7", "raises"]
)
def test_of_a_line_that_a_processor_has_spoiled_nothing_is_told(wrong):
    with lines(processors=[wrong]) as of:
        of.log.served("connection", record(error="a secret"), "ok", 0.5)
        (text,) = of.take()
    told = json.loads(text)
    assert list(told) == ["timestamp", "level", "event", "error"]
    assert (told["level"], told["event"]) == ("error", "unprintable_line")


def test_processors_may_be_any_iterable():
    options = Options(processors=(each for each in [hide, count]))
    assert options.processors == (hide, count)


def test_a_test_of_the_programs_captures_our_lines_as_well_as_its_own():
    with lines() as of:
        leading = loggers.lead(of.log._steps, of.log.writer.put, "info", of.log._own, threads=False)
        with leading:
            structlog.get_logger().info("mine")
            with structlog.testing.capture_logs() as captured:
                structlog.get_logger().info("captured")
                of.log.served("connection", record(), "ok", 0.5)
            structlog.get_logger().info("mine again")
        assert not structlog.is_configured()
        assert [json.loads(text)["event"] for text in of.take()] == ["mine", "mine again"]
    assert [fields["event"] for fields in captured] == ["captured", "connection"]


def test_a_program_that_has_configured_the_rest_meanwhile_has_its_lines_printed_again(capsys):
    with lines() as of:
        leading = loggers.lead(of.log._steps, of.log.writer.put, "info", of.log._own, threads=False)
        with leading:
            structlog.configure(processors=[structlog.processors.JSONRenderer()])
            structlog.get_logger().info("mine")
        try:
            structlog.get_logger().info("printed")
        finally:
            structlog.reset_defaults()
        assert [json.loads(text)["event"] for text in of.take()] == ["mine"]
    assert json.loads(capsys.readouterr().out) == {"event": "printed"}


def test_a_program_that_has_configured_all_of_it_meanwhile_keeps_that():
    own = structlog.testing.CapturingLoggerFactory()
    with lines() as of:
        leading = loggers.lead(of.log._steps, of.log.writer.put, "info", of.log._own, threads=False)
        try:
            with leading:
                structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=own)
            structlog.get_logger().info("mine")
        finally:
            structlog.reset_defaults()
    assert [call.args for call in own.logger.calls] == [('{"event": "mine"}',)]


def test_a_thread_that_ends_itself_is_no_news(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    with lines() as of:
        with loggers.lead(of.log._steps, of.log.writer.put, "info", of.log._own, threads=True):
            for error in (SystemExit(3), LookupError("lost")):
                threading.excepthook(threading.ExceptHookArgs((type(error), error, None, None)))
        assert threading.excepthook is threading.__excepthook__
        (text,) = of.take()
    assert json.loads(text)["error"].startswith("LookupError: lost")


def test_of_a_record_whose_arguments_do_not_fit_its_text_both_are_told_and_of_whom_it_is():
    with lines() as of:
        handler = loggers.RecordHandler(of.log._steps, of.log.writer.put, of.log._own)
        served = record()
        served.listener = SimpleNamespace(name="tcp", processors=())
        context = Context()
        context.run(current.set, served)
        logged = logging.LogRecord("stock", logging.WARNING, __file__, 1, "%d left", ("two",), None)
        context.run(handler.handle, logged)
        (text,) = of.take()
    told = json.loads(text)
    assert (told["level"], told["event"], told["logger"]) == ("warning", "'%d left' % ('two',)", "stock")
    assert told["connection_id"] == served.connection_id
    with pytest.raises(TypeError) as wrong:
        logged.getMessage()
    assert told["error"].startswith(f"TypeError: {wrong.value}")


class Braces(logging.LogRecord):
    """Has its text in the style of `str.format`, as the cookbook of `logging` has it."""

    def getMessage(self):  # noqa: N802 - the base's name
        return self.msg.format(*(self.args or ()))


def test_the_records_of_the_program_may_have_a_style_of_their_own():
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Braces)
    try:
        with lines() as of:
            handler = loggers.RecordHandler(of.log._steps, of.log.writer.put, of.log._own)
            handler.handle(Braces("stock", logging.WARNING, __file__, 1, "{} left", (2,), None))
            (text,) = of.take()
    finally:
        logging.setLogRecordFactory(factory)
    assert json.loads(text)["event"] == "2 left"


def test_whose_processor_waits_holds_up_nobody_else_that_logs():
    asks, answered = threading.Event(), threading.Event()

    def ask(_: Any, __: str, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["event"] == "slow":
            asks.set()
            assert answered.wait(PATIENCE)
        return fields

    def log(text: str) -> None:
        handler.handle(logging.LogRecord("stock", logging.INFO, __file__, 1, text, None, None))

    with lines(processors=[ask]) as of:
        handler = loggers.RecordHandler(of.log._steps, of.log.writer.put, of.log._own)
        handler.addFilter(lambda record: record.msg != "filtered")
        threads = [threading.Thread(target=log, args=(text,)) for text in ("slow", "filtered", "quick")]
        threads[0].start()
        assert asks.wait(PATIENCE)
        for thread in threads[1:]:
            thread.start()
            thread.join(PATIENCE)
        taken = of.take()
        answered.set()
        threads[0].join(PATIENCE)
        taken += of.take()
    assert [json.loads(text)["event"] for text in taken] == ["quick", "slow"]


def test_a_line_that_a_processor_drops_is_not_written():
    with lines(processors=[drop_ok]) as of:
        of.log.served("connection", record(), "ok", 0.5)
        of.log.served("connection", record(), "reset", 0.5)
        (text,) = of.take()
    assert json.loads(text)["outcome"] == "reset"


def test_processors_have_what_is_told_at_intervals_too():
    with lines() as of:
        of.log.repeated("connection_rejected", processors=[hide, count], listener="tcp", reason="capacity")
        (text,) = of.log._digest(0)
    told = json.loads(text)
    assert (told["event"], told["reason"], told["count"], told["fields"]) == (
        "connection_rejected", "capacity", 1, 6,
    )  # fmt: skip


def test_an_exception_is_told_whole_at_the_debug_level_alone():
    try:
        raise ValueError("as asked")
    except ValueError as error:
        raised = error
    for level in ("info", "debug"):
        with lines(level=level) as of:
            served = record(error="ValueError", raised=raised)
            of.log.served("connection", served, "handler_error", 0.5)
            (text,) = of.take()
        told = json.loads(text)
        assert told["error"] == "ValueError"
        assert ("exception" in told) == (level == "debug")
    assert told["exception"][0]["exc_value"] == "as asked"


def test_of_a_long_traceback_the_line_is_bounded_and_its_other_fields_are_whole():
    def fail(depth: int) -> None:
        if depth:
            try:
                fail(depth - 1)
            except ValueError as error:
                raise ValueError("x" * 500) from error
        raise ValueError("first")

    try:
        fail(30)
    except ValueError as error:
        raised = error
    with lines(level="debug") as of:
        served = record(error="ValueError: " + "e" * 300, raised=raised)
        of.log.served("connection", served, "handler_error", 0.5)
        (text,) = of.take()
    told = json.loads(text)
    assert len(text) <= rendering.MOST_BYTES
    assert told["error"] == served.error
    assert told["connection_id"] == served.connection_id
    assert "more" in str(told["exception"])


def test_events_of_datagrams_are_told_alike():
    datagram = Datagram("127.0.0.1:5", 3)
    datagram.listener = listener()
    with lines() as of:
        of.log.served("datagram", datagram, "no_reply", 0.5)
        (text,) = of.take()
    events, common = log_fields()
    assert list(json.loads(text)) == [*common[:3], *events["datagram"]]


def test_a_level_that_the_program_has_set_meanwhile_stays(monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    before = root.level
    root.setLevel(logging.WARNING)
    try:
        with lines() as of:
            undo = loggers.lead(of.log._steps, of.log.writer.put, "info", of.log._own, threads=False)
            assert root.level == logging.INFO
            root.setLevel(logging.ERROR)
            undo.close()
        assert (root.level, root.handlers) == (logging.ERROR, [])
    finally:
        root.setLevel(before)


def test_without_structlog_nothing_is_bound_and_nobody_pays(monkeypatch):
    monkeypatch.setattr(context, "_variables", ())
    monkeypatch.setattr(context, "sys", SimpleNamespace(modules={}))

    def serve() -> int:
        enter(record())
        return len(copy_context())

    assert Context().run(serve) == 1
