from client.history import History
from client.ledger import Failure

WRONG = Failure("x.talk", 3, "hello", "hallo")
ALSO_WRONG = Failure("x.talk", 3, "hello", "hullo")
LATE = Failure("x.talk", 3, "hello", "nothing in 1 s")


def test_failures_of_one_place_and_kind_are_one_with_a_count():
    history = History()
    history.add([(101.0, "mismatch", 0.1, 0.0, WRONG, True), (102.0, "ok", 0.1, 0.0, None, True)], 100.0)
    history.add(
        [(103.0, "mismatch", 0.1, 0.0, ALSO_WRONG, True), (104.0, "timeout", 1, 0.0, LATE, True)], 100.0
    )
    assert [(f.first, f.outcome, f.at, f.count) for f in history.failures.values()] == [
        (WRONG, "mismatch", 1.0, 2),
        (LATE, "timeout", 4.0, 1),
    ]


def test_the_warm_up_shows_in_time_and_does_not_count():
    history = History()
    history.add([(10.0, "ok", 0.1, 0.0, None, False), (11.0, "ok", 0.1, 0.0, None, True)], 10.0)
    assert history.counted.outcomes == {"ok": 1}
    assert sum(slot.ok for slot in history.timeline.slots) == 2
