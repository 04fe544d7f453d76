from socketscope.replay.measure.history import History
from socketscope.replay.measure.ledger import Ended, Failure
from tests.unit.replay.slots import slot

WRONG = Failure("x.talk", 3, "hello", "hallo")
ALSO_WRONG = Failure("x.talk", 3, "hello", "hullo")
LATE = Failure("x.talk", 3, "hello", "nothing in 1 s")


def ended(at: float, outcome: str, failure: Failure | None = None, *, counted: bool = True) -> Ended:
    return Ended(at, slot(outcome), [] if failure is None else [(at, outcome, failure)], counted)


def test_failures_of_one_place_and_kind_are_one_with_a_count():
    history = History()
    history.add([ended(101.0, "mismatch", WRONG), ended(102.0, "ok")], 100.0)
    history.add([ended(103.0, "mismatch", ALSO_WRONG), ended(104.0, "timeout", LATE)], 100.0)
    assert [(f.first, f.outcome, f.at, f.count) for f in history.failures.values()] == [
        (WRONG, "mismatch", 1.0, 2),
        (LATE, "timeout", 4.0, 1),
    ]


def test_the_warm_up_shows_in_time_and_does_not_count():
    history = History()
    history.add([ended(10.0, "closed", WRONG, counted=False), ended(11.0, "ok")], 10.0)
    assert history.counted.outcomes == {"ok": 1}
    assert history.failures == {}
    assert sum(each.ok + each.failed for each in history.timeline.slots) == 2
