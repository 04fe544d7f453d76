import orjson

from socketscope.replay.measure.failures import Failure
from socketscope.replay.measure.ledger import Ledger
from socketscope.replay.show.live import first_failure


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
