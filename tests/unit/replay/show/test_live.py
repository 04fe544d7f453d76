import os
from types import SimpleNamespace

import orjson

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.show.live import LiveView, first_failure


def test_for_a_terminal_that_takes_nothing_about_a_mebibyte_is_kept_and_then_shown_whole(monkeypatch):
    read, write = os.pipe()
    with os.fdopen(read, "rb", 0) as reader, os.fdopen(write, "wb", 0) as pipe:
        os.set_blocking(read, False)
        monkeypatch.setattr("subprocess.Popen", lambda *_, **__: SimpleNamespace(stdin=pipe))
        view = LiveView(SimpleNamespace(rate=None, loops=None, duration=None), "x", 1)

        def show(heading):
            run = SimpleNamespace(ledger=Ledger(["main"]), began=heading, elapsed=0.0, target_rate=None)
            view.show(run, None, ())

        for _ in range(50):
            show("x" * 100_000)
        drawn = bytearray()
        while b'"y"' not in drawn or not drawn.endswith(b"\n"):
            show("y")
            drawn += reader.read(1 << 20)
    assert 1_000_000 < len(drawn) < 1_500_000
    lines = [orjson.loads(line) for line in drawn.splitlines()]
    assert "x" in lines[0].values()
    assert lines[-1]["began"] == "y"


def test_it_is_told_as_the_summary_will_and_with_how_many_others_there_are():
    ledger = Ledger(["one", "two"])
    with ledger.settled():
        assert first_failure(ledger) == []
    for line in (3, 3, 5):
        wrong = Failure("x.talk", line, "'a'", "nothing", is_text=False, step="two", said=("> a",))
        ledger.exchange("two", "timeout", 1.0, 0.0, wrong)
    with ledger.settled():
        assert first_failure(ledger) == [
            "first failure: x.talk:3, timeout, 2 times, step two; 1 more of other kinds",
            "expected  'a'",
            "got       nothing",
        ]


def test_a_name_that_is_no_text_can_be_told():
    ledger = Ledger(["main"])
    ledger.exchange("main", "mismatch", 1.0, 0.0, Failure("\udcff.talk", 1, "a", "b"))
    with ledger.settled():
        told = first_failure(ledger)
    assert told[0] == "first failure: \\udcff.talk:1, mismatch"
    assert orjson.loads(orjson.dumps(told)) == told


def test_a_target_that_is_no_text_can_be_told(monkeypatch):
    read, write = os.pipe()
    with os.fdopen(read, "rb", 0) as reader, os.fdopen(write, "wb", 0) as pipe:
        monkeypatch.setattr("subprocess.Popen", lambda *_, **__: SimpleNamespace(stdin=pipe))
        LiveView(SimpleNamespace(rate=None, loops=None, duration=None), "unix:///\udce9\x1b", 1)
        assert orjson.loads(reader.read(1000))["heading"] == r"unix:///\udce9\x1b"
