from socketscope.replay.measure.history import History
from socketscope.replay.measure.ledger import Ended
from tests.unit.replay.slots import slot


def ended(at: float, outcome: str, *, counted: bool = True) -> Ended:
    return Ended(at, slot(outcome), counted)


def test_the_warm_up_shows_in_time_and_does_not_count():
    history = History()
    history.add([ended(10.0, "closed", counted=False), ended(11.0, "ok")], 10.0)
    assert history.counted.outcomes == {"ok": 1}
    assert sum(each.ok + each.failed for each in history.timeline.slots) == 2
