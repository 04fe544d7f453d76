import json
import threading
from types import SimpleNamespace

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.measure.timeline import Timeline
from socketscope.replay.show import progress
from socketscope.replay.show.progress import INTERVAL, Lines, Progress


def run_of(ledger: Ledger) -> SimpleNamespace:
    return SimpleNamespace(ledger=ledger, began=0.0, elapsed=0.0)


def test_a_line_an_interval_is_written_to_standard_error(capfdbinary):
    ledger = Ledger(["main"])
    ledger.exchange("main", "ok", 0.25, 0.0, None)
    ledger.exchange("main", "reset", 0.25, 0.0, Failure("x.talk", 1, "a", "b"))
    ledger.passed()
    run, timeline, lines = run_of(ledger), Timeline(), Lines()
    timeline.follow(ledger.take_ended(), 0.0)
    for run.elapsed in (INTERVAL - 0.1, INTERVAL + 0.1, 2 * INTERVAL - 0.1):
        lines.show(run, timeline, [])
    (line,) = capfdbinary.readouterr().err.splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event.pop("p50_seconds") == event.pop("p99_seconds")
    assert event == {"level": "info", "event": "progress", "users": 0, "passes": 1, "ok": 1, "failed": 1}


def test_a_line_counts_since_the_start_and_has_the_durations_of_its_interval(capfdbinary):
    ledger = Ledger(["main"])
    ledger.exchange("main", "ok", 0.25, 0.0, None)
    ledger.passed()
    run, timeline, lines = run_of(ledger), Timeline(), Lines()
    timeline.follow(ledger.take_ended(), 0.0)
    for run.elapsed in (INTERVAL, 3 * INTERVAL):
        timeline.reach(run.elapsed)
        lines.show(run, timeline, [])
    first, later = map(json.loads, capfdbinary.readouterr().err.splitlines())
    assert first["ok"] == later["ok"] == first["passes"] == later["passes"] == 1
    assert later["p50_seconds"] is None is later["p99_seconds"]


def test_the_history_is_complete_although_nobody_looks_at_it_any_more(monkeypatch):
    class Gone:
        def __init__(self):
            self.asked, self.shown, self.closed = threading.Event(), 0, 0

        def show(self, *_):
            self.shown += 1
            self.asked.set()
            raise BrokenPipeError

        def close(self):
            self.closed += 1

    monkeypatch.setattr(progress, "TICK", 0.001)
    ledger, view = Ledger(["main"]), Gone()
    with Progress(run_of(ledger), view) as following:
        assert view.asked.wait(10)
        for _ in range(5):
            ledger.exchange("main", "ok", 0.25, 0.0, None)
    assert following.timeline.counted.ok == 5
    assert ledger.take_ended() == []
    assert (view.shown, view.closed) == (1, 1)
