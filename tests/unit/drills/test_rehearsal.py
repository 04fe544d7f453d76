"""What is seen of a drill, on a stack that does as it is told and a clock that goes by itself."""

import shutil
from contextlib import contextmanager, nullcontext

import pytest

from drills.drill import Drill
from drills.rehearsal import RESOLVED, SEEN, TOLD, Outcome, Rehearsal, StoppedError
from drills.stack import StackError


class FakeStack:
    """A stack whose series and alerts are there between so many seconds after the fault's begin and end."""

    def __init__(self, *, seen=2.0, told=10.0, resolved=5.0, others=(), always=(), there_already=False):
        self.now = 0.0
        self.began = self.ended = None
        self.seen, self.told, self.resolved = seen, told, resolved
        self.others, self.always, self.there_already = set(others), set(always), there_already
        self.asked_for = []

    def wait(self, seconds):
        self.now += seconds
        return False

    def at_least(self, servers):
        self.asked_for.append(servers)
        return nullcontext()

    def _since(self, after):
        return self.began is not None and after is not None and self.now - self.began >= after

    def query(self, _):
        if self.there_already:
            return [{"metric": {}, "value": [0, "1"]}]
        is_there = self._since(self.seen) and self.ended is None
        return [{"metric": {"outcome": "reset"}, "value": [0, "1.5"]}] if is_there else []

    def firing(self):
        over = self.ended is not None and self.resolved is not None and self.now - self.ended >= self.resolved
        names = {"Meant"} if self._since(self.told) and not over else set()
        names |= self.always | (self.others if self._since(1) else set())
        return {name: {"annotations": {"summary": "it is so"}} for name in names}


def drilled(stack, wait=None, **changes):
    @contextmanager
    def fault(_):
        stack.began = stack.now
        try:
            yield
        finally:
            stack.ended = stack.now

    drill = Drill(
        **{
            "name": "one", "what": "Something.", "fault": fault, "seen": "up", "alert": "Meant",
            "panel": ("server", "Threads"), "lines": None, **changes,
        }
    )  # fmt: skip
    said: list[str] = []
    rehearsal = Rehearsal(stack, said.append, wait or stack.wait, quiet=20, clock=lambda: stack.now)
    return drill, rehearsal, said


def test_a_fault_shows_is_told_and_resolves():
    stack = FakeStack()
    drill, rehearsal, said = drilled(stack, servers=3)
    outcome = rehearsal.play(drill)
    assert outcome == Outcome(seen=2.0, told=10.0, resolved=5.0)
    assert outcome.is_as_told(drill)
    assert stack.asked_for == [3]
    assert said == [
        "   0.0 s  begins",
        "   2.0 s  seen: 1.5  outcome=reset",
        "  10.0 s  Meant fires: it is so",
        "  10.0 s  the fault has ended",
        "  15.0 s  Meant has resolved",
        "  15.0 s  other alerts: none",
    ]


@pytest.mark.parametrize(
    ("stack", "lasts"),
    [
        (FakeStack(seen=None), SEEN),
        (FakeStack(told=None), TOLD),
        (FakeStack(resolved=None), RESOLVED),
    ],
    ids=["not seen", "not told", "not resolved"],
)
def test_what_does_not_come_is_waited_for_so_long_and_no_longer(stack, lasts):
    drill, rehearsal, _ = drilled(stack)
    assert not rehearsal.play(drill).is_as_told(drill)
    assert stack.ended is not None
    assert lasts < stack.now < lasts + 30


def test_what_must_alarm_nobody_must_be_seen_all_the_same():
    drill, rehearsal, said = drilled(FakeStack(seen=None), alert=None, section="Traffic")
    assert not rehearsal.play(drill).is_as_told(drill)
    assert said[1].endswith("nothing is seen")


def test_the_last_lines_of_its_log_are_shown(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    stack = FakeStack()
    monkeypatch.setattr(stack, "shell", lambda _: "1\n2\n3\n4\n", raising=False)
    drill, rehearsal, said = drilled(stack, lines="docker compose logs")
    assert rehearsal.play(drill).lines == "1\n2\n3\n4\n"
    assert said[3:7] == ["    docker compose logs", "    2", "    3", "    4"]


def test_what_must_alarm_nobody_is_watched_for_a_while():
    stack = FakeStack(told=None)
    drill, rehearsal, said = drilled(stack, alert=None, section="Traffic")
    outcome = rehearsal.play(drill)
    assert outcome == Outcome(seen=2.0)
    assert outcome.is_as_told(drill)
    assert stack.ended - stack.began > 20
    assert said[2].endswith("watched for 20 s")


@pytest.mark.parametrize("alert", ["Meant", None])
def test_another_alert_is_noted_and_not_what_was_meant(alert):
    drill, rehearsal, _ = drilled(FakeStack(others=["NoServer"]), alert=alert, section="Traffic")
    outcome = rehearsal.play(drill)
    assert outcome.others >= {"NoServer"}
    assert not outcome.is_as_told(drill)


def test_an_alert_that_fired_before_is_none_of_the_drills():
    drill, rehearsal, _ = drilled(FakeStack(always=["Watchdog"]))
    outcome = rehearsal.play(drill)
    assert outcome.others == set()
    assert outcome.is_as_told(drill)


@pytest.mark.parametrize("there", [{"there_already": True}, {"always": ["Meant"]}], ids=["series", "alert"])
def test_what_is_there_already_cannot_be_provoked(there):
    stack = FakeStack(**there)
    drill, rehearsal, _ = drilled(stack)
    with pytest.raises(StackError, match="there already"):
        rehearsal.play(drill)
    assert stack.began is None


def test_who_has_enough_of_it_leaves_no_fault():
    stack = FakeStack(told=None)

    def wait(seconds):
        stack.wait(seconds)
        return stack.now > 7

    drill, rehearsal, _ = drilled(stack, wait)
    with pytest.raises(StoppedError):
        rehearsal.play(drill)
    assert stack.ended == stack.now


def test_who_has_enough_of_it_before_it_begins_provokes_nothing():
    stack = FakeStack()
    drill, rehearsal, _ = drilled(stack, wait=lambda _: True)
    with pytest.raises(StoppedError):
        rehearsal.play(drill)
    assert stack.began is None
